"""How much more data would bring: methods trained on an eighth to all of the training samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.compare.frame import Results, Row
from bench.compare.handling import handling_verdict
from bench.compare.verdict import DECIMALS, ONE_SEED, best_row, planned, planned_procedure, resolution
from bench.experiments.base import Experiment, experiment
from bench.methods.references import REFERENCES
from bench.metrics import COMPANION, METRICS, Metric
from bench.plan import Plan
from bench.report.captions import intervals_of, provenance
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, view
from bench.report.figures.panel import CEILING, ceiling_entry, ceiling_said
from bench.report.figures.style import (
    GREY,
    TWO_COLUMNS,
    arrow,
    canvas,
    interval,
    key,
    look,
    metric_label,
    shown,
    tip,
)
from bench.report.sheet import Cell, Column, Line, Sheet
from bench.variants import Choice, Variant

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
FUSIONS = ("concat", "late", "gmu", "mult", "memf")
STEP = 0.03
"""How far the marks of two methods stand apart, as a share of the number of samples."""
DASHES = ("--", ":", "-.")


@experiment("size", title="Error against the number of training samples", ranked=False)
class Size(Experiment):
    """Some fusions and references on more and more of the training part, the other parts kept as they are."""

    def variants(self, choice: Choice) -> list[Variant]:
        """Method by method, the fewest samples first; with all of them, runs are those of `fusion`."""
        encoders, task = choice.encoder_set(), choice.schema.target.task
        looking = [n for n, kind in REFERENCES.items() if task in kind.tasks and kind.looks]
        # the choice of an entity is a question of its own
        references = [name for name in looking if name != "boosted-trees-best-entity"]
        whole = [choice.variant(name) for name in choice.fusions or FUSIONS]
        whole += [Variant(name, encoders, reference=True) for name in references]
        return [
            replace(variant, training={"share": share}) if share < 1 else variant
            for variant in whole
            for share in SHARES
        ]

    def verdict(self, results: Results) -> str:
        """Whether twice the samples make a difference, and which method is best on average at each size."""
        if said := handling_verdict(results):
            return said
        found = {
            name: {s: row for s, row in rows.items() if len(row.runs) == results.plan.seeds}
            for name, rows in curves_of(results).items()
        }
        both = {name: rows for name, rows in found.items() if {SHARES[-2], SHARES[-1]} <= rows.keys()}
        if not both:
            return ""
        return ONE_SEED if results.plan.seeds < 2 else f"{_doubled(results, both)} {_leading(results, found)}"

    def tables(self, results: Results) -> dict[str, pd.DataFrame]:
        """A row per method and size: samples, the primary metric and its companion with their intervals."""
        metrics = [results.primary, METRICS[COMPANION[results.plan.target.task]]]
        lines: list[dict[str, Any]] = []
        for name, rows in curves_of(results).items():
            for share, row in rows.items():
                line = {"method": name, "share": share, "samples": row.cost("n_fitted")}
                for metric in metrics:
                    low, high = row.interval(metric)
                    line |= {metric.name: row.mean(metric.name)}
                    line |= {f"{metric.name}_low": low, f"{metric.name}_high": high}
                lines.append(line | {"seeds": len(row.runs), "reference": row.row.reference})
        return {"curve": pd.DataFrame(lines)}

    def sheets(self, results: Results, tables: Mapping[str, pd.DataFrame]) -> Sequence[Sheet]:
        """The primary metric: a row per method, a column per size."""
        curves, metric = curves_of(results), results.primary
        if not curves:
            return []
        sizes = _sizes(curves)
        columns = (Column("method"), *(Column(f"{n:,.0f}", "metric") for n in sizes.values()))
        lines = tuple(
            Line(
                (
                    Cell(name),
                    *(Cell(rows[s].mean(metric.name) if s in rows else None, "metric") for s in sizes),
                ),
                reference=next(iter(rows.values())).row.reference,
            )
            for name, rows in curves.items()
        )
        caption = f"{metric.name} by the number of samples that are learned from; means over seeds."
        return [Sheet("curve", caption, columns, lines, title="By the number of training samples")]

    def figures(self, results: Results) -> Sequence[Drawing]:
        """The primary metric and its companion against the number of samples, with intervals."""
        plan, curves = results.plan, curves_of(results)
        curves = {name: rows for name, rows in curves.items() if len(rows) > 1}
        if not curves:
            return []
        metrics = [results.primary, METRICS[COMPANION[plan.target.task]]]
        figure = canvas(TWO_COLUMNS, 3.3)
        for ax, metric in zip(figure.subplots(1, 2), metrics, strict=True):
            _draw(ax, curves, metric, results)
        names = [
            Line2D([], [], label=shown(name, 24), **_look(i, rows))
            for i, (name, rows) in enumerate(curves.items())
        ]
        key(figure, [*names, *[interval()] * (plan.seeds > 1), *ceiling_entry(plan, results.primary)])
        text = (
            f"{results.primary.name} and {metrics[1].name} against the number of samples that are learned "
            "from (logarithmic; methods are drawn a little apart); validation and test parts stay the same. "
            "Grey: reference methods without fusion. "
            f"{_reading(plan)}{ceiling_said(plan, *metrics)} {provenance(plan)}"
        )
        return [Drawing("size", plan.title, text, figure, _leading(results, curves))]


def curves_of(results: Results) -> dict[str, dict[float, Row]]:
    """Method, with what else sets it apart -> share of the training part -> row, the fewest samples first."""
    label = results.plan.labels()
    found: dict[str, dict[float, Row]] = {}
    for row in results.finite:
        if row.row.scored == "all":
            name = label(row.row.model_copy(update={"share": 1.0}))
            found.setdefault(name, {})[row.row.share] = row
    return {name: dict(sorted(rows.items())) for name, rows in found.items()}


def _sizes(curves: Mapping[str, Mapping[float, Row]]) -> dict[float, float]:
    """Share -> samples that are learned from, the mean over seeds of the first row that has it."""
    found: dict[float, float] = {}
    for rows in curves.values():
        found = {share: row.cost("n_fitted") for share, row in rows.items()} | found
    return dict(sorted(found.items()))


def _doubled(results: Results, both: Mapping[str, Mapping[float, Row]]) -> str:
    """What the second half of the samples changes, for every method."""
    half, whole = SHARES[-2:]
    rows = {f"{name}, {share}": found[share] for name, found in both.items() for share in (half, whole)}
    gaps = planned(results, rows, {name: (f"{name}, {whole}", f"{name}, {half}") for name in both})
    sizes = _sizes(both)
    changes = [
        f"{name} {gap.value:+.{DECIMALS}f} [{gap.low:+.{DECIMALS}f}, {gap.high:+.{DECIMALS}f}]"
        for name, gap in gaps.items()
    ]
    sure = [name for name, gap in gaps.items() if gap.found]
    shown_for = f"shown for {', '.join(sure)}" if sure else f"shown for none: {resolution(gaps.values())}"
    return (
        f"Change of {results.primary.name} with {sizes[whole]:,.0f} training samples in place of "
        f"{sizes[half]:,.0f}, with simultaneous 95 % intervals: {'; '.join(changes)}; {shown_for}. "
        f"({planned_procedure(results, list(rows.values()), len(gaps))}.)"
    )


def _leading(results: Results, curves: Mapping[str, Mapping[float, Row]]) -> str:
    """The best mean at every size."""
    metric, best = results.primary, []
    for share, samples in _sizes(curves).items():
        rows = {name: found[share] for name, found in curves.items() if share in found}
        first = best_row(list(rows.values()), metric)
        best += [f"with {samples:,.0f}, {name}" for name, row in rows.items() if row is first]
    way = "Lowest" if metric.lower_is_better else "Highest"
    return f"{way} mean {metric.name} by training samples: {'; '.join(best)}."


def _reading(plan: Plan) -> str:
    if plan.seeds == 1:
        return "One seed has no spread: differences may be chance."
    return f"Marks: means over seeds; bars: 95 % interval of the mean ({intervals_of(plan)})."


def _draw(ax: Axes, curves: Mapping[str, Mapping[float, Row]], metric: Metric, results: Results) -> None:
    marks = [Mark.of(row, metric) for rows in curves.values() for row in rows.values()]
    known = results.plan.ceiling.get(metric.name)
    for i, (name, rows) in enumerate(curves.items()):
        style = _look(i, rows)
        apart = 1 + (i - (len(curves) - 1) / 2) * STEP
        x = np.array([row.cost("n_fitted") for row in rows.values()]) * apart
        y = [row.mean(metric.name) for row in rows.values()]
        ends = np.array([row.interval(metric) for row in rows.values()])
        ax.vlines(x, ends[:, 0], ends[:, 1], color=style["color"], alpha=0.35, linewidth=2)
        (drawn,) = ax.plot(x, y, **style)
        tip(drawn, f"{name}: {', '.join(f'{value:.3g}' for value in y)}")
    if known is not None:
        ax.axhline(known, **CEILING)
    ax.set_ylim(*view(marks, metric.bounds, [] if known is None else [known], whole=True))
    sizes = list(_sizes(curves).values())
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{n:,.0f}" for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="training samples", ylabel=metric_label(metric, results.plan.target))
    ax.set_title(arrow(metric))
    ax.grid()


def _look(index: int, rows: Mapping[float, Row]) -> dict[str, Any]:
    """Colour, marker and line of a method."""
    colour, marker = look(index)
    if next(iter(rows.values())).row.reference:
        own: dict[str, Any] = {
            "color": GREY,
            "marker": "D",
            "mfc": "white",
            "linestyle": DASHES[index % len(DASHES)],
        }
    else:
        own = {"color": colour, "marker": marker, "mec": "white"}
    return {"ms": 4.5, "mew": 0.7, **own}
