"""Which table has one row per sample, and which of its columns are id, target, split, group and time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.data.names import CURRENCIES, words
from bench.data.problems import refuse
from bench.data.proposal.columns import Column, Table
from bench.data.proposal.links import Link, find_id
from bench.data.proposal.survey import Survey
from bench.data.tables import Tables
from bench.errors import DataError

SAMPLES = ("samples", "labels", "data", "train")
"""Names of tables of samples."""
TARGETS = (
    "target", "label", "y", "sales", "sale", "price", "revenue", "income", "sentiment", "rating", "score",
    "engagement", "popularity", "views", "likes", "gross", "value", "cost",
)  # fmt: skip
"""Names of numbers that one wants to predict, the plainest first."""
DECADES = 100.0
"""Largest over smallest value from which a skewed positive target is learned as its logarithm."""
FEWEST_FOR_LEAK = 20


@dataclass(frozen=True)
class Target:
    """The column to predict.

    Attributes:
        column: its name.
        why: the reason, and what to check.
        others: further numbers that it could be.
        transform, why_transform: the scale, and the reason.
        unit: a currency in its name.
        signed: whether it is a sentiment, whose sign is a class of its own.
    """

    column: str
    why: str
    others: tuple[str, ...]
    transform: str
    why_transform: str
    unit: str
    signed: bool


def choose_samples(tables: list[Table], links: list[Link], folder: Path) -> tuple[Table, str]:
    """The table of samples and why. Raises DataError where none has a target, or several fit equally."""
    usable = [table for table in tables if _targets(table)]
    if not usable:
        raise DataError(
            f"{folder}: no table ({', '.join(t.file for t in tables[:5])}) has a number to predict "
            "in every row; add such a column, or fill its empty cells."
        )
    reasons = {table.file: _reasons(table, links) for table in usable}
    ranks = {file: [reason.rank for reason in of_table] for file, of_table in reasons.items()}
    usable.sort(key=lambda t: ranks[t.file], reverse=True)
    best, *others = usable
    twin = next((t for t in others if list(t.columns) == list(best.columns)), None)
    if twin:
        raise DataError(
            f"{best.file} and {twin.file} in {folder} have the same columns; join them into one samples.csv "
            "with a column split of train, validation and test."
        )
    if others and ranks[best.file] == ranks[others[0].file]:
        raise DataError(
            f"{best.file} and {others[0].file} in {folder} could both be the table of samples; "
            "name that one samples.csv, or take the other out."
        )
    if not others:
        return best, "the only table with a number to predict" if len(tables) > 1 else "the only table"
    pairs = zip(reasons[best.file], reasons[others[0].file], strict=True)
    why = next(mine.why for mine, its in pairs if mine.rank > its.rank)
    return best, f"{why}; it could also be {', '.join(t.file for t in others)}"


class _Reason(NamedTuple):
    rank: int
    why: str


def _reasons(table: Table, links: list[Link]) -> list[_Reason]:
    """How well a table fits as that of the samples, the weightiest reason first."""
    own = find_id(table)
    refers = {x.other.file for x in links if x.table is table and (own is None or x.column != own.name)}
    name = PurePosixPath(table.file).stem.lower()
    target = _targets(table)[0]
    return [
        _Reason(len(refers), f"its columns name rows of {', '.join(sorted(refers))}"),
        _Reason(-_rank(target), f"it has {target.name!r} to predict"),
        _Reason(-SAMPLES.index(name) if name in SAMPLES else -len(SAMPLES), "its name"),
        _Reason(table.rows, f"it has the most rows ({table.rows:,})"),
    ]


def sample_id(table: Table, folder: Path) -> tuple[Column, str]:
    """The samples' id and why. Raises DataError where no column can be it."""
    column = find_id(table)
    if column is None:
        raise DataError(
            f"{folder / table.file} has no id: no column names every row once; "
            "add a column id (1, 2, 3, ... will do) as the first."
        )
    return column, "a value of its own in every row" + (f"; {column.why}" if column.why else "")


