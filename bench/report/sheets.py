"""Tables of the page before they are HTML: cells that know what they sort by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.metrics import leading
from bench.plan import Plan
from bench.report.beside import beside_printed, printed_elsewhere
from bench.report.names import ENCODERS, setting_apart, stamped
from bench.report.tables import (
    DECIMALS,
    HIDDEN_FACTS,
    best_of,
    decimal,
    is_ranked,
    shown_columns,
)
from bench.report.verdicts import BEST_BY

LONG = 40
"""Characters above which a cell may take several lines."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: as shown.
        value: the number that it sorts by; nan sorts last, None sorts by the text.
        spread: shown beside the text in a lighter colour.
        interval: shown instead of the spread on request.
        best: whether no other row's is better.
    """

    text: str
    value: float | None = None
    spread: str = ""
    interval: str = ""
    best: bool = False

    @property
    def is_long(self) -> bool:
        """Whether the text may break into lines."""
        return len(self.text) > LONG

    @property
    def key(self) -> str:
        """The number that it sorts by, as text; "" where it is missing."""
        return repr(float(self.value)) if self.value is not None and np.isfinite(self.value) else ""


@dataclass(frozen=True)
class Line:
    """One row; its first cell is its header, and `tag` is said beside it."""

    cells: tuple[Cell, ...]
    reference: bool = False
    tag: str = ""


@dataclass(frozen=True)
class Column:
    """One column: whether it sorts as numbers, and how it is sorted at first."""

    name: str
    numeric: bool = False
    order: str = "none"


@dataclass(frozen=True)
class Sheet:
    """A table of the page; `name` is its id."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def has_intervals(self) -> bool:
        """Whether any cell has an interval to show."""
        return any(cell.interval for line in self.lines for cell in line.cells)


def results_sheet(plan: Plan, table: pd.DataFrame) -> Sheet:
    """The rows of an experiment, as `rows_of` has them: best first where they can be ranked."""
    ranked = is_ranked(plan, table)
    if ranked:
        table = table.sort_values(BEST_BY, kind="stable")
    best, names = best_of(table), stamped(table)
    named = setting_apart(names)
    lines = []
    for row, shown, bold in zip(*(frame.to_dict("records") for frame in (table, names, best)), strict=True):
        cells = [Cell(str(shown[name]) or "–") for name in named]
        cells += [_metric(row, name, bold[name]) for name in shown_columns(table)]
        cells += [count(row["params"]), number(row["seconds"], 1), count(row["seeds"])]
        lines.append(Line(tuple(cells), bool(row["reference"]), _tag(row, plan.seeds)))
    measured = [
        Column(m, True, "ascending" if ranked and m == BEST_BY else "none") for m in shown_columns(table)
    ]
    columns = (
        *(Column(name) for name in named),
        *measured,
        *(Column(name, True) for name in ("params", "seconds", "seeds")),
    )
    over = "mean over seeds" if plan.seeds > 1 else "one seed"
    return Sheet(f"table-{plan.name}", f"{plan.title}: {over}", columns, tuple(lines))


def beside_paper(plan: Plan, table: pd.DataFrame) -> Sheet | None:
    """Our figures beside those that the paper prints; None where it prints none of them."""
    if f"paper_{BEST_BY}" not in table or table[f"paper_{BEST_BY}"].isna().all():
        return None
    table = stamped(table[table[f"paper_{BEST_BY}"].notna()])
    named = setting_apart(table)
    lines = []
    for row in table.to_dict("records"):
        cells = [Cell(str(row[name]) or "–") for name in named]
        for metric in leading(plan.target.task):
            ours, theirs = row[metric], row[f"paper_{metric}"]
            text = f"{ours:.{DECIMALS}f} / {theirs:.{DECIMALS}f}"
            cells.append(Cell(text, ours - theirs, spread=f"{ours - theirs:+.{DECIMALS}f}"))
        lines.append(Line(tuple(cells)))
    columns = (*(Column(name) for name in named), *(Column(m, True) for m in leading(plan.target.task)))
    title = f"{plan.title}: ours / the paper's, difference. Not like for like: the paper's data are not "
    title += "public, its weights differ, and it has one run a method."
    return Sheet(f"paper-{plan.name}", title, columns, tuple(lines))


def beside_others(plan: Plan, table: pd.DataFrame) -> Sheet | None:
    """What others have printed of a published dataset beside our figures; None where there is nothing."""
    printed = printed_elsewhere(plan)
    if printed is None or not printed.rows:
        return None
    shown = beside_printed(printed, table, BEST_BY)
    lines = tuple(Line(tuple(Cell(str(value)) for value in row)) for row in shown.itertuples(index=False))
    columns = tuple(Column(name, i > 1) for i, name in enumerate(shown.columns))
    return Sheet(f"printed-{plan.name}", f"{printed.source}. {printed.unlike}", columns, lines)


def fact_sheets(plan: Plan) -> list[Sheet]:
    """What an experiment states without runs, one table each."""
    return [
        plain_sheet(f"facts-{plan.name}-{i}", name.replace("_", " ").capitalize(), rows)
        for i, (name, rows) in enumerate(plan.facts.items())
        if rows and name not in HIDDEN_FACTS
    ]


def plain_sheet(name: str, caption: str, rows: Sequence[Mapping[str, Any]]) -> Sheet:
    """A table of values as they are; a column of numbers only sorts as numbers."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {key for key in keys if all(isinstance(row.get(key, 0), int | float) for row in rows)}
    lines = tuple(Line(tuple(_plain(row.get(key), key in numeric) for key in keys)) for row in rows)
    return Sheet(name, caption, tuple(Column(key, key in numeric) for key in keys), lines)


def count(value: float | None) -> Cell:
    """A whole number with separators; "–" where there is none."""
    if value is None or not np.isfinite(value) or not value:
        return Cell("–", float("nan"))
    return Cell(f"{value:,.0f}", float(value))


def number(value: float, decimals: int = DECIMALS) -> Cell:
    """A number; "–" where there is none."""
    if not np.isfinite(value):
        return Cell("–", float("nan"))
    return Cell(f"{value:.{decimals}f}", float(value))


def interval(low: float, high: float, sign: str = "") -> str:
    """An interval as text; "" where there is none."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return f"[{low:{sign}.{DECIMALS}f}, {high:{sign}.{DECIMALS}f}]"


def common(table: pd.DataFrame) -> list[str]:
    """The encoders that all rows have in common and that no column repeats."""
    names = stamped(table)
    found = [set(names[name]) - {""} for name in ENCODERS if name not in setting_apart(names)]
    return [values.pop() for values in found if len(values) == 1]


def _tag(row: Mapping[str, Any], seeds: int) -> str:
    """What sets a row apart from those that compete."""
    tags = ["reference"] if row["reference"] else []
    if row["seeds"] < seeds:
        tags.append(f"{row['seeds']} of {seeds} seeds")
    return ", ".join(tags)


def _metric(row: Mapping[str, Any], metric: str, best: bool) -> Cell:
    value, sd = float(row[metric]), float(row[f"{metric}_sd"])
    if not np.isfinite(value):
        return Cell("–" if np.isnan(value) else "diverged", float("nan"))
    return Cell(
        decimal(value),
        value,
        spread=f"± {decimal(sd)}" if np.isfinite(sd) else "",
        interval=interval(float(row[f"{metric}_low"]), float(row[f"{metric}_high"])),
        best=best,
    )


def _plain(value: Any, numeric: bool) -> Cell:
    text = "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return Cell(text, float(value) if numeric and value is not None else None)
