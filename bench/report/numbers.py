"""The numbers of an experiment's table, from its results: one row per row of the plan, or per seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.compare.frame import COSTS, Results, Row
from bench.compare.tests import varies
from bench.compare.verdict import comparable, compared
from bench.labels import differing
from bench.metrics import METRICS, Metric, leading, of_task
from bench.plan import Plan, PlanRow

Printed = Callable[[PlanRow], Mapping[str, Any] | None]
"""Row -> what the paper prints for it, by metric; None for nothing."""

COLUMNS = {"image": "backbone", "text": "text"}
"""Modality -> the column that has its encoder in every table; others have one where they differ."""


def numbers(results: Results, printed: Printed = lambda row: None) -> pd.DataFrame:
    """One row per row of the plan that has results; the columns up to `seconds` are a contract.

    They are those of the CSV file, with the standard deviation over seeds of every metric, ``MSE_sd``.
    """
    first = leading(results.plan.target.task)
    others = [m for m in of_task(results.plan.target.task) if not m.leading]
    measures = [m for m in results.metrics.values() if m.name not in METRICS]
    gaps: dict[str, dict[str, Any]] = {}
    for one in results.each:
        gaps |= gaps_of(one)
    lines = []
    for row in results.rows:
        measured = row.first.measured
        line: dict[str, Any] = {**_names(row.row, results.plan)}
        line |= _measured(row, [results.metrics[name] for name in first])
        line |= {"seeds": len(row.runs), "n_test": row.tested, "params": measured["params"]}
        line |= {"seconds": row.cost("seconds")} | gaps.get(row.row.identity, NO_GAP)
        line |= {"flops": measured["flops"], "capped": row.capped}
        line |= _measured(row, others)
        line |= {"reference": row.row.reference, "variant": row.row.variant} | _estimand(results.plan)
        theirs = printed(row.row)
        theirs = {} if theirs is None else theirs  # which has no metrics of classes
        line |= {f"paper_{m}": float(theirs.get(m, "nan")) for m in first}
        lines.append(line | _measured(row, measures))
    return pd.DataFrame(lines)


GAPS = ("gap", "gap_reference")
NO_GAP: dict[str, Any] = {
    **dict.fromkeys(("gap", "gap_low", "gap_high"), float("nan")),
    "letters": "",
    **dict.fromkeys(("gap_reference", "gap_reference_low", "gap_reference_high"), float("nan")),
}


def gaps_of(results: Results) -> dict[str, dict[str, Any]]:
    """Identity of a row -> its gaps to the best row and the best reference, its letters: all simultaneous."""
    rows = comparable(results, references=True)
    found = compared(results, rows)
    if found is None:
        return {}
    letters = found.letters()
    reference = next((name for name in found.order if rows[name].row.reference), None)
    gaps = {}
    for name, row in rows.items():
        line = NO_GAP | {"letters": letters[name]} | ({"gap": 0.0} if name == found.best else {})
        for column, other in zip(GAPS, (found.best, reference), strict=True):
            if other not in (None, name):
                gap = found.gap(name, other)
                line |= {column: gap.value, f"{column}_low": gap.low, f"{column}_high": gap.high}
        gaps[row.row.identity] = line
    return gaps


def per_seed(results: Results) -> pd.DataFrame:
    """One row per row of the plan and stored seed: names, metrics, sizes, cost, and what a method chose."""
    lines = []
    for row in results.rows:
        names = _names(row.row, results.plan) | {"variant": row.row.variant}
        for run in row.runs.values():
            scores = {name: run.values.get(name, float("nan")) for name in results.metrics}
            sizes = {"n_train": run.measured["n_train"], "n_test": len(run.answers.true)}
            costs = {name: run.measured[name] for name in (*COSTS, "chosen")}
            lines.append(names | {"seed": run.seed} | scores | sizes | costs | _estimand(results.plan))
    return pd.DataFrame(lines)


def _names(row: PlanRow, plan: Plan) -> dict[str, str]:
    """The columns that name a row."""
    more = differing([other.encoders for other in plan.rows if not other.reference])
    columns = {**COLUMNS, **{m: m for m in more if m not in COLUMNS}}
    encoders = {column: row.encoders.get(modality, "") for modality, column in columns.items()}
    target = {"target": row.target} if plan.targets else {}
    return {"method": row.method, **encoders, "weights": row.weights, **target}


def _estimand(plan: Plan) -> dict[str, str]:
    """A column that says what numbers are about, where that is not the one dataset."""
    return {"estimand": plan.estimand} if plan.estimand else {}


def _measured(row: Row, metrics: Sequence[Metric]) -> dict[str, float]:
    """Mean, interval and deviation over seeds of each metric."""
    values: dict[str, float] = {}
    for metric in metrics:
        x = row.values(metric.name)
        values[metric.name] = float(np.mean(x))
        values[f"{metric.name}_low"], values[f"{metric.name}_high"] = row.interval(metric)
        with np.errstate(over="ignore"):  # a run that diverged
            values[f"{metric.name}_sd"] = float(np.std(x, ddof=1)) if varies(x) else float("nan")
    return values