def choose_target(table: Table) -> Target:
    """The column to predict, the scale to learn it on, and the alternatives."""
    candidates = _targets(table)
    best = candidates[0]
    assert best.numbers is not None
    if _rank(best) < 2 * len(TARGETS):
        why = f"its name, {best.name!r}, is that of a thing to predict"
    else:
        many = " with more than two values" if best.cells.nunique() > 2 else ""
        why = f"the last column of numbers{many}"
    gaps = [c.name for c in table.of_kind("number") if not c.complete and _rank(c) < _rank(best)]
    if gaps:
        why += f"; {', '.join(gaps)} has empty rows, which a target must not have"
    transform, why_transform = _transform(best.numbers)
    return Target(
        column=best.name,
        why=why,
        others=tuple(c.name for c in candidates[1:]),
        transform=transform,
        why_transform=why_transform,
        unit=next((w if w == "yuan" else w.upper() for w in words(best.name) if w in CURRENCIES), ""),
        signed="sentiment" in words(best.name) and best.numbers.min() < 0 < best.numbers.max(),
    )


def _targets(table: Table) -> list[Column]:
    """The columns that could be the target, the likeliest first."""
    complete = [c for c in table.of_kind("number") if c.complete]
    return sorted(reversed(complete), key=lambda c: (_rank(c), c.cells.nunique() == 2))


def _rank(column: Column) -> int:
    """How plainly a name is that of a target; the lower the plainer."""
    said = words(column.name)
    if "_".join(said) in TARGETS:
        return TARGETS.index("_".join(said))
    return min([len(TARGETS) + TARGETS.index(w) for w in said if w in TARGETS], default=2 * len(TARGETS))


def skewness(values: np.ndarray) -> float:
    """The sample skewness; 0 where it is undefined."""
    skew = float(pd.Series(values).skew())
    return skew if np.isfinite(skew) else 0.0


def _transform(values: np.ndarray) -> tuple[str, str]:
    low, high = values.min(), values.max()
    span = f"from {low:g} to {high:g}, skewness {skewness(values):.1f}"
    if low < 0 or skewness(values) < 1:
        return "none", span
    if low > 0 and high > DECADES * low:
        return "log10", f"{span}: positive over more than two orders of magnitude"
    if low == 0 and high > DECADES:
        return "log1p", f"{span}: zeros and a long tail"
    return "none", span


def giveaways(table: Table, target: str) -> set[str]:
    """Numbers that order the samples as the target does, without exception: probably made from it."""
    goal = table.columns[target].numbers
    found = set()
    for column in table.of_kind("number"):
        if column.name == target or goal is None or column.numbers is None:
            continue
        there = np.isfinite(column.numbers)
        values, y = column.numbers[there], goal[there]
        if len(y) < FEWEST_FOR_LEAK or len(y) - pd.Series(values).value_counts().iloc[0] < 3:
            continue
        if any((np.diff(y[np.lexsort((y, sign * values))]) >= 0).all() for sign in (1, -1)):
            found.add(column.name)
    return found


def choose_split(table: Table) -> tuple[str | None, list[str]]:
    """The column with the official split, and remarks on others that look like one."""
    chosen, remarks = None, []
    for column in table.of_kind("split"):
        values = set(column.cells.dropna())
        if not column.complete:
            remarks.append(f"{column.name} has empty rows; a split needs train, validation or test in each")
        elif not values <= {"train", "validation", "test"}:
            remarks.append(
                f"{column.name} says {', '.join(sorted(values))}; a split says train, validation or test"
            )
        elif not values >= {"train", "test"}:
            remarks.append(f"{column.name} has no {' or '.join({'train', 'test'} - values)}")
        elif chosen:
            remarks.append(f"{column.name} is a split too")
        else:
            chosen = column.name
    return chosen, remarks


def choose_time(table: Table, found: Survey) -> tuple[str | None, list[str]]:
    """The column with the order of time, and remarks on others that look like one."""
    chosen, remarks = None, []
    strict = Tables(found.root, refuse, found.frames)
    for column in table.of_kind("date"):
        if not column.complete:
            remarks.append(f"{column.name} has empty rows; a time is needed in each")
            continue
        try:
            strict.times(table.file, column.name)
        except DataError as error:
            remarks.append(str(error))
            continue
        if chosen:
            remarks.append(f"{column.name} is a time too")
        chosen = chosen or column.name
    return chosen, remarks


def groups(table: Table, id_column: str) -> list[str]:
    """Keys that several samples share, by which samples may have to stay together."""
    keys = (c for c in table.of_kind("key") if c.name != id_column)
    return [
        c.name
        for c in keys
        if not c.cells.str.contains("|", regex=False).any() and c.cells.duplicated().any()
    ]
