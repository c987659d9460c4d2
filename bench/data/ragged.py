"""Ragged arrays: rows of different lengths as one flat array with offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths.

    Attributes:
        values: (T,) all entries, row after row.
        offsets: (R + 1,) int64; row r is ``values[offsets[r]:offsets[r + 1]]``.
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_lengths(cls, values: np.ndarray, lengths: Sequence[int] | np.ndarray) -> Ragged:
        """Build from the flat entries and the length of each row."""
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(values, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """Where the entries of `rows` stand in `values`, padded with -1: (..., ) -> (..., longest).

        A row number of -1 stands for an absent row and gives no entries.
        """
        # take gathers faster than indexing with an array; what it finds for -1 is not used
        start = self.offsets.take(rows)
        length = np.where(rows < 0, 0, self.offsets.take(rows + 1) - start)
        step = np.arange(max(1, length.max(initial=0)))
        return np.where(step < length[..., None], start[..., None] + step, -1)

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """The entries of `rows`, padded with -1: (...,) -> (..., longest). For integer values."""
        positions = self.positions(rows)
        if len(self.values) == 0:
            return positions
        return np.where(positions < 0, -1, self.values.take(positions))
