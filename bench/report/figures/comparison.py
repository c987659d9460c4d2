"""Methods beside each other: the figure of Table 9, and of Table 7."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D

from bench.plan import Plan
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import forest, height, lanes_of
from bench.report.figures.results import conditions, ordered, provenance, reading, results_of
from bench.report.figures.style import (
    TWO_COLUMNS,
    better,
    canvas,
    interval,
    key,
    mark,
    metric_label,
    no_fusion,
    one_seed,
    shown,
)
from bench.store import RunStore

PANELS = ("MSE", "R2_score")


def comparison(plan: Plan, store: RunStore) -> Drawing | None:
    """Every method's MSE and R2_score over seeds, the lowest MSE at the top."""
    results = results_of(plan, store)
    if all(result.row.reference for result in results):
        return None
    names = conditions(results) or [""]
    methods, order = ordered(results)
    lanes = {metric: lanes_of(results, methods, names, metric) for metric in PANELS}
    figure = canvas(TWO_COLUMNS, 1.0 + height(len(lanes["MSE"]), len(names)))
    for ax, metric in zip(figure.subplots(1, 2, sharey=True), PANELS, strict=True):
        forest(ax, lanes[metric], len(names), metric)
        ax.set_xlabel(metric_label(metric, plan, 44))
        ax.set_title(better(metric))
    references = any(result.row.reference for result in results)
    key(figure, legend(names, references=references, seeds=plan.seeds))
    text = f"{provenance(plan)} {order} {reading(plan)}"
    if len(names) > 1:
        text += f" In each row, from top to bottom: {', '.join(names)}."
    if references:
        text += " Grey: reference methods without fusion. An arrow with a number lies beyond the axis."
    return Drawing(plan.experiment, plan.title, text, figure)


def legend(names: Sequence[str], *, references: bool, seeds: int) -> list[Line2D]:
    """Entries for the conditions, the references, and what is drawn over seeds."""
    groups = [mark(i, shown(name, 44)) for i, name in enumerate(names) if len(names) > 1]
    return [*groups, *[no_fusion()] * references, *([one_seed(), interval()] if seeds > 1 else [])]
