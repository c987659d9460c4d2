"""The stored features of one source: numbers, a table of attributes; or vectors, any number of tokens."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch

from bench.data.ragged import Ragged
from bench.errors import DataError
from bench.features.batch import Batch, NumberBatch
from bench.features.layout import SourceLayout


@dataclass(frozen=True)
class SourceFeatures(ABC):
    """What numbers and vectors have in common.

    Attributes:
        items: sample -> rows of the entity.
        values: float32; see the two kinds.
        attributes: their names; of vectors, those that have slots.
    """

    items: Ragged
    values: np.ndarray
    attributes: tuple[str, ...]
    kind: ClassVar[Literal["numbers", "vectors"]]

    def batch(self, samples: np.ndarray, hidden: np.ndarray | None = None) -> Batch:
        """Gather the tokens of `samples` (B,); those `hidden` (B,) keep their items, all of them absent."""
        rows = self.items.padded(samples)
        if hidden is not None:  # the sources of an entity are aligned by item: the number of items must stay
            rows = np.where(hidden[:, None], -1, rows)
        return self._gathered(rows)

    @cached_property
    def present(self) -> np.ndarray:
        """Which samples have anything of this source, (N,) bool."""
        before = np.concatenate([[0], np.cumsum(self._filled[self.items.values])])
        return np.asarray(before[self.items.offsets[1:]] > before[self.items.offsets[:-1]])

    def like(self, layout: SourceLayout) -> Self:
        """The same in the form that a method was fitted to. Raises DataError for features of another form.

        What is wholly absent has no form of its own; an entity without any row gets an empty one.
        """
        if (self.kind, len(self.attributes)) != (layout.kind, len(layout.attributes)):
            raise DataError(f"{layout.source} has other attributes than the method was fitted to.")
        if not len(self.values):
            return self._empty(layout)
        if self.width != layout.width:
            raise DataError(
                f"the features of {layout.source} are {self.width} wide, those that the method was fitted to "
                f"{layout.width}; make them as for its data."
            )
        return self

    def save(self, folder: Path) -> None:
        """Write into an existing, empty folder."""
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array)
        (folder / "attributes.json").write_text(json.dumps(self.attributes), encoding="utf-8")

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"values": self.values, "items": self.items.values, "item_offsets": self.items.offsets}

    @property
    @abstractmethod
    def width(self) -> int:
        """D, the width of the feature vectors; 1 for numbers."""

    @property
    @abstractmethod
    def _filled(self) -> np.ndarray:
        """Which rows of the entity have anything, (rows,) bool."""

    @abstractmethod
    def _gathered(self, rows: np.ndarray) -> Batch:
        """The batch of rows of the entity (B, M), -1 where there is none."""

    @abstractmethod
    def _empty(self, layout: SourceLayout) -> Self:
        """The same, without any value, in the form of a layout."""


@dataclass(frozen=True)
class Numbers(SourceFeatures):
    """Values (rows, L), NaN where absent."""

    kind = "numbers"
    width = 1

    @property
    def _filled(self) -> np.ndarray:
        return np.asarray(np.isfinite(self.values).any(1))

    def _gathered(self, rows: np.ndarray) -> Batch:
        values = self.values.take(rows, axis=0)
        mask = np.isfinite(values) & (rows >= 0)[..., None]
        return NumberBatch(
            torch.from_numpy(np.where(mask, values, np.float32(0))),
            torch.from_numpy(mask),
            torch.zeros(0, dtype=torch.long),
        )

    def _empty(self, layout: SourceLayout) -> Self:
        return replace(self, values=np.full((1, len(layout.attributes)), np.nan, np.float32))


@dataclass(frozen=True)
class Vectors(SourceFeatures):
    """Values (V, D), the distinct feature vectors.

    Attributes:
        tokens: row of the entity -> positions in `values`.
        slots: attribute number of every token, aligned with ``tokens.values``.
    """

    tokens: Ragged
    slots: np.ndarray
    kind = "vectors"

    @property
    def width(self) -> int:
        """D."""
        return max(1, int(self.values.shape[1]))

    @property
    def _filled(self) -> np.ndarray:
        return np.diff(self.tokens.offsets) > 0

    def _gathered(self, rows: np.ndarray) -> Batch:
        positions = self.tokens.positions(rows)
        mask = positions >= 0
        present = positions[mask]
        return Batch(
            torch.from_numpy(self.values.take(self.tokens.values.take(present), axis=0)),
            torch.from_numpy(mask),
            torch.from_numpy(self.slots.take(present)),
        )

    def _empty(self, layout: SourceLayout) -> Self:
        nothing = Ragged.from_lengths(np.zeros(0, np.int64), np.zeros(max(1, len(self.tokens)), np.int64))
        return replace(self, values=np.zeros((0, layout.width), np.float32), tokens=nothing)

    def _arrays(self) -> dict[str, np.ndarray]:
        tokens = {"tokens": self.tokens.values, "token_offsets": self.tokens.offsets, "slots": self.slots}
        return super()._arrays() | tokens


def load(folder: Path) -> SourceFeatures:
    """Memory-map what `SourceFeatures.save` wrote."""
    arrays = {
        path.stem: np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        for path in folder.glob("*.npy")
    }
    items = Ragged(arrays["items"], arrays["item_offsets"])
    attributes = tuple(json.loads((folder / "attributes.json").read_text(encoding="utf-8")))
    if "tokens" not in arrays:
        return Numbers(items, arrays["values"], attributes)
    tokens = Ragged(arrays["tokens"], arrays["token_offsets"])
    return Vectors(items, arrays["values"], attributes, tokens, arrays["slots"])
