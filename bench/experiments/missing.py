"""What every method loses when a source goes missing, and whether training for that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd

from bench.compare.frame import Results, Row, Run
from bench.compare.simultaneous import Simultaneous
from bench.compare.tests import interval
from bench.compare.verdict import (
    DECIMALS,
    ONE_SEED,
    by_sample,
    common_seeds,
    planned_procedure,
    procedure,
    resolution,
)
from bench.experiments.base import Experiment, experiment
from bench.metrics import COMPANION, METRICS, PRIMARY, Metric
from bench.observe.missing import curves, sample_areas
from bench.report.figures.curves import Curve, draw_curves
from bench.report.figures.drawing import Drawing
from bench.report.sheet import Cell, Column, Line, Sheet, digits, interval_text
from bench.variants import Choice, Variant

FUSIONS = ("memf", "vtfsa", "cmmt", "mult", "mfb", "tfn", "concat")
SOURCE_DROPOUT = 0.3
FULL, DROPOUT = "full data", "source dropout"
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
    """The curves of one row of a plan, over all test samples.

    Attributes:
        row: of the plan.
        runs: one per stored seed, as `bench.observe.missing.curves` gives them.
    """

    row: Row
    runs: tuple[pd.DataFrame, ...]

    @property
    def sources(self) -> list[str]:
        """The sources that were taken away, in the order of the dataset."""
        return list(dict.fromkeys(self.runs[0]["source"]))

    @cached_property
    def shares(self) -> np.ndarray:
        """(S,) shares of the test samples without a source, ascending from 0 to 1."""
        return np.unique(self.runs[0]["share"])

    def values(self, metric: str, source: str = "") -> np.ndarray:
        """The metric, (seeds, S); the mean over sources unless one is named."""
        chosen = [run[run["source"] == source] if source else run for run in self.runs]
        return np.stack([run.groupby("share")[metric].mean().to_numpy() for run in chosen])

    def areas(self, metric: str, source: str = "") -> np.ndarray:
        """The area under the metric, (seeds,); the mean over sources unless one is named."""
        return np.asarray(np.trapezoid(self.values(metric, source), self.shares, axis=-1))

    def rise(self, metric: str, source: str) -> np.ndarray:
        """The metric with the source missing from all test samples less that with it missing from none."""
        values = self.values(metric, source)
        return np.asarray(values[:, -1] - values[:, 0])

    def interval(self, values: np.ndarray, metric: Metric | None = None) -> tuple[float, float]:
        """The 95 % interval of a mean over seeds, in the metric's range; (nan, nan) for one seed."""
        bounds = metric.bounds if metric else (-np.inf, np.inf)
        return interval(values, *self.row.overlap, bounds=bounds)


def curves_of(results: Results) -> list[Curves]:
    """The rows that have curves, in the plan's order: one that is scored on complete samples has none."""
    rows = [
        (row, [c for run in row.runs.values() if (c := _curves(run)) is not None]) for row in results.rows
    ]
    return [Curves(row, tuple(found)) for row, found in rows if found and row.row.scored == "all"]


def _curves(run: Run) -> pd.DataFrame | None:
    if "curves" not in run.derived:
        record, target = run.record("missing"), run.answers.target
        shown = [METRICS[PRIMARY[target.task]], METRICS[COMPANION[target.task]]]
        known = isinstance(record, pd.DataFrame)
        run.derived["curves"] = curves(target, record, run.table, shown) if known else None
    found: pd.DataFrame | None = run.derived["curves"]
    return found


