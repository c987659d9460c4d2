"""Every method in two arms, by the same data and splits: how much the second gains on the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from bench.compare.frame import Results, Row
from bench.compare.simultaneous import LEVEL
from bench.compare.verdict import DECIMALS, ONE_SEED, planned, planned_procedure
from bench.experiments.fusion import FusionMethods
from bench.report.captions import provenance
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.panel import ceiling_entry, ceiling_said, metric_panel
from bench.report.figures.style import TWO_COLUMNS, canvas, key
from bench.report.sheet import Cell, Column, Line, Sheet, interval_text
from bench.variants import Choice, Variant


@dataclass(frozen=True)
class Arms:
    """What two arms of a method are called.

    Attributes:
        first: the arm that has no name in plans, as a column.
        second: the other, by its name there.
        legend: what figures call the first.
        change: what is done in the second: "Tuning".
        gain: what a gain is, in sentences.
        share: what the gain as a share of the first arm's mean is called, as a column.
        title: of the table of gains.
    """

    first: str
    second: str
    legend: str
    change: str
    gain: str
    share: str
    title: str


def variants(
    choice: Choice, arms: Arms, recipe: Literal["tuned", "finetuned"], both: Callable[[Variant], bool]
) -> list[Variant]:
    """All rows of the comparison of fusions, and the second arm, by a recipe, after each that has `both`."""
    rows = [
        [v, replace(v, arm=arms.second, recipe=recipe)] if both(v) else [v]
        for v in FusionMethods().variants(choice)
    ]
    return [variant for row in rows for variant in row]


@dataclass(frozen=True)
class Pair:
    """A method in both arms, on the seeds that both have."""

    first: Row
    second: Row

    @property
    def seeds(self) -> list[int]:
        """The seeds that both have."""
        return [seed for seed in self.first.runs if seed in self.second.runs]

    def values(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A metric of both, one per common seed."""
        first, second = (
            np.array([row.runs[seed].values[name] for seed in self.seeds], dtype=float)
            for row in (self.first, self.second)
        )
        return first, second


def pairs_of(results: Results, arms: Arms) -> dict[str, Pair]:
    """The methods with both arms, by name, in the plan's order."""
    name = results.plan.labels()
    second = {_without_arm(r): r for r in results.finite if r.row.arm == arms.second}
    pairs = {
        name(r.row): Pair(r, second[key])
        for r in results.finite
        if not r.row.arm and (key := _without_arm(r)) in second
    }
    return {label: pair for label, pair in pairs.items() if pair.seeds}


def _without_arm(row: Row) -> str:
    """What a row has in common with the other arm; stamps may say what was done to encoders."""
    return row.row.model_copy(update={"arm": "", "stamps": {}}).identity


def gains(results: Results, arms: Arms) -> pd.DataFrame:
    """One row per method: means of both arms, the gain with its simultaneous 95 % interval and share, p."""
    metric, pairs = results.primary, pairs_of(results, arms)
    sign = 1 if metric.lower_is_better else -1
    rows = {f"{n}, {arm}": row for n, p in pairs.items() for arm, row in ((0, p.first), (1, p.second))}
    found = planned(results, rows, {n: (f"{n}, {0}", f"{n}, {1}") for n in pairs})
    lines = []
    for name, pair in pairs.items():
        first, second = (values.mean() for values in pair.values(metric.name))
        gain = sign * (first - second)
        ends, p = (float("nan"), float("nan")), float("nan")
        if name in found:
            ends, p = (sign * found[name].low, sign * found[name].high), found[name].p
        lines.append(
            {
                "method": name, "metric": metric.name, arms.first: first, arms.second: second,
                "gain": gain, "gain_low": min(ends), "gain_high": max(ends), "p": p,
                arms.share: gain / abs(first) if first else float("nan"),
                "seeds": len(pair.seeds), "reference": pair.first.row.reference,
            }
        )  # fmt: skip
    return pd.DataFrame(lines)


