"""What the default recipe costs each method: every method by it, and with the settings `bench tune` found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bench.compare.agreement import agreement, flipped
from bench.compare.frame import Results, Row
from bench.compare.simultaneous import LEVEL
from bench.compare.verdict import DECIMALS, ONE_SEED, planned, planned_procedure
from bench.experiments.base import Experiment, experiment
from bench.experiments.fusion import FusionMethods
from bench.report.captions import provenance
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.panel import ceiling_entry, ceiling_said, metric_panel
from bench.report.figures.style import TWO_COLUMNS, canvas, key, shown
from bench.report.sheet import Cell, Column, Line, Sheet, interval_text
from bench.space import is_tunable
from bench.variants import Choice, Variant

TUNED = "tuned"
GAIN = (
    "Gain: how much better the tuned settings are on the test part than the default recipe, above zero where "
    "they are better. Settings were chosen by the validation part of each split, the test part was not read."
)


@dataclass(frozen=True)
class Pair:
    """A method by the default recipe and tuned, on the seeds that both have."""

    default: Row
    tuned: Row

    @property
    def seeds(self) -> list[int]:
        """The seeds that both have."""
        return [seed for seed in self.default.runs if seed in self.tuned.runs]

    def values(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A metric of both, one per common seed."""
        default, tuned = (
            np.array([row.runs[seed].values[name] for seed in self.seeds], dtype=float)
            for row in (self.default, self.tuned)
        )
        return default, tuned


def pairs_of(results: Results) -> dict[str, Pair]:
    """The methods with both arms, by name, in the plan's order."""
    name = results.plan.labels()
    tuned = {r.row.model_copy(update={"arm": ""}).identity: r for r in results.finite if r.row.arm == TUNED}
    pairs = {name(r.row): Pair(r, tuned[r.row.identity]) for r in results.finite if r.row.identity in tuned}
    return {label: pair for label, pair in pairs.items() if pair.seeds}