@experiment("missing", title="Sources missing at test time", ranked=False)
class Missing(Experiment):
    """Each fusion trained on all there is, and trained with sources hidden at random.

    Both are tested with each source taken away from 0 to 100 % of the test samples.
    """

    def applies(self, choice: Choice) -> str:
        """It takes several sources."""
        several = len(choice.schema.sources) > 1
        return "" if several else "the dataset has one source; without it nothing is left"

    def variants(self, choice: Choice) -> list[Variant]:
        """Two arms for every fusion."""
        observe = frozenset({"missing"})
        arms: dict[str, dict[str, float]] = {FULL: {}, DROPOUT: {"source_dropout": SOURCE_DROPOUT}}
        return [
            choice.variant(name, arm=arm, training=training, observe=observe)
            for name in choice.fusions or FUSIONS
            for arm, training in arms.items()
        ]

    def measures(self, task: str) -> list[Metric]:
        """The areas under the primary metric and its companion."""
        return [
            replace(METRICS[m], name=f"area_{m}", note=AREA_NOTE, blank="", losses=None, leading=False)
            for m in (PRIMARY[task], COMPANION[task])
        ]

    def measure(self, run: Run) -> Mapping[str, float]:
        """The areas of one run, the means over sources."""
        task, found = run.answers.target.task, _curves(run) if run.whole else None
        if found is None:
            return {}
        return {f"area_{m}": _area(found, m) for m in (PRIMARY[task], COMPANION[task])}

    def verdict(self, results: Results) -> str:
        """The largest area in each arm, what differs from it, and whether source dropout changes it."""
        found = [c for c in curves_of(results) if len(c.runs) == results.plan.seeds]
        if len(found) < 2:
            return ""
        return ONE_SEED if results.plan.seeds < 2 else _verdict(results, found)

    def tables(self, results: Results) -> dict[str, pd.DataFrame]:
        """Areas and losses by source."""
        return {"sources": by_source(results)}

    def sheets(self, results: Results, tables: Mapping[str, pd.DataFrame]) -> Sequence[Sheet]:
        """The same for people."""
        table = tables["sources"]
        return [] if table.empty else [_sheet(table, METRICS[COMPANION[results.plan.target.task]])]

    def figures(self, results: Results) -> Sequence[Drawing]:
        """The mean over sources of each arm with intervals, and what every method loses without each."""
        primary, metric = results.primary, METRICS[COMPANION[results.plan.target.task]]
        found = curves_of(results)
        lines = [
            Curve(
                c.row.row.method, c.row.row.variant, c.values(metric.name), 100 * c.shares,
                {source: float(c.rise(primary.name, source).mean()) for source in c.sources},
                partial(c.interval, metric=metric),
            )
            for c in found
        ]  # fmt: skip
        return [draw_curves(results.plan, (primary, metric), lines, REMOVAL)] if lines else []


def _area(found: pd.DataFrame, metric: str) -> float:
    means = found.groupby("share")[metric].mean()
    return float(np.trapezoid(means.to_numpy(), means.index.to_numpy()))


def by_source(results: Results) -> pd.DataFrame:
    """One row per row of the plan and source: area under the companion metric, and what the source is worth.

    `loss_METRIC` is the metric with the source missing from all test samples minus that with it missing from
    none: below zero, the method gets worse. `rise_METRIC` is that of the primary metric, as drawn. All are
    means over seeds with 95 % intervals.
    """
    metric, primary, lines = METRICS[COMPANION[results.plan.target.task]], results.primary.name, []
    for found in curves_of(results):
        for source in found.sources:
            values = found.values(metric.name, source)
            line: dict[str, object] = {
                "method": found.row.row.method,
                "arm": found.row.row.variant,
                "source": source,
                "seeds": len(values),
            }
            measured = {
                f"area_{metric.name}": (found.areas(metric.name, source), metric),
                f"loss_{metric.name}": (found.rise(metric.name, source), None),
                f"rise_{primary}": (found.rise(primary, source), None),
            }
            for column, (x, bounded) in measured.items():
                low, high = found.interval(x, bounded)
                line |= {column: float(x.mean()), f"{column}_low": low, f"{column}_high": high}
            lines.append(line)
    return pd.DataFrame(lines)


def _sheet(table: pd.DataFrame, metric: Metric) -> Sheet:
    named = {f"area_{metric.name}": f"area {metric.name}", f"loss_{metric.name}": "loss at 100 % missing"}
    lines = []
    for row in table.to_dict("records"):
        measured = [
            Cell(row[c], "metric", _with_interval(row, c, "+" if c.startswith("loss") else "")) for c in named
        ]
        lines.append(Line((*(Cell(row[name]) for name in ("method", "arm", "source")), *measured)))
    columns = (*map(Column, ("method", "arm", "source")), *(Column(n, "metric") for n in named.values()))
    caption = (
        f"Loss: {metric.name} with the source missing from all test samples minus that with it missing from "
        "none; below zero, the method gets worse. Means over seeds [95 % interval]."
    )
    return Sheet("sources", caption, columns, tuple(lines), title="Area by source")


