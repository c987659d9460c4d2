"""What makes a test too easy: a column that is the target, samples or groups on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from bench.config import TrainingConfig
from bench.data.dataset import Dataset
from bench.data.duplicates import across_parts
from bench.data.problems import Problem, Report
from bench.data.splits import Parts
from bench.data.statistics import first_parts
from bench.errors import DataError
from fusions import Source

SUSPICIOUS = 0.98
"""Rank correlation, or share of variance between the values of a text, above which a column is told."""
ENOUGH = 10
"""Samples that must have a value before a column is told."""
NUMBER = r"(-?\d+(?:\.\d+)?)"
"""The first number in a text."""
LOOKED_AT = 50_000
"""Samples that are looked at for columns that are the target; more tell no more."""


def check(dataset: Dataset, report: Report) -> None:
    """Report leaks; of these only a dataset that is too small to split stops a run. It must be readable."""
    _columns(dataset, report)
    table = dataset.schema.samples.table
    try:
        parts = first_parts(dataset, TrainingConfig())
    except DataError as error:
        what = str(error).split(";")[0].rstrip(".")
        mend = "add samples, or mend the columns that `split` and `group` name"
        column = dataset.schema.samples.split or dataset.schema.samples.group or ""
        report(Problem("too-small", what, mend, table, column))
        return
    if dataset.groups is not None:
        _groups(dataset, parts, report)
    duplicates = across_parts(dataset, parts)
    if len(duplicates):
        first = duplicates.iloc[0]
        what = f"the attributes are those of row {first['row']} in the {first['part_of_row']} part"
        rows = tuple(sorted(duplicates["copy"].tolist()))
        mend = "give such samples one `group`, or delete all but one"
        report(Problem("duplicate-over-parts", what, mend, table, rows=rows, stops=False))


def _groups(dataset: Dataset, parts: Parts, report: Report) -> None:
    """Groups of which an official split has samples in several parts."""
    part = np.full(len(dataset), -1)
    for number, rows in enumerate(parts):
        part[rows] = number
    frame = pd.DataFrame({"group": dataset.groups, "part": part})[part >= 0]
    home = frame.groupby("group")["part"].transform("first")
    strays = frame.index[frame["part"] != home]
    if len(strays):
        spec = dataset.schema.samples
        what = f"the group {str(dataset.groups[strays[0]])!r} has samples in several parts"
        mend = "move the group to one part"
        rows = tuple((strays + 2).tolist())
        report(Problem("group-over-parts", what, mend, spec.table, str(spec.group), rows, stops=False))


def _columns(dataset: Dataset, report: Report) -> None:
    chosen = np.arange(len(dataset))
    if len(chosen) > LOOKED_AT:
        chosen = np.sort(np.random.default_rng(0).choice(len(dataset), LOOKED_AT, replace=False))
    y = dataset.target[chosen]
    for source in dataset.schema.sources:
        file = dataset.table_of(source.entity)
        for column, values, labels in _attributes(dataset, source):
            told = max(_rank_correlation(values[chosen], y), _between(labels[chosen], y))
            if told > SUSPICIOUS:
                what = f"the column alone tells the target almost perfectly ({told:.3f})"
                mend = "take it out if it is not known before the target is"
                report(Problem("leak", what, mend, file, column, stops=False))


def _attributes(dataset: Dataset, source: Source) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each column of numbers or texts: its name, per sample a number (or NaN) and a label (or -1)."""
    entity, items = dataset.schema.entities[source.entity], dataset.items[source.entity]
    sample = np.repeat(np.arange(len(items)), np.diff(items.offsets))
    single = np.diff(items.offsets) <= 1
    n = len(dataset)
    for slot, column in enumerate(entity.columns(source.modality)):
        if source.modality == "numeric":
            values = dataset.numeric(source)[:, slot].astype(np.float64)
            labels = np.full(n, -1)
        elif source.modality == "text":
            cells = dataset.tables.column(dataset.table_of(source.entity), column)
            number = cells.str.extract(NUMBER, expand=False)  # the target with its unit is the target
            values = pd.to_numeric(number).to_numpy(dtype=np.float64, na_value=np.nan)
            labels = np.full(n, -1)
            labels[sample] = pd.factorize(cells)[0][items.values]
            labels[~single] = -1
        else:
            continue
        of_item = values[items.values]
        known = np.isfinite(of_item)
        count = np.bincount(sample[known], minlength=n)
        total = np.bincount(sample[known], of_item[known], minlength=n)
        yield column, np.where(count > 0, total / np.maximum(count, 1), np.nan), labels


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's, absolute; 0 where it means nothing."""
    known = np.isfinite(x)
    if known.sum() < ENOUGH or np.ptp(x[known]) == 0 or np.ptp(y[known]) == 0:
        return 0.0
    return abs(float(np.corrcoef(rankdata(x[known]), rankdata(y[known]))[0, 1]))


def _between(labels: np.ndarray, y: np.ndarray) -> float:
    """Share of the variance of `y` between labels, adjusted for their number; 0 with few samples a label."""
    known = labels >= 0
    n, distinct = int(known.sum()), len(np.unique(labels[known]))
    if n < ENOUGH or distinct > n // 2 or y[known].var() == 0:
        return 0.0
    groups = pd.Series(y[known]).groupby(labels[known])
    within = (y[known] - groups.transform("mean").to_numpy()) ** 2
    return float(1 - (within.sum() / (n - distinct)) / y[known].var(ddof=1))
