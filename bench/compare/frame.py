"""The stored results of a plan, read once: what every table, figure and verdict is computed from.

Results -> rows of the plan -> runs, one per seed, each with its predictions and the metrics of these.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.compare.tests import interval
from bench.metrics import METRICS, PRIMARY, Metric, of_task, score
from bench.observe import OBSERVERS, Record
from bench.plan import Plan, PlanRow
from bench.predictions import Answers, answers
from bench.store import EARLIER, RunStore

log = logging.getLogger("bench")

COSTS = ("params", "flops", "seconds", "epochs")


@dataclass(frozen=True)
class Run:
    """One stored run, on the samples that its row is scored on.

    Attributes:
        id: of its folder.
        seed: which split, initialisation and order of batches.
        table: the columns that a run stores, `bench.store.RunResult.predictions`.
        answers: the same as arrays.
        values: metrics, and what the experiment measures beside them.
        measured: costs and sizes, as stored.
        capped: whether training ended at the most epochs allowed, and not by early stopping.
        environment: versions and hardware.
        whole: whether `table` has all test samples, and not only the complete ones.
        derived: what an experiment has computed of the run, by name, so as not to compute it again.
    """

    id: str
    seed: int
    table: pd.DataFrame
    answers: Answers
    values: Mapping[str, float]
    measured: Mapping[str, Any]
    capped: bool
    environment: Mapping[str, Any]
    whole: bool
    store: RunStore
    derived: dict[str, Any] = field(default_factory=dict)

    def record(self, observer: str) -> Record | None:
        """What an observer recorded of all test samples; None where it was not asked for."""
        return self.store.record(self.id, OBSERVERS[observer].file)

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return self.store.history(self.id)


Measure = Callable[[Run], Mapping[str, float]]
"""What an experiment measures of a run beside the metrics."""


@dataclass(frozen=True)
class Row:
    """A row of a plan with its stored runs.

    Attributes:
        row: of the plan.
        runs: seed -> run; without the seeds that have no result.
        overlap: how many samples a run learned from, and how many were drawn to test it: what intervals
            correct for. Random splits share their samples; on one fixed split none are drawn, and data that
            are drawn anew share nothing.
    """

    row: PlanRow
    runs: Mapping[int, Run]
    overlap: tuple[int, int]

    @property
    def first(self) -> Run:
        """The run of the first seed."""
        return next(iter(self.runs.values()))

    @property
    def tested(self) -> int:
        """How many samples the first run was scored on."""
        return len(self.first.answers.true)

    def values(self, name: str) -> np.ndarray:
        """A metric, one per seed; NaN where it says nothing."""
        return np.array([run.values.get(name, np.nan) for run in self.runs.values()], dtype=float)

    def mean(self, name: str) -> float:
        """A metric, averaged over seeds."""
        return float(self.values(name).mean())

    @property
    def capped(self) -> float:
        """The share of runs whose training ended at the most epochs allowed."""
        return float(np.mean([run.capped for run in self.runs.values()]))

    def cost(self, name: str) -> float:
        """One of COSTS, averaged over seeds."""
        return float(np.mean([run.measured[name] for run in self.runs.values()]))

    def interval(self, metric: Metric) -> tuple[float, float]:
        """The 95 % interval of the mean, in the metric's range; (nan, nan) where there is none."""
        return interval(self.values(metric.name), *self.overlap, bounds=metric.bounds)

    def against(self, other: Row, name: str) -> np.ndarray:
        """A metric's difference to another row's, on the seeds that both have."""
        common = [seed for seed in self.runs if seed in other.runs]
        return np.array([self.runs[s].values[name] - other.runs[s].values[name] for s in common], dtype=float)