def _with_interval(row: Mapping[str, float], column: str, sign: str) -> str:
    interval = interval_text(row[f"{column}_low"], row[f"{column}_high"], sign)
    return f"{digits(row[column], sign=sign)} {interval}".rstrip()


# -- verdict ------------------------------------------------------------------------------------------------


def _verdict(results: Results, found: Sequence[Curves]) -> str:
    """In each arm the smallest area and what differs from it; whose area source dropout changes."""
    arms: dict[str, dict[str, Row]] = {}
    for c in found:
        name = ", ".join(filter(None, [c.row.row.arm, c.row.row.handling]))
        arms.setdefault(name, {})[c.row.row.method] = c.row
    said = [_best(results, arm, rows) for arm, rows in arms.items() if len(rows) > 1]
    pairs = {}
    for arm, rows in arms.items():
        other = arm.replace(FULL, DROPOUT, 1)
        for method in rows if other != arm else ():
            if method in arms.get(other, {}):
                handling = arm.removeprefix(FULL).removeprefix(", ")
                name = f"{method} ({handling})" if handling else method
                pairs[name] = (f"{method}, {other}", f"{method}, {arm}")
    said += [_changed(results, arms, pairs)] if pairs else []
    return " ".join(said)


def _compared(results: Results, rows: Mapping[str, Row]) -> Simultaneous:
    """Rows compared by the area under the primary metric, sample by sample."""
    chosen, metric = list(rows.values()), results.primary
    seeds = common_seeds(chosen)
    losses = [np.stack([_area_of_samples(row.runs[seed], metric) for row in chosen]) for seed in seeds]
    return Simultaneous(
        tuple(rows), by_sample(results, chosen, losses), metric.lower_is_better, metric.bounds
    )


def _area_of_samples(run: Run, metric: Metric) -> np.ndarray:
    """(N,) what every sample adds to the area under a metric that is a mean over samples."""
    record = run.record("missing")
    assert isinstance(record, pd.DataFrame)
    assert metric.losses is not None
    return sample_areas(run.answers, record, metric.losses)


def _best(results: Results, arm: str, rows: Mapping[str, Row]) -> str:
    """One arm: the best mean area, and what can be distinguished from it."""
    found, metric = _compared(results, rows), results.primary
    gaps = {name: found.gap(name, found.best) for name in found.order if name != found.best}
    worse = [name for name, gap in gaps.items() if gap.found]
    same = [name for name, gap in gaps.items() if not gap.found]
    said = f"distinguished from it: {', '.join(worse)}" if worse else ""
    if same:
        rest = f"{', '.join(same)} cannot be" if worse else "no other can be distinguished from it"
        said += f"{'; ' if worse else ''}{rest}, {resolution(gaps[name] for name in same)}"
    way = "smallest" if metric.lower_is_better else "largest"
    return (
        f"With {arm}, {found.best} has the {way} mean area under {metric.name}; {said}. "
        f"({procedure(results, list(rows.values()))}.)"
    )


def _changed(
    results: Results, arms: Mapping[str, Mapping[str, Row]], pairs: Mapping[str, tuple[str, str]]
) -> str:
    """Whose area source dropout changes."""
    rows = {f"{method}, {arm}": row for arm, part in arms.items() for method, row in part.items()}
    wanted = dict.fromkeys(name for pair in pairs.values() for name in pair)
    gaps = _compared(results, {name: rows[name] for name in wanted}).planned(pairs)
    sure = [f"{name} ({gap.value:+.{DECIMALS}f})" for name, gap in gaps.items() if gap.found]
    same = {name: gap for name, gap in gaps.items() if not gap.found}
    how = f"({planned_procedure(results, list(rows.values()), len(pairs))}.)"
    if not sure:
        return (
            f"That source dropout changes the area cannot be shown for any method, "
            f"{resolution(same.values())}. {how}"
        )
    unknown = f"; for {', '.join(same)} nothing can be shown" if same else ""
    return f"Source dropout changes the area of {', '.join(sure)}{unknown}. {how}"
