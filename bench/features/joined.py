"""Features that are not taken from the cache: their encoders join the model, which trains them.

Samples, items, attributes, missing values and masks are those of the cached features, by the same code. Only
where those have a vector for a token, these have the token's number, and a batch of them also knows where the
items lie that the vectors are made from.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

import encoders
from bench.errors import DataError, UsageError
from bench.features.batch import Batch
from bench.features.layout import Recipe, SourceLayout
from bench.features.sources import SourceFeatures, Vectors
from bench.features.store import FeatureSet
from fusions import Source

ROOM = 1 << 30
"""Bytes of prepared items that a process keeps."""
ITEMS = "items.json"
"""The file with the items of a source that have a feature, and how many vectors each has."""


class Preparations:
    """What encoders prepare of items, kept from one epoch to the next as far as there is room.

    Those that come first are kept, and none is dropped for another: as every epoch takes all items in a new
    order, it is all the same which, and whatever drops the oldest would soon keep none that is still to come.
    The others are prepared again each time, which takes less than embedding them.
    """

    def __init__(self, chosen: Mapping[str, encoders.Encoder], room: int = ROOM) -> None:
        self.chosen, self.room = chosen, room
        self._kept: dict[tuple[str, str], Any] = {}

    def of(self, modality: str, item: str) -> Any:
        """A prepared item, a text or the path of a file. Raises DataError if it can no longer be decoded."""
        key = (modality, item)
        if key in self._kept:
            return self._kept[key]
        try:
            prepared = self.chosen[modality].prepare(item if modality == "text" else Path(item))
        except encoders.CannotDecode as error:
            raise DataError(
                f"{item} can no longer be decoded ({error}); it changed during the run."
            ) from None
        if self.room > 0 and (size := len(pickle.dumps(prepared))) <= self.room:
            self.room -= size
            self._kept[key] = prepared
        return prepared


class ItemBatch(Batch):
    """One source of a batch whose vectors are still to be made: values (N, 1) are numbers of vectors."""

    source: Awaited

    @classmethod
    def of(cls, source: Awaited, batch: Batch) -> ItemBatch:
        """The batch with its source."""
        made = cls(*batch)
        made.source = source
        return made

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        moved = super().to(device)
        moved.source = self.source
        return moved

    @property
    def cached(self) -> Batch:
        """The vectors that the encoder makes before it is trained."""
        return Batch(torch.from_numpy(self.source.vectors[self._numbers]), self.mask, self.slots)

    @property
    def entries(self) -> tuple[Tensor, Tensor]:
        """What is standardised: the cached vectors, by which all methods are."""
        return self.cached.entries

    def pooled(self) -> Tensor:
        """As of the cached vectors."""
        return self.cached.pooled()

    @cached_property
    def items(self) -> np.ndarray:
        """The distinct items (n,) that its vectors are made from, as numbers."""
        return np.unique(self.source.item_of(self._numbers))

    def prepared(self) -> Iterator[tuple[int, Any]]:
        """What the encoder prepares of each distinct item, with its place among them."""
        for place, item in enumerate(self.items):
            yield place, self.source.prepared(int(item))

    def filled(self, made: Tensor) -> Batch:
        """The batch with vectors, from all those of its distinct items, (vectors, D), item by item."""
        source, steps = self.source, self.source.steps[self.items]
        of = source.item_of(self._numbers)
        first = (np.cumsum(steps) - steps)[np.searchsorted(self.items, of)]
        rows = first + self._numbers - source.first[of]
        return Batch(made[torch.from_numpy(rows).to(made.device)], self.mask, self.slots)

    @cached_property
    def _numbers(self) -> np.ndarray:
        numbers: np.ndarray = self.values[:, 0].cpu().numpy()
        return numbers


@dataclass(frozen=True)
class Awaited(Vectors):
    """Vectors that an encoder still has to make: `values` (V, 1) are their numbers, 0 .. V-1.

    Attributes:
        vectors: those that it makes before it is trained, (V, D).
        modality: whose encoder it is.
        raw: the items that have any, texts or paths.
        steps: how many each has, (items,).
        preparations: where items are prepared.
    """

    vectors: np.ndarray
    modality: str
    raw: Sequence[str]
    steps: np.ndarray
    preparations: Preparations

    @classmethod
    def behind(cls, cached: SourceFeatures, folder: Path, modality: str, prepared: Preparations) -> Awaited:
        """The cached vectors of a source as they are to be made again from the items in a folder."""
        assert isinstance(cached, Vectors)
        content = json.loads((folder / ITEMS).read_text(encoding="utf-8"))
        return cls(
            items=cached.items,
            values=np.arange(len(cached.values))[:, None],
            attributes=cached.attributes,
            tokens=cached.tokens,
            slots=cached.slots,
            vectors=cached.values,
            modality=modality,
            raw=content["items"],
            steps=np.array(content["steps"], dtype=np.int64),
            preparations=prepared,
        )

    @property
    def width(self) -> int:
        """D."""
        return max(1, int(self.vectors.shape[1]))

    @cached_property
    def first(self) -> np.ndarray:
        """The number of every item's first vector, (items,)."""
        return np.asarray(np.cumsum(self.steps) - self.steps)

    def item_of(self, numbers: np.ndarray) -> np.ndarray:
        """The numbers of the items that vectors are of."""
        return np.searchsorted(self.first, numbers, side="right") - 1

    def prepared(self, item: int) -> Any:
        """What the encoder prepares of an item."""
        return self.preparations.of(self.modality, self.raw[item])

    def _gathered(self, rows: np.ndarray) -> Batch:
        return ItemBatch.of(self, super()._gathered(rows))

    def _empty(self, layout: SourceLayout) -> Self:
        nothing = super()._empty(layout)
        return replace(nothing, values=np.zeros((0, 1), np.int64), vectors=nothing.values)


