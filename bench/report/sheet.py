"""A table for people and programs, before it is Markdown, CSV, LaTeX or HTML (`bench.report.writers`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

DECIMALS = 4
LARGE = 1000
"""A number from here on is shown without decimals."""
HUGE = 1e12
"""A number from here on is shown as a power of ten."""
LONG = 40
"""Characters above which a cell may take several lines."""
NOTHING = "–"

Kind = Literal["text", "metric", "count", "seconds", "plain"]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        value: a number, a text or a flag; NaN and None are nothing.
        kind: how a number is shown: with decimals (metric), as a count, as seconds, or as it is (plain).
        label: shown in place of the value.
        sd: standard deviation over seeds.
        low, high: the 95 % interval of the mean.
        best: whether no other row's is better.
    """

    value: Any
    kind: Kind = "text"
    label: str = ""
    sd: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    best: bool = False

    def shown(self, decimals: int = DECIMALS) -> str:
        """As people read it."""
        if self.label or self.kind == "text":
            return self.label or str(self.value if self.value not in (None, "") else NOTHING)
        if self.value is None or np.isnan(self.value):
            return NOTHING
        if self.kind == "metric":
            return decimal(self.value, decimals) if np.isfinite(self.value) else "diverged"
        if self.kind == "count":
            return f"{self.value:,.0f}" if self.value else NOTHING
        return f"{self.value:.1f}" if self.kind == "seconds" else f"{self.value:.4g}"

    @property
    def text(self) -> str:
        """As people read it, with the usual decimals."""
        return self.shown()

    def spread(self, decimals: int = DECIMALS) -> str:
        """The deviation over seeds; "" where there is none."""
        known = np.isfinite(self.sd) and self.value is not None and np.isfinite(self.value)
        return decimal(self.sd, decimals) if known else ""

    @property
    def interval(self) -> str:
        """The interval; "" where there is none."""
        return interval_text(self.low, self.high)

    @property
    def is_long(self) -> bool:
        """Whether the text may break into lines."""
        return len(self.text) > LONG

    @property
    def key(self) -> str:
        """The number that it sorts by, as text; "" where it is missing."""
        known = isinstance(self.value, int | float | np.number) and np.isfinite(self.value)
        return repr(float(self.value)) if known and self.text != NOTHING else ""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its header.
        kind: of its cells.
        order: how the table is sorted by it: ascending, descending or none.
        shown: its place among those that people see; None for programs only.
        interval: whether programs get its interval too.
    """

    name: str
    kind: Kind = "text"
    order: str = "none"
    shown: int | None = 0
    interval: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it sorts as numbers."""
        return self.kind != "text"


@dataclass(frozen=True)
class Line:
    """One row; its first cell is its header, and `tag` is said beside it."""

    cells: tuple[Cell, ...]
    reference: bool = False
    tag: str = ""


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        name: its id on the page.
        caption: what it says of itself.
        columns, lines: in the order that programs get.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    title: str = ""
    """A heading, where it stands beside the main table."""

    @property
    def has_intervals(self) -> bool:
        """Whether any cell has an interval to show."""
        return any(cell.interval for line in self.lines for cell in line.cells)

    def visible(self) -> Sheet:
        """What people see, in the order they see it."""
        places = [i for i, column in enumerate(self.columns) if column.shown is not None]
        return self._with(sorted(places, key=lambda i: (self.columns[i].shown or 0, i)))

    def only(self, names: Iterable[str]) -> Sheet:
        """The columns of these names, as far as there are any."""
        wanted = list(names)
        return self._with([i for i, column in enumerate(self.columns) if column.name in wanted])

    def _with(self, places: Sequence[int]) -> Sheet:
        lines = tuple(replace(line, cells=tuple(line.cells[i] for i in places)) for line in self.lines)
        return replace(self, columns=tuple(self.columns[i] for i in places), lines=lines)


def plain_sheet(name: str, caption: str, rows: Sequence[Mapping[str, Any]]) -> Sheet:
    """A table of values as they are; a column of numbers only sorts as numbers."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    numbers = {key for key in keys if all(_is_number(row.get(key)) for row in rows)}
    columns = tuple(Column(key, "plain" if key in numbers else "text") for key in keys)
    lines = tuple(Line(tuple(_plain(row.get(key), key in numbers) for key in keys)) for row in rows)
    return Sheet(name, caption, columns, lines)


def _plain(value: Any, number: bool) -> Cell:
    whole = isinstance(value, int) and not isinstance(value, bool)
    label = str(value) if whole else f"{value:.4g}" if isinstance(value, float) else ""
    return Cell(value, "plain" if number else "text", label)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float | np.number)


def decimal(value: float, decimals: int = DECIMALS) -> str:
    """A number as tables show it: with decimals, unless it is so large that they mean nothing."""
    if abs(value) >= HUGE:
        return f"{value:.3g}"
    return f"{value:.{decimals}f}" if abs(value) < LARGE else f"{value:,.0f}"


def interval_text(low: float, high: float, sign: str = "") -> str:
    """An interval as text; "" where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"[{low:{sign}.{DECIMALS}f}, {high:{sign}.{DECIMALS}f}]"
