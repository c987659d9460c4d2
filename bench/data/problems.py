"""What can be wrong with a dataset, and how a user is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.errors import DataError


@dataclass(frozen=True)
class Problem:
    """One fault, in all the cells that have it.

    Attributes:
        kind: a short name, such as "dangling-key".
        what: what is wrong, to be read after the place.
        mend: what to do about it.
        file: the table or media file, relative to the dataset; "" for the dataset as a whole.
        column: of the table; "" for the whole file.
        rows: as a spreadsheet counts them (the header is row 1), all that have the fault.
        stops: whether the dataset cannot be used before it is mended; otherwise it is worked around.
    """

    kind: str
    what: str
    mend: str
    file: str = ""
    column: str = ""
    rows: tuple[int, ...] = ()
    stops: bool = True

    @property
    def place(self) -> str:
        """File, first row and column, as far as they are known."""
        row = f" row {self.rows[0]}" if self.rows else ""
        column = f" column {self.column!r}" if self.column else ""
        return f"{self.file}{row}{column}"

    @property
    def severity(self) -> str:
        """One word: error for what stops a run, else warning."""
        return "error" if self.stops else "warning"

    @property
    def count(self) -> int:
        """How many cells have the fault."""
        return max(1, len(self.rows))

    def __str__(self) -> str:
        more = f" ({self.count} such rows)" if self.count > 1 else ""
        colon = ":" if self.rows or self.column else ""  # "samples.csv has no ..." reads without
        return f"{self.place}{colon} {self.what}{more}; {self.mend}.".lstrip()


Report = Callable[[Problem], None]
"""Who is told of a problem; reading goes on after it if this returns."""


def refuse(problem: Problem) -> None:
    """The report of everyone who wants to work with the data. Raises DataError if the problem stops that."""
    if problem.stops:
        raise DataError(str(problem))


def rows_where(bad: Sequence[bool] | np.ndarray) -> tuple[int, ...]:
    """The rows of a table where `bad` (R,) holds, as a spreadsheet counts them."""
    return tuple((np.flatnonzero(bad) + 2).tolist())


def inside(root: Path, name: str) -> bool:
    """Whether the path `name` stays in the folder `root` when its links are followed."""
    return Path(os.path.realpath(root / name)).is_relative_to(os.path.realpath(root))


def nameable(name: str) -> bool:
    """Whether a file can have this path at all: no NUL, no part of more than 255 bytes."""
    return "\0" not in name and all(len(part.encode(errors="replace")) <= 255 for part in Path(name).parts)
