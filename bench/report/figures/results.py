"""What figures share in numbers: the stored runs of a plan's rows, pairing over seeds, captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.plan import Plan, PlanRow
from bench.report.names import short
from bench.report.seeds import interval_over_seeds, intervals_of, overlap_of, seeds_of, split_of
from bench.store import RunStore


@dataclass(frozen=True)
class Result:
    """The stored runs of one row of a plan.

    Attributes:
        row: of the plan.
        runs: seed -> metrics of its run; without the seeds that have no result.
        overlap: what intervals correct for, as `bench.report.seeds.overlap_of` has it.
    """

    row: PlanRow
    runs: dict[int, dict[str, float | int]]
    overlap: tuple[int, int]

    @property
    def tested(self) -> int:
        """How many samples the first run was scored on."""
        return int(next(iter(self.runs.values()))["n_test"])

    def values(self, metric: str) -> np.ndarray:
        """The metric, one per seed."""
        return np.array([run[metric] for run in self.runs.values()], dtype=float)

    def mean(self, metric: str) -> float:
        """The metric, averaged over seeds."""
        return float(self.values(metric).mean())

    def interval(self, metric: str) -> tuple[float, float]:
        """The 95 % interval, as in the tables; (nan, nan) for one seed."""
        return interval_over_seeds(self.values(metric), self.overlap, metric)

    def against(self, other: Result, metric: str) -> np.ndarray:
        """The metric's difference to another row's, on the seeds that both have."""
        common = [seed for seed in self.runs if seed in other.runs]
        return np.array([self.runs[s][metric] - other.runs[s][metric] for s in common], dtype=float)


def results_of(plan: Plan, store: RunStore) -> list[Result]:
    """The rows that have results, in the plan's order. A run that diverged to infinity is none."""
    found = []
    for row in plan.rows:
        stored = {s: store.metrics(r, row.scored) for s, r in enumerate(row.runs) if store.complete(r)}
        finite = {s: m for s, m in stored.items() if np.isfinite(m["MSE"])}
        if finite:
            found.append(Result(row, finite, overlap_of(plan, next(iter(finite.values())))))
    return found


def first_run(plan: Plan, store: RunStore, file: str) -> tuple[PlanRow, int, str] | None:
    """Row, seed and id of the first run of a fusion that has a file."""
    for row in plan.rows:
        for seed, run in enumerate(row.runs):
            if not row.reference and store.holds(run, file):
                return row, seed, run
    return None


def condition(row: PlanRow, rows: Sequence[PlanRow]) -> str:
    """What sets a row apart from others of its method: encoders, how missing values are handled."""
    sets = [other.encoders for other in rows if other.encoders]
    differing = [m for m in row.encoders if len({encoders.get(m) for encoders in sets}) > 1]
    shown = short(name for encoders in sets for name in encoders.values())
    names = [shown[row.encoders[m]] for m in sorted(differing, key=("image", "text").count, reverse=True)]
    arms = [row.variant] if any(other.scored == "complete" for other in rows) else []
    return ", ".join(names + arms)


def conditions(results: Sequence[Result]) -> list[str]:
    """The distinct conditions of rows that see any features, in order."""
    rows = [result.row for result in results]
    return list(dict.fromkeys(condition(row, rows) for row in rows if row.encoders))


def ordered(results: Sequence[Result]) -> tuple[list[str], str]:
    """Methods, the lowest mean MSE first, and a sentence that says so.

    Only rows that were scored on as many samples as any are averaged: others had other samples. Methods
    without such a row come last.
    """
    most = max(result.tested for result in results)
    means: dict[str, list[float]] = {}
    for result in results:
        means.setdefault(result.row.method, []).extend([result.mean("MSE")] * (result.tested == most))
    names = sorted(means, key=lambda name: float(np.mean(means[name])) if means[name] else np.inf)
    same = [result for result in results if result.tested == most]
    arms = dict.fromkeys(result.row.variant for result in same if result.row.variant)
    over = f" of {', '.join(arms)}" if len(same) < len(results) and arms else ""
    return names, f"Methods by mean MSE{over}, the lowest at the top."


def provenance(plan: Plan, row: PlanRow | None = None, seed: int | None = None) -> str:
    """What every figure says of itself: the experiment, dataset, seeds or the one run, preset, weights."""
    rows = plan.rows if row is None else [row]
    stamps = list(dict.fromkeys(r.weights for r in rows if r.weights))
    paper = f" ({plan.paper} of the paper)" if plan.paper else ""
    description = f" ({plan.description})" if plan.description else ""
    parts = [
        f"{plan.title}{paper}.",
        f"Dataset {plan.dataset}{description}: {plan.samples} samples; target {plan.target.label}.",
    ]
    if row is not None:
        encoders = f" on {', '.join(short(row.encoders.values()).values())}" if row.encoders else ""
        parts.append(f"One run: {row.method}{encoders}, seed {seed}, on {split_of(plan)}.")
    elif plan.rows:
        parts.append(seeds_of(plan))
    if plan.rows:
        parts.append(f"Preset {plan.preset}.")
    if stamps:
        parts.append(f"Weights: {'; '.join(stamps)}.")
    if plan.undecodable:
        parts.append(f"{plan.undecodable} items could not be decoded and are absent.")
    return " ".join(parts)


def reading(plan: Plan) -> str:
    """How to read marks and lines of a comparison over seeds."""
    if plan.seeds == 1:
        return "One seed has no spread: differences may be chance."
    return (
        "Large marks: mean over seeds; small dots: one seed each; bars: 95 % interval of the mean "
        f"({intervals_of(plan)})."
    )
