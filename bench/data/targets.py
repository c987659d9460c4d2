"""Reading the target column: numbers, or classes by their names. One reader for each kind of target.

Whoever reads gets numbers: of a class its place among the classes. Faults are reported by cell; where the
report returns, such a cell counts as empty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from bench.data.problems import Problem, Report, rows_where, some
from bench.data.schema import Target
from bench.data.tables import Tables

Reader = Callable[[Tables, str, Target, Report], tuple[Target, np.ndarray]]
"""From the samples' table to the target, with its classes where it has any, and the values (N,) float64."""

DROP = "drop these rows or correct them"
CONSTANT = "there is nothing to predict; choose another column"


def read_target(
    tables: Tables, file: str, target: Target, report: Report, *, labelled: bool = True
) -> tuple[Target, np.ndarray]:
    """The target's values on the original scale, NaN where there is none.

    Args:
        tables: the tables of the dataset.
        file: the samples' table.
        target: the description.
        report: hears of every fault.
        labelled: whether there is a target at all; without one its column is not looked at.

    Returns:
        The target with the classes that were found, and (N,) numbers, or numbers of the classes.
    """
    there = tables.table(file)
    if labelled and target.column not in there:
        tables.column(file, target.column)  # which reports it, and every cell would be reported as empty
    if not labelled or target.column not in there:
        return target, np.full(len(there), np.nan)
    return READERS[target.task](tables, file, target, report)


def _numbers(tables: Tables, file: str, target: Target, report: Report) -> tuple[Target, np.ndarray]:
    values = tables.numbers(file, target.column)
    floor = {"log10": 0.0, "log1p": -1.0, "none": -np.inf}[target.transform]
    cells = tables.column(file, target.column)
    empty, outside = np.isnan(values), values <= floor
    if empty.any() and cells.isna().any():
        _tell(report, "empty-target", "the target {}", DROP, file, cells, empty)
    if outside.any():
        what = f"the target {{}} has no {target.transform} transform"
        _tell(report, "untransformable-target", what, DROP, file, cells, outside)
    values = np.where(outside, np.nan, values)
    known = values[np.isfinite(values)]
    if len(known) and np.ptp(known) == 0:
        report(Problem("constant-target", "the target is constant", CONSTANT, file, target.column))
    return target, values


def _classes(tables: Tables, file: str, target: Target, report: Report) -> tuple[Target, np.ndarray]:
    cells = tables.column(file, target.column)
    empty = cells.isna().to_numpy()
    if empty.any():
        _tell(report, "empty-target", "the target {}", DROP, file, cells, empty)
    classes = target.classes or _in_order(cells.dropna().unique().tolist())
    numbers = pd.Index(classes, dtype="string").get_indexer(pd.Index(cells))
    if (unknown := (numbers < 0) & ~empty).any():
        fix = f"correct it, or add it to `classes` ({some(classes)})"
        _tell(report, "unknown-class", "the target {} is not one of the classes", fix, file, cells, unknown)
    found = np.unique(numbers[numbers >= 0])
    if len(found) == 1:
        what = f"the target is {classes[found[0]]!r} in every row"
        report(Problem("constant-target", what, CONSTANT, file, target.column))
    elif target.task == "binary" and len(classes) not in (0, 2):
        what = f"the target has {len(classes)} classes ({some(classes)}), not two"
        fix = 'correct the column, or write task = "multiclass"'
        report(Problem("not-binary", what, fix, file, target.column))
    return target.model_copy(update={"classes": classes}), np.where(numbers < 0, np.nan, numbers)


READERS: dict[str, Reader] = {"regression": _numbers, "binary": _classes, "multiclass": _classes}
"""Kind of target -> its reader."""


def _in_order(names: list[str]) -> tuple[str, ...]:
    """Class names sorted, as numbers where all of them are."""
    numbers = pd.to_numeric(pd.Series(names, dtype="string"), errors="coerce").to_numpy(
        float, na_value=np.nan
    )
    if np.isfinite(numbers).all():
        return tuple(name for _, name in sorted(zip(numbers.tolist(), names, strict=True)))
    return tuple(sorted(names))


def _tell(
    report: Report, kind: str, what: str, fix: str, file: str, cells: pd.Series, bad: np.ndarray
) -> None:
    """Report the cells where `bad` (N,) holds; ``{}`` in `what` is the first."""
    first = cells.iloc[int(np.flatnonzero(bad)[0])]
    shown = "is empty" if pd.isna(first) else repr(str(first))
    report(Problem(kind, what.replace("{}", shown), fix, file, str(cells.name), rows_where(bad)))
