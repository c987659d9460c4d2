"""Predictions of others as a field: the same samples with the same truth in all, or a reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.compare.components import Components, from_losses, from_values
from bench.compare.field import Field, choose
from bench.compare.foreign import PROBABILITY, Predicted
from bench.compare.simultaneous import Simultaneous
from bench.data.schema import Target
from bench.errors import DataError, UsageError
from bench.metrics import METRICS, PRIMARY, Metric, of_task
from bench.predictions import Answers, answers

LABELS_ONLY = "accuracy"
"""What can be said of classes without probabilities."""
CLOSE = 1e-6
"""Relative difference up to which two numbers are the same, written by two programs."""
KEYS = ["part", "sample"]


@dataclass(frozen=True)
class _Pool:
    """Several methods' predictions, row by row for the same samples.

    Attributes:
        target: what is predicted.
        tables: one per method, sorted by part and sample.
        labels_only: whether there are classes without probabilities.
    """

    target: Target
    tables: dict[str, pd.DataFrame]
    labels_only: bool

    @property
    def first(self) -> pd.DataFrame:
        """The table of the first method: samples, parts and groups are those of all."""
        return next(iter(self.tables.values()))


def pooled(predicted: Sequence[Predicted], name: str | None = None, trained_on: int | None = None) -> Field:
    """Methods that were tested on the same samples.

    Args:
        predicted: of each method.
        name: of the metric; None for the usual one.
        trained_on: samples that each split left to train on. Where parts differ and nothing is said, they are
            taken to be all that were tested in others, which is fewer than there are or just as many.

    Raises:
        DataError: methods differ in samples, truth or classes.
        UsageError: nothing can be compared by this metric, or there is only one method.
    """
    if len(predicted) < 2:
        raise UsageError("one method; a comparison needs two: give more files, or a column `method`.")
    pool = _matched(predicted)
    task = pool.target.task
    known = [METRICS[LABELS_ONLY]] if pool.labels_only else of_task(task)
    if pool.labels_only and name not in (None, LABELS_ONLY):
        raise UsageError(f"{name} needs probabilities, columns p_CLASS; labels allow {LABELS_ONLY} alone.")
    usual = LABELS_ONLY if pool.labels_only else PRIMARY[task]
    metric = choose(name or usual, {m.name: m for m in known})
    parts = pool.first.groupby("part", sort=True).indices
    rows = list(parts.values())
    overlap, trained = _overlap(pool.first, rows, trained_on)
    given = [[answers(pool.target, table.iloc[i]) for table in pool.tables.values()] for i in rows]
    losses = [] if metric.losses is None else [np.stack([metric.losses(a) for a in part]) for part in given]
    units = [pool.first["group"].to_numpy(dtype=str)[i] for i in rows]
    found = Simultaneous(
        tuple(pool.tables), _components(metric, given, losses, units, overlap),
        metric.lower_is_better, metric.bounds,
    )  # fmt: skip
    said = f"All pairs of {len(pool.tables)} methods at once, 5 %; {_parts(rows, pool.first)}{trained}"
    return Field(metric, found, losses, said, _about(pool))


def _components(
    metric: Metric,
    given: Sequence[Sequence[Answers]],
    losses: Sequence[np.ndarray],
    units: Sequence[np.ndarray],
    overlap: float,
) -> Components:
    if losses:
        if len({unit for part in units for unit in part}) < 2:
            raise DataError("all predictions are of one sample or group; a comparison needs two.")
        # a part beside itself has no spread over parts: what remains is what its samples say
        twice = 2 if len(losses) == 1 else 1
        return from_losses([*losses] * twice, [*units] * twice, overlap)
    if len(given) == 1:
        raise UsageError(
            f"{metric.name} is no mean over samples, and one test part has no spread to judge it by; "
            "give predictions of several seeds or splits, or choose another metric."
        )
    values = np.array([[metric.compute(a) for a in part] for part in given]).T
    if not np.isfinite(values).all():
        raise UsageError(f"{metric.name} says nothing about some of these predictions; choose another.")
    return from_values(values, overlap)


def _matched(predicted: Sequence[Predicted]) -> _Pool:
    """The same samples, parts, groups, truth and classes in all, or an error."""
    first, *others = predicted
    for other in others:
        if other.is_number != first.is_number:
            number, label = (first, other) if first.is_number else (other, first)
            raise DataError(f"y_true holds numbers in {number.file} and classes in {label.file}.")
    tables = {p.method: p.table.sort_values(KEYS, kind="stable").reset_index(drop=True) for p in predicted}
    known = tables[first.method]
    for other in others:
        _check_samples(first, known, other, tables[other.method])
        _check_column("y_true", first, known, other, tables[other.method])
    group = _groups(predicted, tables)
    tables = {method: table.assign(group=group) for method, table in tables.items()}
    if first.is_number:
        return _Pool(Target(column="y_true"), tables, labels_only=False)
    probable = all(p.classes for p in predicted)
    classes = _classes(predicted) if probable else _labels(tables)
    if len(classes) < 2:
        raise DataError(f"there is only one class, {classes[0]!r}; a comparison needs two.")
    target = Target(
        column="y_true", task="binary" if len(classes) == 2 else "multiclass", classes=tuple(classes)
    )
    if not probable:
        tables = {method: _certain(table, classes) for method, table in tables.items()}
    return _Pool(target, tables, labels_only=not probable)


def _check_samples(first: Predicted, known: pd.DataFrame, other: Predicted, table: pd.DataFrame) -> None:
    here, there = pd.MultiIndex.from_frame(known[KEYS]), pd.MultiIndex.from_frame(table[KEYS])
    if here.equals(there):
        return
    only_here, only_there = here.difference(there), there.difference(here)
    has, lacks = (first, other) if len(only_here) else (other, first)
    part, sample = (only_here if len(only_here) else only_there)[0]
    raise DataError(
        f"sample {sample!r}{f' of {part!r}' if part else ''} is in {has.file} ({has.method}) and not in "
        f"{lacks.file} ({lacks.method}); {len(only_here) + len(only_there)} differ. Test all methods on the "
        "same samples."
    )


def _check_column(
    column: str, first: Predicted, known: pd.DataFrame, other: Predicted, table: pd.DataFrame
) -> None:
    mine, theirs = known[column], table[column]
    if pd.api.types.is_numeric_dtype(mine):
        differ = ~np.isclose(mine.to_numpy(float), theirs.to_numpy(float), rtol=CLOSE, atol=0)
    else:
        differ = (mine != theirs).to_numpy(dtype=bool)
    if differ.any():
        i = int(np.flatnonzero(differ)[0])
        raise DataError(
            f"{column} of sample {known['sample'][i]!r} is {mine[i]} in {first.file} ({first.method}) and "
            f"{theirs[i]} in {other.file} ({other.method}); {int(differ.sum())} differ. All methods need "
            "the same."
        )


def _groups(predicted: Sequence[Predicted], tables: dict[str, pd.DataFrame]) -> pd.Series:
    """The group of every row, from the files that have one; else every sample is its own."""
    having = [p for p in predicted if "group" in p.table]
    if not having:
        return tables[predicted[0].method]["sample"]
    first, *others = having
    for other in others:
        _check_column("group", first, tables[first.method], other, tables[other.method])
    return tables[first.method]["group"]


def _classes(predicted: Sequence[Predicted]) -> list[str]:
    """The classes that all methods have probabilities of, in the order of the first."""
    first = predicted[0]
    for other in predicted:
        if odd := set(first.classes) ^ set(other.classes):
            raise DataError(
                f"{first.file} and {other.file} have probabilities of different classes; "
                f"{PROBABILITY}{min(odd)} is in one of them only."
            )
        if unknown := set(other.table["y_true"]) - set(other.classes):
            lacking = min(unknown)
            raise DataError(f"{other.file}: y_true {lacking!r} has no column {PROBABILITY}{lacking}.")
    return first.classes


def _labels(tables: dict[str, pd.DataFrame]) -> list[str]:
    """The classes that occur, where some method gives labels alone."""
    found: set[str] = set()
    for table in tables.values():
        found |= {*table["y_true"], *_label(table)}
    return sorted(found)


def _label(table: pd.DataFrame) -> pd.Series:
    """The class predicted, as labels or as the most probable one."""
    if "y_pred" in table:
        return table["y_pred"]
    return table.filter(regex=f"^{PROBABILITY}").idxmax(axis=1).str.removeprefix(PROBABILITY)


def _certain(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The table with all probability on the class that is predicted."""
    label = _label(table)
    certain = {f"{PROBABILITY}{name}": (label == name).to_numpy(dtype=float) for name in classes}
    return table[["sample", "part", "group", "y_true"]].assign(**certain)


