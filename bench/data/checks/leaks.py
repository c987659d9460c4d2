"""What makes a test too easy: a column that is the target, samples or groups on both sides of a split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from bench.config import TrainingConfig
from bench.data.dataset import Dataset
from bench.data.duplicates import across_parts
from bench.data.problems import Problem, Report
from bench.data.splits import Parts
from bench.data.statistics import first_parts
from bench.data.suspects import suspects
from bench.errors import DataError


def check(dataset: Dataset, report: Report) -> None:
    """Report leaks; of these only a dataset that is too small to split stops a run. It must be readable."""
    _suspects(dataset, report)
    table = dataset.schema.samples.table
    try:
        parts, *_ = [first_parts(one, TrainingConfig()) for one in dataset.each]
    except DataError as error:
        what = str(error).split(";")[0].rstrip(".")
        fix = "add samples, or correct the columns that `split` and `group` name"
        column = dataset.schema.samples.split or dataset.schema.samples.group or ""
        report(Problem("too-small", what, fix, table, column))
        return
    if dataset.groups is not None:
        _groups(dataset, dataset.groups, parts, report)
    duplicates = across_parts(dataset, parts)
    if len(duplicates):
        first = duplicates.iloc[0]
        what = f"the attributes are those of row {first['row']} in the {first['part_of_row']} part"
        rows = tuple(sorted(duplicates["copy"].tolist()))
        fix = "give such samples one `group`, or delete all but one"
        report(Problem("duplicate-over-parts", what, fix, table, rows=rows, stops=False))


def _suspects(dataset: Dataset, report: Report) -> None:
    """Inputs that tell a target; one problem for all targets that an input tells in the same way."""
    told: dict[tuple[str, str, str], dict[str, Problem]] = {}
    for one in dataset.each:
        for _, problem in suspects(one):
            by_target = told.setdefault((problem.kind, problem.file, problem.column), {})
            by_target.setdefault(one.schema.target.column, problem)
    for by_target in told.values():
        first = next(iter(by_target.values()))
        of = f" (target {', '.join(by_target)})" if len(dataset.each) > 1 else ""
        report(replace(first, what=first.what + of))


def _groups(dataset: Dataset, groups: np.ndarray, parts: Parts, report: Report) -> None:
    """Groups of which an official split has samples in several parts."""
    part = np.full(len(dataset), -1)
    for number, members in enumerate(parts):
        part[members] = number
    frame = pd.DataFrame({"group": groups, "part": part})[part >= 0]
    home = frame.groupby("group")["part"].transform("first")
    strays = frame.index[frame["part"] != home]
    if len(strays):
        spec = dataset.schema.samples
        what = f"the group {str(groups[strays[0]])!r} has samples in several parts"
        fix = "move the group to one part"
        rows = tuple((strays + 2).tolist())
        report(Problem("group-over-parts", what, fix, spec.table, str(spec.group), rows, stops=False))