@dataclass(frozen=True)
class JoinedFeatures(FeatureSet):
    """Features of which some are made by encoders that are trained with the model.

    Attributes:
        raw: source -> the folder with its items, of those that are.
    """

    raw: Mapping[Source, Path] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Another one than that of the same features as they are cached."""
        parts = [super().fingerprint, *sorted(map(str, self.raw))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @cached_property
    def encoders(self) -> dict[str, encoders.Network]:
        """Modality -> the encoder that is trained."""
        assert self.origin is not None
        modalities = sorted({source.modality for source in self.raw})
        return {m: network_of(m, self.origin.encoders[m]) for m in modalities}

    @cached_property
    def sources(self) -> dict[Source, SourceFeatures]:
        """The cached features, those of encoders that are trained as they are to be made again."""
        found, prepared = dict(super().sources), Preparations(self.encoders)
        for source in found.keys() & self.raw.keys():
            found[source] = Awaited.behind(found[source], self.raw[source], source.modality, prepared)
        return found


def encoder_of(modality: str, recipe: Recipe) -> encoders.Encoder:
    """The encoder of a recipe. Raises UsageError where it cannot be had as it was."""
    options: dict[str, Any] = recipe.options
    try:
        encoder = encoders.get(modality, recipe.name, weights=recipe.weights, **options)
        same = encoder.fingerprint == recipe.fingerprint
    except (encoders.UnknownEncoder, encoders.WeightsUnavailable, ValueError, TypeError) as error:
        raise UsageError(f"the {modality} encoder {recipe.name} cannot be had here: {error}") from None
    if not same:
        raise UsageError(
            f"the {modality} encoder {recipe.name} ({recipe.weights} weights) is not the one that the method "
            "was fitted with: its weights, options or version differ; run again here with --save-models."
        )
    return encoder


def network_of(modality: str, recipe: Recipe) -> encoders.Network:
    """The same of an encoder that can be trained. Raises UsageError of another."""
    encoder = encoder_of(modality, recipe)
    if not isinstance(encoder, encoders.Network) or not encoder.trainable:
        raise UsageError(f"the {encoder.title} has no weights that could be trained.")
    return encoder