@dataclass(frozen=True)
class Results:
    """A plan with all that is stored of it.

    Attributes:
        plan: what was asked for.
        rows: of the plan, those that have any result, in its order.
        metrics: every metric and measure, in the order of tables.
        failed: run id -> why it failed when it was tried last.
    """

    plan: Plan
    rows: tuple[Row, ...]
    metrics: Mapping[str, Metric]
    failed: Mapping[str, str]

    @property
    def primary(self) -> Metric:
        """The metric that verdicts are about."""
        return METRICS[PRIMARY[self.plan.target.task]]

    @cached_property
    def finite(self) -> tuple[Row, ...]:
        """The rows without the runs that diverged, as figures and comparisons need them."""
        kept = []
        for row in self.rows:
            runs = {s: run for s, run in row.runs.items() if np.isfinite(run.values[self.primary.name])}
            if runs:
                kept.append(Row(row.row, runs, row.overlap))
        return tuple(kept)

    def full(self, rows: Sequence[Row]) -> list[Row]:
        """Those of as many seeds and test samples as any has: fewer may have been easier."""
        most = max((len(row.runs) for row in rows), default=0)
        tested = max((row.tested for row in rows), default=0)
        return [row for row in rows if len(row.runs) == most and row.tested == tested]

    @property
    def each(self) -> tuple[Results, ...]:
        """The results of each target, which are never compared; these where there is one target."""
        if not self.plan.targets:
            return (self,)
        parts = zip(self.plan.targets, self.plan.each, strict=True)
        return tuple(
            replace(self, plan=plan, rows=tuple(r for r in self.rows if r.row.target == target.column))
            for target, plan in parts
        )

    def frame(self) -> pd.DataFrame:
        """Every prediction for every test sample, a row each, with all that sets its run apart."""
        parts = []
        for row in self.rows:
            encoders = {f"encoder_{modality}": stamp for modality, stamp in row.row.stamps.items()}
            for run in row.runs.values():
                names: dict[str, Any] = {"target": row.row.target} if self.plan.targets else {}
                names |= {"method": row.row.method, "variant": row.row.variant, "seed": run.seed, **encoders}
                table = run.table.rename(columns={"id": "sample"}).assign(run=run.id)
                if self.plan.estimand:  # the same name is another sample in the data of another seed
                    table["sample"] = f"{run.seed}/" + table["sample"].astype(str)
                    table["estimand"] = self.plan.estimand
                parts.append(table.assign(**names)[[*names, *table]])
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def load(
    plan: Plan, store: RunStore, measure: Measure | None = None, extra: Sequence[Metric] = ()
) -> Results:
    """Read what is stored of a plan; what is missing or damaged is left out.

    `extra` are the records of what `measure` gives.
    """
    rows, failed, earlier = [], {}, set()
    for row in plan.rows:
        runs = {}
        for seed, run_id in enumerate(row.runs):
            if (run := _run(row, seed, run_id, store)) is not None:
                runs[seed] = run if measure is None else _measured(run, measure)
            elif store.earlier(run_id):
                earlier.add(run_id)
            elif (why := store.failure(run_id)) is not None:
                failed[run_id] = why
        if runs:
            first = next(iter(runs.values()))
            drawn = len(first.answers.true) if plan.overlapping else 0
            rows.append(Row(row, runs, (int(first.measured["n_train"]), drawn)))
    if earlier:
        log.warning("%s: %d stored runs were %s and are not read", plan.name, len(earlier), EARLIER)
    metrics = {metric.name: metric for metric in [*of_task(plan.target.task), *extra]}
    return Results(plan, tuple(rows), metrics, failed)


def _run(row: PlanRow, seed: int, run_id: str, store: RunStore) -> Run | None:
    if not store.complete(run_id):
        return None
    table, spec = store.predictions(run_id), store.spec(run_id)
    target = spec.target
    if row.scored == "complete":
        table = table[table["complete"]]
    found = answers(target, table)
    blank = dict.fromkeys((metric.name for metric in of_task(target.task)), float("nan"))
    values = score(found) if len(table) else blank
    measured, environment = store.measured(run_id), store.environment(run_id)
    capped = bool(measured["epochs"] >= spec.training.epochs)
    return Run(run_id, seed, table, found, values, measured, capped, environment, row.scored == "all", store)


def _measured(run: Run, measure: Measure) -> Run:
    return replace(run, values={**run.values, **measure(run)})
