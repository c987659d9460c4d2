"""What can be wrong with a dataset, and what a user is to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.errors import DataError, printable


@dataclass(frozen=True)
class Problem:
    """One fault, in all the cells that have it.

    Attributes:
        kind: a short name, such as "dangling-key".
        what: what is wrong, to be read after the place.
        fix: what to do about it.
        file: the table or media file, relative to the dataset; "" for the dataset as a whole.
        column: of the table; "" for the whole file.
        rows: as a spreadsheet counts them (the header is row 1), all that have the fault.
        stops: whether the dataset cannot be used before it is fixed; otherwise it is worked around.
    """

    kind: str
    what: str
    fix: str
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
        return printable(f"{self.place}{colon} {_short(self.what)}{more}; {_short(self.fix)}.".lstrip())


Report = Callable[[Problem], None]
"""What is called with a problem; reading goes on after it if this returns."""


def refuse(problem: Problem) -> None:
    """The report of everyone who wants to work with the data. Raises DataError if the problem stops that."""
    if problem.stops:
        raise DataError(str(problem))


def rows_where(bad: Sequence[bool] | np.ndarray) -> tuple[int, ...]:
    """The rows of a table where `bad` (R,) holds, as a spreadsheet counts them."""
    return tuple((np.flatnonzero(bad) + 2).tolist())


def _short(text: str, most: int = 500) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def some(names: Iterable[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return printable(", ".join(_short(name, 80) for name in names[:most])) + more
