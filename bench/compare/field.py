"""Methods that were tested on the same samples, with all that a comparison of every pair needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.frame import Results
from bench.compare.simultaneous import Simultaneous
from bench.compare.verdict import ONE_SEED, common_seeds, comparable, compared, procedure
from bench.errors import UsageError, did_you_mean
from bench.metrics import Metric


@dataclass(frozen=True)
class Field:
    """Methods side by side.

    Attributes:
        metric: what they are compared by.
        found: the comparison.
        losses: one (k, n) per split, in the order of `found.names`; none where the metric is no mean of them.
        procedure: what was tested on what, in words.
        about: the data, in a sentence.
    """

    metric: Metric
    found: Simultaneous
    losses: Sequence[np.ndarray]
    procedure: str
    about: str


def field_of(results: Results, about: str, name: str | None = None) -> Field:
    """The rows of a plan: fusions and references that have every seed.

    Args:
        results: of the plan.
        about: the data, in a sentence.
        name: of the metric; None for the primary one.

    Raises:
        UsageError: there is no such metric, or nothing to compare by it.
    """
    metric = choose(name or results.primary.name, results.metrics)
    rows = comparable(results, references=True)
    if len(rows) < 2:
        raise UsageError(
            f"{results.plan.name} of {results.plan.dataset} has {len(rows)} rows with all seeds; "
            "two are needed to compare."
        )
    for label, row in rows.items():
        if not np.isfinite(row.values(metric.name)).all():
            raise UsageError(f"{metric.name} says nothing about {label} on {results.plan.dataset}.")
    found = compared(results, rows, metric)
    if found is None:
        raise UsageError(f"{results.plan.dataset}: {ONE_SEED}")
    chosen, losses = list(rows.values()), []
    if metric.losses is not None:
        seeds = common_seeds(chosen)
        losses = [np.stack([metric.losses(row.runs[seed].answers) for row in chosen]) for seed in seeds]
    return Field(metric, found, losses, procedure(results, chosen), about)


def choose(name: str, known: Mapping[str, Metric]) -> Metric:
    """A metric by its name. Raises UsageError where there is none."""
    if name not in known:
        raise UsageError(f"no metric {name!r} here; {did_you_mean(name, known)}")
    return known[name]