def said_of(results: Results, arms: Arms, more: str = "") -> str:
    """Whom the second arm helps for sure, in sentences, then `more`; "" where no method has both."""
    table, pairs = gains(results, arms), pairs_of(results, arms)
    if not pairs:
        return ""
    if results.plan.seeds < 2:
        return ONE_SEED
    sure = table[table["p"] < LEVEL]
    largest = table.loc[table["gain"].idxmax()]
    said = ", ".join(f"{row.method} ({row.gain:+.{DECIMALS}f})" for row in sure.itertuples())
    best = f"{largest['method']}'s, {largest['gain']:+.{DECIMALS}f}"
    what, means = "gain", f"the largest mean gain is {best}"
    if largest["gain"] <= 0:
        what, means = "change", f"all means are worse, least so {best}"
    changes = f"{arms.change} changes the {results.primary.name} of {said}"
    first = changes if said else f"No {what} is more than chance"
    rows = [row for pair in pairs.values() for row in (pair.first, pair.second)]
    return (f"{first}; {means}. ({planned_procedure(results, rows, len(pairs))}.) {more}").rstrip()


def gain_sheet(results: Results, table: pd.DataFrame, arms: Arms) -> Sheet:
    """The gains for people."""
    columns = (
        Column("method"), Column(arms.first, "metric"), Column(arms.second, "metric"),
        Column("gain [95 % interval]", "metric", "descending"), Column(arms.share, "plain"),
        Column("p", "plain"),
        Column("seeds", "count"),
    )  # fmt: skip
    lines = []
    for row in table.sort_values("gain", ascending=False).to_dict("records"):
        ends = interval_text(row["gain_low"], row["gain_high"], "+")
        cells = (
            Cell(row["method"]), Cell(row[arms.first], "metric"), Cell(row[arms.second], "metric"),
            Cell(row["gain"], "metric", f"{row['gain']:+.4f} {ends}".strip()),
            Cell(row[arms.share], "plain", f"{row[arms.share]:.1%}"),
            Cell(row["p"], "plain", f"{row['p']:.2f}"), Cell(row["seeds"], "count"),
        )  # fmt: skip
        lines.append(Line(cells, row["reference"]))
    caption = (
        f"{results.primary.name} on the test part. {arms.gain} Intervals are simultaneous. "
        f"{arms.share.capitalize()}: the gain as a share of the {arms.first}'s mean."
    )
    return Sheet("gain", caption, columns, tuple(lines), title=arms.title)


def figure(results: Results, arms: Arms, more: str = "") -> list[Drawing]:
    """Both arms of every method, and the gain; `more` goes into its text."""
    pairs = pairs_of(results, arms)
    if not pairs:
        return []
    plan, metric = results.plan, results.primary
    table = gains(results, arms).set_index("method").sort_values("gain", ascending=False)
    lanes: dict[str, list[Mark]] = {}
    differences: dict[str, list[Mark]] = {}
    for name, row in table.iterrows():
        pair, reference = pairs[str(name)], bool(row["reference"])
        lanes[str(name)] = [Mark.of(one, metric, i) for i, one in enumerate((pair.first, pair.second))]
        first, second = pair.values(metric.name)
        sign = 1 if metric.lower_is_better else -1
        ends = (float(row["gain_low"]), float(row["gain_high"]))
        gain = Mark(sign * (first - second), float(row["gain"]), *ends, 2, reference)
        differences[str(name)] = [gain]
    figure = canvas(TWO_COLUMNS, 1.0 + height(len(lanes), 2))
    left, right = figure.subplots(1, 2, sharey=True)
    metric_panel(left, lanes, 2, metric, plan)
    forest(right, differences, 1, include=[0.0])
    right.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
    right.set_xlabel(f"gain of {arms.change.lower()} in {metric.name}")
    right.set_title(f"above 0: {arms.second} is better")
    references = bool(table["reference"].any())
    entries = legend([arms.legend, arms.second], references=references, seeds=plan.seeds)
    key(figure, [*entries, *ceiling_entry(plan, metric)])
    text = f"{provenance(plan)} {arms.gain} {more}Intervals are simultaneous."
    text += ceiling_said(plan, metric)
    return [Drawing(plan.experiment, plan.title, text, figure)]
