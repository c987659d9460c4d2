"""Encoded features of a dataset, on disk and as batches.

One folder per (dataset, source, encoder) holds memory-mapped arrays; a `FeatureSet` names the folders
that one run needs and gathers batches from them. Nothing is padded until a batch is made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.data.ragged import Ragged
from bench.data.schema import Target
from bench.errors import DataError
from bench.features.layout import Description, Layout, Origin, SourceLayout
from fusions import Source


class Batch(NamedTuple):
    """One source of a batch, before the trunk.

    Attributes:
        values: (N, D) feature vectors of the N present tokens, in the order of the mask's True entries; or
            (B, M, L) numbers, zero where absent. Padding is never stored, moved or projected.
        mask: (B, M, L), True where present.
        slots: (N,) the attribute number of every present vector; (0,) for numbers, whose slot is their place.
    """

    values: Tensor
    mask: Tensor
    slots: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(*(t.to(device) for t in self))


@dataclass(frozen=True)
class SourceFeatures:
    """The stored features of one source.

    Attributes:
        items: sample -> rows of the entity.
        tokens: row of the entity -> positions in `values` (vectors), or None for numbers.
        slots: attribute number of every token, aligned with ``tokens.values``.
        values: (V, D) float32 distinct feature vectors, or (rows, L) float32 numbers with NaN.
        attributes: names of the attributes; their number is the number of slots.
    """

    items: Ragged
    tokens: Ragged | None
    slots: np.ndarray
    values: np.ndarray
    attributes: tuple[str, ...]

    def batch(self, samples: np.ndarray, hidden: np.ndarray | None = None) -> Batch:
        """Gather the tokens of `samples` (B,); those `hidden` (B,) keep their items, all of them absent."""
        rows = self.items.padded(samples)
        if hidden is not None:  # the sources of an entity are aligned by item: the number of items must stay
            rows = np.where(hidden[:, None], -1, rows)
        if self.tokens is None:
            return self._numbers(rows)
        positions = self.tokens.positions(rows)
        mask = positions >= 0
        present = positions[mask]
        return Batch(
            torch.from_numpy(self.values.take(self.tokens.values.take(present), axis=0)),
            torch.from_numpy(mask),
            torch.from_numpy(self.slots.take(present)),
        )

    def _numbers(self, rows: np.ndarray) -> Batch:
        values = self.values.take(rows, axis=0)
        mask = np.isfinite(values) & (rows >= 0)[..., None]
        return Batch(
            torch.from_numpy(np.where(mask, values, np.float32(0))),
            torch.from_numpy(mask),
            torch.zeros(0, dtype=torch.long),
        )

    @cached_property
    def present(self) -> np.ndarray:
        """Which samples have anything of this source, (N,) bool."""
        filled = np.isfinite(self.values).any(1) if self.tokens is None else np.diff(self.tokens.offsets) > 0
        before = np.concatenate([[0], np.cumsum(filled[self.items.values])])
        return np.asarray(before[self.items.offsets[1:]] > before[self.items.offsets[:-1]])

    @property
    def width(self) -> int:
        """D, the width of the feature vectors (1 for numbers)."""
        return 1 if self.tokens is None else max(1, self.values.shape[1])

    def like(self, layout: SourceLayout) -> SourceFeatures:
        """The same in the form that a method was fitted to. Raises DataError for features of another form.

        What is wholly absent has no form of its own; an entity without any row gets an empty one.
        """
        numbers, empty = layout.kind == "numbers", not len(self.values)
        if numbers != (self.tokens is None) or len(self.attributes) != len(layout.attributes):
            raise DataError(f"{layout.source} has other attributes than the method was fitted to.")
        if empty and numbers:
            return replace(self, values=np.full((1, len(layout.attributes)), np.nan, np.float32))
        if empty:
            nothing = Ragged.from_lengths(
                np.zeros(0, np.int64), np.zeros(max(1, len(self.tokens or ())), np.int64)
            )
            return replace(self, values=np.zeros((0, layout.width), np.float32), tokens=nothing)
        if self.width != layout.width:
            raise DataError(
                f"the features of {layout.source} are {self.width} wide, those that the method was fitted to "
                f"{layout.width}; make them as for its data."
            )
        return self

    def save(self, folder: Path) -> None:
        """Write into an existing, empty folder."""
        np.save(folder / "values.npy", self.values)
        arrays = {"items": self.items.values, "item_offsets": self.items.offsets, "slots": self.slots}
        if self.tokens is not None:
            arrays |= {"tokens": self.tokens.values, "token_offsets": self.tokens.offsets}
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        (folder / "attributes.json").write_text(json.dumps(self.attributes), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> SourceFeatures:
        """Memory-map what `save` wrote."""

        def array(name: str) -> np.ndarray:
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))

        has_tokens = (folder / "tokens.npy").exists()
        return cls(
            items=Ragged(array("items"), array("item_offsets")),
            tokens=Ragged(array("tokens"), array("token_offsets")) if has_tokens else None,
            slots=array("slots"),
            values=array("values"),
            attributes=tuple(json.loads((folder / "attributes.json").read_text(encoding="utf-8"))),
        )


@dataclass(frozen=True)
class FeatureSet:
    """All that training needs of a dataset, light enough to send to another process.

    Attributes:
        dataset: folder with the ids, targets, groups, times and official split.
        target: what is predicted.
        folders: the folder of every source, in the order of the schema.
        many: entities with several items per sample.
        ordered: sources whose tokens are a sequence in time.
        stamps: modality -> encoder with the provenance of its weights, ``resnet50 (random)``.
        undecodable: number of distinct items that could not be decoded.
        fixed: why only the official split may be used; "" where any may.
        hidden: source -> (N,) bool, the samples from which it is taken away.
        required: the folders of all sources that a complete sample has, where they are not just `folders`.
        origin: the description of the data and the encoders; None where there are none.
    """

    dataset: Path
    target: Target
    folders: Mapping[Source, Path]
    many: frozenset[str]
    ordered: frozenset[Source]
    stamps: Mapping[str, str]
    undecodable: int = 0
    fixed: str = ""
    hidden: Mapping[Source, np.ndarray] = field(default_factory=dict)
    required: Mapping[Source, Path] = field(default_factory=dict)
    origin: Origin | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what is open: another process maps the files itself."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def sources(self) -> dict[Source, SourceFeatures]:
        """The stored features, memory-mapped on first use."""
        return {source: SourceFeatures.load(folder) for source, folder in self.folders.items()}

    @cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """Memory-mapped arrays over samples: `ids`, `target`; maybe `groups`, `official`, `times`."""
        return {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in self.dataset.glob("*.npy")
        }

    @cached_property
    def complete(self) -> np.ndarray:
        """Which samples have every source of the dataset, (N,) bool; the same whoever sees only some."""
        present = np.ones(len(self.samples["target"]), dtype=bool)
        for folder in (self.required or self.folders).values():
            present &= SourceFeatures.load(folder).present
        return present

    @property
    def fingerprint(self) -> str:
        """A hash of every source's features; folder names are hashes of their content."""
        parts = [self.dataset.name, *(f"{s}:{f.name}" for s, f in self.folders.items())]
        # sources that are not seen decide no more than which samples are complete
        parts += [np.packbits(self.complete).tobytes().hex()] if self.required else []
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def only(self, entities: Collection[str]) -> FeatureSet:
        """The same without the sources of all other entities."""
        kept = {source: folder for source, folder in self.folders.items() if source.entity in entities}
        return replace(self, folders=kept, required=self.required or self.folders)

    def hiding(self, hidden: Mapping[Source, np.ndarray]) -> FeatureSet:
        """The same with sources taken away from samples: source -> (N,) bool."""
        seen = replace(self, hidden=dict(hidden))
        seen.__dict__["sources"] = self.sources  # what is open already need not be opened again
        return seen

    @property
    def layout(self) -> Layout:
        """What they look like."""
        sources = [
            SourceLayout(
                entity=source.entity,
                modality=source.modality,
                kind="numbers" if features.tokens is None else "vectors",
                width=features.width,
                attributes=features.attributes,
                ordered=source in self.ordered,
                many=source.entity in self.many,
            )
            for source, features in self.sources.items()
        ]
        return Layout(target=self.target, sources=tuple(sources))

    @property
    def description(self) -> Description:
        """All that is to be known of them to fit others to a method. Raises ValueError if simulated."""
        if self.origin is None:
            raise ValueError("these features come from no dataset; a method fitted to them cannot be kept")
        return Description(origin=self.origin, layout=self.layout)

    def like(self, layout: Layout) -> FeatureSet:
        """The same as a method sees them that was fitted to others: its sources in its order, its target.

        Raises:
            DataError: a source has another form there.
        """
        folders = {s.source: self.folders[s.source] for s in layout.sources}
        seen = replace(self, target=layout.target, folders=folders)
        seen.__dict__["sources"] = {s.source: self.sources[s.source].like(s) for s in layout.sources}
        return seen

    def batches(self, samples: np.ndarray, size: int) -> Iterator[dict[Source, Batch]]:
        """Batches of at most `size` of `samples` (N,), in order."""
        for start in range(0, len(samples), size):
            yield self.batch(samples[start : start + size])

    def batch(self, samples: np.ndarray) -> dict[Source, Batch]:
        """The batch of `samples` (B,), every source."""
        return {
            source: features.batch(samples, self.hidden[source][samples] if source in self.hidden else None)
            for source, features in self.sources.items()
        }