def _overlap(first: pd.DataFrame, rows: Sequence[np.ndarray], trained_on: int | None) -> tuple[float, str]:
    """n_test / n_train where parts differ, with what it was taken from; 0 where all test the same samples."""
    tested = [frozenset(first["sample"].to_numpy(dtype=str)[i]) for i in rows]
    if len(set(tested)) == 1:
        if trained_on is not None:
            raise UsageError("--trained-on is about random splits; these predictions have one test part.")
        return 0.0, ""
    n = float(np.mean([len(part) for part in tested]))
    if trained_on is not None:
        return n / trained_on, f", each trained on {trained_on}"
    others = len(frozenset.union(*tested)) - n
    return n / others, f", each taken to be trained on the {others:.0f} others (--trained-on says otherwise)"


def _parts(rows: Sequence[np.ndarray], first: pd.DataFrame) -> str:
    sizes = sorted({len(i) for i in rows})
    samples = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    if len(rows) == 1:
        return f"one test part of {samples} samples: other samples are spoken of, other trainings are not"
    if first["sample"].nunique() == sizes[0]:
        return f"{len(rows)} trainings, one fixed test part of {samples} samples"
    return f"{len(rows)} splits, {samples} test samples in each"


def _about(pool: _Pool) -> str:
    first = pool.first
    groups = first["group"].nunique()
    grouped = f" in {groups} groups" if groups < first["sample"].nunique() else ""
    kind = "numbers" if pool.target.task == "regression" else f"{len(pool.target.classes)} classes"
    return f"Predictions of {kind} for {first['sample'].nunique()} samples{grouped}, from CSV files."
