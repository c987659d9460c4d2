"""A table for people and programs, before it is Markdown, CSV, LaTeX or HTML (`bench.report.writers`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

DIGITS = 3
"""How many digits of a measured number are shown."""
EXACT = 7
"""How many its tooltip has."""
TINY, HUGE = 1e-6, 1e12
"""A number below or from here on is shown as a power of ten."""
LONG = 40
"""Characters above which a cell may take several lines."""
NOTHING = "–"

Kind = Literal["text", "metric", "change", "count", "amount", "plain"]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        value: a number, a text or a flag; NaN and None are nothing.
        kind: how a number is shown: measured (metric), with its sign (change), exactly (count), as a cost,
            which is 0 where there is none (amount), or as it is (plain).
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

    @property
    def text(self) -> str:
        """As people read it."""
        if self.label or self.kind == "text":
            return self.label or str(self.value if self.value not in (None, "") else NOTHING)
        if self.value is None or np.isnan(self.value) or (self.kind == "amount" and not self.value):
            return NOTHING
        if self.kind == "count":
            return f"{self.value:,.0f}"
        if self.kind == "plain":
            return f"{self.value:.4g}"
        if not np.isfinite(self.value):
            return "diverged"
        return digits(self.value, sign="+" if self.kind == "change" and self.value else "")

    @property
    def spread(self) -> str:
        """The deviation over seeds, as exact as the mean; "" where there is none."""
        known = np.isfinite(self.sd) and self.value is not None and np.isfinite(self.value)
        return digits(self.sd, like=self.value) if known else ""

    @property
    def interval(self) -> str:
        """The interval; "" where there is none."""
        return interval_text(self.low, self.high, sign="+" if self.kind == "change" else "")

    @property
    def hover(self) -> str:
        """All that is known of a measured number, as a tooltip says it; "" of others."""
        if self.kind in ("text", "count", "plain") or not self.key:
            return ""
        spread = f" ± {digits(self.sd, like=self.value, count=EXACT)}" if self.spread else ""
        interval = f", 95 % interval {self.interval}" if self.interval else ""
        whole = float(self.value).is_integer()
        value = f"{self.value:,.0f}" if whole else digits(self.value, count=EXACT)
        return f"{value}{spread}{interval}"

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
        asked: whether people see it only where they ask for it.
        title: what people read in place of its name.
        best: which way it is sorted first: the best value at the top.
    """

    name: str
    kind: Kind = "text"
    order: str = "none"
    shown: int | None = 0
    interval: bool = False
    asked: bool = False
    title: str = ""
    best: str = "ascending"

    @property
    def header(self) -> str:
        """What people read above it."""
        return self.title or self.name

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

    def visible(self, everything: bool = False) -> Sheet:
        """What people see, in the order they see it; with `everything` also what they may ask for."""
        places = [
            i for i, c in enumerate(self.columns) if c.shown is not None and (everything or not c.asked)
        ]
        return self._with(sorted(places, key=lambda i: (self.columns[i].shown or 0, i)))

    def top(self, lines: int) -> Sheet:
        """The first lines."""
        return replace(self, lines=self.lines[:lines])

    def only(self, names: Iterable[str]) -> Sheet:
        """The columns of these names, as far as there are any."""
        wanted = list(names)
        return self._with([i for i, column in enumerate(self.columns) if column.name in wanted])

    def last(self, name: str) -> Sheet:
        """The columns with one of them at the end."""
        return self._with(sorted(range(len(self.columns)), key=lambda i: self.columns[i].name == name))

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


def digits(value: float, *, sign: str = "", like: float | None = None, count: int = DIGITS) -> str:
    """A number as people read it: the digits that count, thousands apart; or with the places of another."""
    size = abs(value if like is None else like)
    if max(size, abs(value)) >= HUGE or 0 < size < TINY:
        return f"{value:{sign}.{count}g}"
    # rounding may carry: 0.9996 is 1.00
    places = count - 1 - int(np.floor(np.log10(float(f"{size:.{count - 1}e}")))) if size else 0
    rounded = round(value, places) or 0.0  # not -0.0
    return f"{rounded:{sign},.{max(0, places)}f}"


def interval_text(low: float, high: float, sign: str = "") -> str:
    """An interval as text, both ends to the places of the larger one; "" where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    size = max(abs(low), abs(high))
    return f"[{digits(low, sign=sign, like=size)}, {digits(high, sign=sign, like=size)}]"
