"""What taking sources away at test time costs, from stored runs: curves and the area under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.plan import Plan, PlanRow
from bench.report.seeds import interval_over_seeds, overlap_of
from bench.store import RunStore

EXPERIMENT = "missing"
CURVE = "R2_score"
"""The metric that is drawn, and that the verdict and the areas by source are about."""
AREAS = {"area_MSE": "MSE", "area_R2_score": "R2_score"}
"""Column of the table -> the metric under whose curve it is the area."""
REMOVAL = (
    "Each source in turn is taken away from 0 to 100 % of the test samples, drawn at random and the same "
    "ones for every method of one seed; a method sees it as absent. With source dropout, sources were hidden "
    "at random in training too."
)
"""What every caption says of how sources were removed."""
AREA_NOTE = (
    f"{REMOVAL} Area: under the curve of a metric over that share (0 to 1), the mean over sources, in the "
    "metric's own unit."
)


@dataclass(frozen=True)
class Curves:
    """The curves of one row of a plan.

    Attributes:
        row: of the plan.
        overlap: what intervals correct for, as `bench.report.seeds.overlap_of` has it.
        runs: one per stored seed, as `bench.observe.missing.curves` gives them.
    """

    row: PlanRow
    overlap: tuple[int, int]
    runs: tuple[pd.DataFrame, ...]

    @property
    def sources(self) -> list[str]:
        """The sources that were taken away, in the order of the dataset."""
        return list(dict.fromkeys(self.runs[0]["source"]))

    @property
    def shares(self) -> np.ndarray:
        """(S,) shares of the test samples without a source, ascending from 0 to 1."""
        return np.unique(self.runs[0]["share"])

    def values(self, metric: str, source: str = "") -> np.ndarray:
        """The metric, (seeds, S); the mean over sources unless one is named."""
        chosen = [run[run["source"] == source] if source else run for run in self.runs]
        return np.stack([run.groupby("share")[metric].mean().to_numpy() for run in chosen])

    def areas(self, metric: str, source: str = "") -> np.ndarray:
        """The area under the metric, (seeds,); the mean over sources unless one is named."""
        return np.trapezoid(self.values(metric, source), self.shares, axis=-1)

    def interval(self, values: np.ndarray, metric: str = "") -> tuple[float, float]:
        """The 95 % interval of a mean over seeds, in the metric's range; (nan, nan) for one seed."""
        return interval_over_seeds(values, self.overlap, metric)


def curves_of(plan: Plan, store: RunStore) -> list[Curves]:
    """The rows of a plan that have curves, in its order."""
    return [found for row in plan.rows if (found := curves_of_runs(plan, row, row.runs, store)) is not None]


def curves_of_runs(plan: Plan, row: PlanRow, runs: Sequence[str], store: RunStore) -> Curves | None:
    """The curves of some runs of a row; None where they have none.

    Curves are over all test samples: a row that is scored on the complete ones has none.
    """
    stored = [run for run in runs if store.complete(run) and row.scored == "all"]
    found = tuple(curves for run in stored if (curves := store.missing(run)) is not None)
    if not found:
        return None
    return Curves(row, overlap_of(plan, store.metrics(stored[0])), found)


def run_areas(plan: Plan, row: PlanRow, run: str, store: RunStore) -> dict[str, float]:
    """The areas of one run by column of the table; empty where it has no curves."""
    curves = curves_of_runs(plan, row, [run], store)
    return {} if curves is None else {name: float(curves.areas(m)[0]) for name, m in AREAS.items()}


def by_source(plan: Plan, store: RunStore) -> pd.DataFrame:
    """One row per row of the plan and source: area under R2_score and what the whole source is worth.

    `loss_R2_score` is R2_score with the source missing from all test samples minus that with it missing from
    none: below zero, the method gets worse. Both are means over seeds with 95 % intervals.
    """
    found = []
    for curves in curves_of(plan, store):
        for source in curves.sources:
            values = curves.values(CURVE, source)
            line: dict[str, object] = {
                "method": curves.row.method,
                "arm": curves.row.variant,
                "source": source,
                "seeds": len(values),
            }
            measured = {
                "area": (curves.areas(CURVE, source), CURVE),
                "loss": (values[:, -1] - values[:, 0], ""),
            }
            for name, (x, metric) in measured.items():
                low, high = curves.interval(x, metric)
                column = f"{name}_{CURVE}"
                line |= {column: float(x.mean()), f"{column}_low": low, f"{column}_high": high}
            found.append(line)
    return pd.DataFrame(found)


def shown_by_source(table: pd.DataFrame) -> pd.DataFrame:
    """`by_source` for people: means with their intervals as text."""
    shown = table[["method", "arm", "source"]].copy()
    for title, column in ((f"area {CURVE}", f"area_{CURVE}"), ("loss at 100 % missing", f"loss_{CURVE}")):
        sign = "+" if column.startswith("loss") else ""
        rows = zip(table[column], table[f"{column}_low"], table[f"{column}_high"], strict=True)
        shown[title] = [
            f"{mean:{sign}.4f}" + (f" [{low:{sign}.4f}, {high:{sign}.4f}]" if np.isfinite(low) else "")
            for mean, low, high in rows
        ]
    return shown
