"""Methods beside each other: the figure of Table 9, and of Table 7."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D

from bench.compare.frame import Results
from bench.metrics import COMPANION, METRICS
from bench.report.captions import provenance, reading
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import conditions, forest, height, lanes_of, ordered
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


def comparison(results: Results) -> list[Drawing]:
    """Every method's primary metric and its companion over seeds, the best at the top."""
    plan, rows = results.plan, results.finite
    if all(row.row.reference for row in rows):
        return []
    names = conditions(rows) or [""]
    methods, order = ordered(rows, results.primary)
    panels = [results.primary, METRICS[COMPANION[plan.target.task]]]
    lanes = {metric.name: lanes_of(rows, methods, names, metric) for metric in panels}
    figure = canvas(TWO_COLUMNS, 1.0 + height(len(methods), len(names)))
    for ax, metric in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
        forest(ax, lanes[metric.name], len(names), metric)
        ax.set_xlabel(metric_label(metric, plan.target, 44))
        ax.set_title(better(metric))
    references = any(row.row.reference for row in rows)
    key(figure, legend(names, references=references, seeds=plan.seeds))
    text = f"{provenance(plan)} {order} {reading(plan)}"
    if len(names) > 1:
        text += f" In each row, from top to bottom: {', '.join(names)}."
    if references:
        text += " Grey: reference methods without fusion. An arrow with a number lies beyond the axis."
    return [Drawing(plan.experiment, plan.title, text, figure)]


def legend(names: Sequence[str], *, references: bool, seeds: int) -> list[Line2D]:
    """Entries for the conditions, the references, and what is drawn over seeds."""
    groups = [mark(i, shown(name, 44)) for i, name in enumerate(names) if len(names) > 1]
    return [*groups, *[no_fusion()] * references, *([one_seed(), interval()] if seeds > 1 else [])]
