"""What a method's accuracy costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import textalloc
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from bench.compare.frame import Results, Row
from bench.labels import condition
from bench.metrics import Metric
from bench.plan import PlanRow
from bench.report.captions import provenance
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing, settle
from bench.report.figures.forest import Mark, conditions, view
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, key, look, metric_label, shown

PANELS = {"params": "trainable parameters", "seconds": "seconds per run, training and test"}


def cost(results: Results) -> list[Drawing]:
    """The primary metric against the number of parameters and against seconds, both on logarithmic axes."""
    plan, metric = results.plan, results.primary
    # what sees no features (the mean) costs nothing and would stretch the axis
    rows = [row for row in results.finite if row.row.encoders]
    if all(row.row.reference for row in rows):
        return []
    names = conditions(rows) or [""]
    figure = canvas(TWO_COLUMNS, 4.0)
    panels = figure.subplots(1, 2, sharey=True)
    low, high = view([_without_interval(row, metric) for row in rows], metric)
    panels[0].set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    panels[0].set_ylabel(metric_label(metric, plan.target))
    drawn = {
        quantity: [_point(row, metric, quantity) for row in rows if row.cost(quantity) > 0]
        for quantity in PANELS
    }
    for ax, (quantity, label) in zip(panels, PANELS.items(), strict=True):
        _points(ax, drawn[quantity], rows, names, quantity, (low, high))
        ax.set_xlabel(f"{label} (log scale)")
    references = any(row.row.reference for row in rows)
    key(figure, legend(names, references=references, seeds=1))
    settle(figure)
    for ax, quantity in zip(panels, PANELS, strict=True):
        _names(ax, drawn[quantity], metric, (low, high))
    side = "lower left" if metric.lower_is_better else "upper left"
    text = (
        f"{provenance(plan)} Means over seeds; {side} is better. Seconds depend on the machine and on "
        "what else it ran. "
    )
    if len(names) > 1:
        text += "A line joins one method's points. "
    text += "An arrow with a number lies beyond the axis."
    return [Drawing("cost", f"{metric.name} against parameters and seconds", text, figure)]


class Point(NamedTuple):
    """A row of the plan, what it costs, and how good it is."""

    row: PlanRow
    cost: float
    mean: float


def _point(row: Row, metric: Metric, quantity: str) -> Point:
    return Point(row.row, row.cost(quantity), row.mean(metric.name))


def _without_interval(row: Row, metric: Metric) -> Mark:
    mean = row.mean(metric.name)
    return Mark(np.array([mean]), mean, np.nan, np.nan)


def _by_method(points: Sequence[Point]) -> dict[str, list[Point]]:
    methods: dict[str, list[Point]] = {}
    for point in points:
        methods.setdefault(point.row.method, []).append(point)
    return methods


def _points(
    ax: Axes,
    drawn: Sequence[Point],
    rows: Sequence[Row],
    names: list[str],
    quantity: str,
    limits: tuple[float, float],
) -> None:
    planned = [row.row for row in rows]
    for lane in _by_method(drawn).values():
        x, y = _places(lane, limits)
        ax.plot(x, y, color="0.8", linewidth=0.7, zorder=1)
        for point, at_x, at_y in zip(lane, x, y, strict=True):
            colour, marker = look(names.index(condition(point.row, planned)))
            if point.row.reference:
                ax.plot([at_x], [at_y], marker="D", ms=4, mfc="white", mec=GREY, mew=0.8, zorder=3)
            else:
                ax.plot([at_x], [at_y], marker=marker, ms=4.5, color=colour, mec="white", mew=0.5, zorder=3)
    ax.set_xscale("log")
    costs = [point.cost for point in drawn]
    if costs:
        # room at the sides for names, and for at least one tick
        ax.set_xlim(min(costs) / 1.8, max(costs) * 1.8)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(costs) < 60 * min(costs) else (1,)))
    ax.xaxis.set_major_formatter(EngFormatter(sep="") if quantity == "params" else "{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid()


def _names(ax: Axes, drawn: Sequence[Point], metric: Metric, limits: tuple[float, float]) -> None:
    """Name every method at its best point, and wherever its value is not where the point is.

    Names keep clear of points and each other; thin lines join them to theirs. The layout must be settled.
    """
    labels, named, others = [], [], []
    sign = 1 if metric.lower_is_better else -1
    for method, lane in _by_method(drawn).items():
        best = int(np.argmin([sign * point.mean for point in lane]))
        for i, spot in enumerate(zip(*_places(lane, limits), strict=True)):
            mean = lane[i].mean
            beyond = f" {mean:.3g} {'↑' if mean > limits[1] else '↓'}" if mean != spot[1] else ""
            if i == best or beyond:
                labels.append(shown(method, 26) + beyond)
                named.append(spot)
            else:
                others.append(spot)
    if named:
        (x, y), (all_x, all_y) = (np.transpose(spots) for spots in (named, [*named, *others]))
        textalloc.allocate(
            ax, x, y, labels, x_scatter=all_x, y_scatter=all_y, textsize=7, linecolor="0.7", linewidth=0.5,
            margin=0.015, min_distance=0.015, max_distance=0.3, nbr_candidates=600,
            avoid_crossing_label_lines=True,
        )  # fmt: skip


def _places(lane: Sequence[Point], limits: tuple[float, float]) -> tuple[list[float], list[float]]:
    """Where points are drawn: at the edge of the axis where they are beyond it."""
    return [point.cost for point in lane], [float(np.clip(point.mean, *limits)) for point in lane]
