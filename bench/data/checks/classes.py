"""Classes of which there are few samples, or none to learn from."""

from __future__ import annotations

import numpy as np

from bench.config import TrainingConfig
from bench.data.dataset import Dataset
from bench.data.problems import Problem, Report, rows_where, some
from bench.data.statistics import first_parts
from bench.errors import DataError

FEW = 10
"""Samples below which a class is rare: in the test part one or two of them decide its scores."""
FIXES = {
    "empty-class": ("no sample is of {}", "take it out of `classes`, or add samples"),
    "unseen-class": (
        "only the validation or test part has samples of {}, where nothing learns from them",
        "move some to the training part, or take the class out",
    ),
    "rare-class": (
        "there are few samples of {}, too few to say how well it is predicted",
        "add samples or merge classes",
    ),
}
"""Kind of problem -> what is wrong with the classes, and what to do."""


def check(dataset: Dataset, report: Report) -> None:
    """Report suspicious classes, a problem of a kind; none stops a run. The dataset must be readable."""
    for one in dataset.each:
        _check_target(one, report)


def _check_target(dataset: Dataset, report: Report) -> None:
    target, table = dataset.schema.target, dataset.schema.samples.table
    try:
        train = first_parts(dataset, TrainingConfig()).train
    except DataError:  # too small to split, which is reported elsewhere
        train = np.arange(len(dataset))
    found: dict[str, list[int]] = {kind: [] for kind in FIXES}
    for number in range(len(target.classes)):
        own = dataset.target == number
        if not own.any():
            found["empty-class"].append(number)
        elif not own[train].any():
            found["unseen-class"].append(number)
        elif own.sum() < FEW:
            found["rare-class"].append(number)
    for kind, numbers in found.items():
        if numbers:
            what, fix = FIXES[kind]
            rows = rows_where(np.isin(dataset.target, numbers))
            names = some(repr(target.classes[number]) for number in numbers)
            what = what.replace("{}", names)
            report(Problem(kind, what, fix, table, target.column, rows, stops=False))