@experiment("fusion-tuned", title="Fusion methods by the default recipe, and each with its own settings")
class FusionTuned(Experiment):
    """All rows of the comparison of fusions, and a tuned one beside each that has settings to tune."""

    def variants(self, choice: Choice) -> list[Variant]:
        """Two arms for every method that can be tuned."""
        arms = [
            [v, replace(v, arm=TUNED, recipe="tuned")] if is_tunable(v.method) else [v]
            for v in FusionMethods().variants(choice)
        ]
        return [variant for both in arms for variant in both]

    def verdict(self, results: Results) -> str:
        """Whom tuning helps for sure, and whether it changes the order."""
        pairs = pairs_of(results)
        if not pairs:
            return ""
        return ONE_SEED if results.plan.seeds < 2 else " ".join([_gains(results, pairs), order(results)])

    def tables(self, results: Results) -> dict[str, pd.DataFrame]:
        """The gain of every method, and the pairs of methods whose order flips."""
        return {"gain": gains(results), "flips": flips(results)}

    def sheets(self, results: Results, tables: Mapping[str, pd.DataFrame]) -> Sequence[Sheet]:
        """The same for people."""
        gain, flipped = tables["gain"], tables["flips"]
        sheets = [] if gain.empty else [_gain_sheet(results, gain)]
        if not flipped.empty:
            caption = f"Means over seeds of {results.primary.name}. {order(results)}"
            columns = tuple(Column(name, "text" if i < 2 else "metric") for i, name in enumerate(flipped))
            lines = tuple(
                Line(tuple(Cell(value, column.kind) for column, value in zip(columns, row, strict=True)))
                for row in flipped.itertuples(index=False)
            )
            sheets.append(Sheet("flips", caption, columns, lines, title="Pairs whose order flips"))
        return sheets

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Both arms of every method, and the gain."""
        return _figure(results, pairs_of(results))


def gains(results: Results) -> pd.DataFrame:
    """One row per method: means of both arms, the gain with its simultaneous 95 % interval, p.

    The regret of the default recipe is the gain as a share of the default's mean.
    """
    metric, pairs = results.primary, pairs_of(results)
    sign = 1 if metric.lower_is_better else -1
    rows = {f"{n}, {arm}": row for n, p in pairs.items() for arm, row in ((0, p.default), (1, p.tuned))}
    found = planned(results, rows, {n: (f"{n}, {0}", f"{n}, {1}") for n in pairs})
    lines = []
    for name, pair in pairs.items():
        default, tuned = (values.mean() for values in pair.values(metric.name))
        gain = sign * (default - tuned)
        ends, p = (float("nan"), float("nan")), float("nan")
        if name in found:
            ends, p = (sign * found[name].low, sign * found[name].high), found[name].p
        lines.append(
            {
                "method": name, "metric": metric.name, "default": default, "tuned": tuned,
                "gain": gain, "gain_low": min(ends), "gain_high": max(ends), "p": p,
                "regret": gain / abs(default) if default else float("nan"),
                "seeds": len(pair.seeds), "reference": pair.default.row.reference,
            }
        )  # fmt: skip
    return pd.DataFrame(lines)


def flips(results: Results) -> pd.DataFrame:
    """The pairs of which another method is the better one when both are tuned: means of both arms."""
    default, tuned = _means(results)
    return pd.DataFrame(
        {
            "one": a, "other": b, "one default": default[a], "other default": default[b],
            "one tuned": tuned[a], "other tuned": tuned[b],
        }
        for a, b in flipped(default, tuned)
    )  # fmt: skip


def order(results: Results) -> str:
    """How far the order of methods is the same in both arms, in a sentence; "" for fewer than two."""
    default, tuned = _means(results)
    if len(default) < 2:
        return ""
    return (
        f"Order of the {len(default)} methods by mean {results.primary.name}, default against tuned: "
        f"{agreement(default, tuned)}."
    )


def _means(results: Results) -> tuple[dict[str, float], dict[str, float]]:
    """Method -> mean of the primary metric, by the default recipe and tuned."""
    table = gains(results)
    if table.empty:
        return {}, {}
    by_name = table.set_index("method")
    return by_name["default"].to_dict(), by_name["tuned"].to_dict()


def _gains(results: Results, pairs: Mapping[str, Pair]) -> str:
    table = gains(results)
    sure = table[table["p"] < LEVEL]
    largest = table.loc[table["gain"].idxmax()]
    said = ", ".join(f"{row.method} ({row.gain:+.{DECIMALS}f})" for row in sure.itertuples())
    first = f"Tuning changes the {results.primary.name} of {said}" if said else "No gain is more than chance"
    rows = [row for pair in pairs.values() for row in (pair.default, pair.tuned)]
    return (
        f"{first}; the largest mean gain is {largest['method']}'s, {largest['gain']:+.{DECIMALS}f}. "
        f"({planned_procedure(results, rows, len(pairs))}.)"
    )


def _gain_sheet(results: Results, table: pd.DataFrame) -> Sheet:
    columns = (
        Column("method"), Column("default", "metric"), Column("tuned", "metric"),
        Column("gain [95 % interval]", "metric", "descending"), Column("regret", "plain"),
        Column("p", "plain"),
        Column("seeds", "count"),
    )  # fmt: skip
    lines = []
    for row in table.sort_values("gain", ascending=False).to_dict("records"):
        ends = interval_text(row["gain_low"], row["gain_high"], "+")
        cells = (
            Cell(row["method"]), Cell(row["default"], "metric"), Cell(row["tuned"], "metric"),
            Cell(row["gain"], "metric", f"{row['gain']:+.4f} {ends}".strip()),
            Cell(row["regret"], "plain", f"{row['regret']:.1%}"),
            Cell(row["p"], "plain", f"{row['p']:.2f}"), Cell(row["seeds"], "count"),
        )  # fmt: skip
        lines.append(Line(cells, row["reference"]))
    caption = (
        f"{results.primary.name} on the test part. {GAIN} Intervals are simultaneous. Regret: the gain as a "
        "share of the default's mean."
    )
    return Sheet("gain", caption, columns, tuple(lines), title="What the default recipe costs each")


def _figure(results: Results, pairs: Mapping[str, Pair]) -> list[Drawing]:
    if not pairs:
        return []
    plan, metric = results.plan, results.primary
    table = gains(results).set_index("method").sort_values("gain", ascending=False)
    lanes: dict[str, list[Mark]] = {}
    differences: dict[str, list[Mark]] = {}
    for name, row in table.iterrows():
        pair, reference = pairs[str(name)], bool(row["reference"])
        lanes[str(name)] = [Mark.of(one, metric, i) for i, one in enumerate((pair.default, pair.tuned))]
        default, tuned = pair.values(metric.name)
        sign = 1 if metric.lower_is_better else -1
        ends = (float(row["gain_low"]), float(row["gain_high"]))
        gain = Mark(sign * (default - tuned), float(row["gain"]), *ends, 2, reference)
        differences[str(name)] = [gain]
    figure = canvas(TWO_COLUMNS, 1.0 + height(len(lanes), 2))
    left, right = figure.subplots(1, 2, sharey=True)
    metric_panel(left, lanes, 2, metric, plan)
    forest(right, differences, 1, include=[0.0])
    right.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
    right.set_xlabel(f"gain of tuning in {metric.name}")
    right.set_title("above 0: tuned is better")
    references = bool(table["reference"].any())
    entries = legend(["default recipe", TUNED], references=references, seeds=plan.seeds)
    key(figure, [*entries, *ceiling_entry(plan, metric)])
    text = f"{provenance(plan)} {GAIN} {shown(order(results), 400)} Intervals are simultaneous."
    text += ceiling_said(plan, metric)
    return [Drawing(plan.experiment, plan.title, text, figure)]
