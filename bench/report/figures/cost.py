"""What a method's accuracy costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import textalloc
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from bench.compare.frame import Results, Row
from bench.labels import condition
from bench.metrics import Metric
from bench.report.captions import BEYOND, listed, provenance
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing, settle
from bench.report.figures.forest import Mark, conditions, view
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, key, look, metric_label, shown, tip

PANELS = {"params": "trainable parameters", "flops": "FLOPs of one prediction", "seconds": "seconds per run"}
LINE: dict[str, Any] = {"colors": "0.75", "linewidth": 0.8, "zorder": 1}
"""Of a row's spread."""


class Point(NamedTuple):
    """A row of the plan: its name and method, how it looks, what it costs, how good it is.

    `spread` is the standard deviation over seeds, of the cost and of the metric.
    """

    name: str
    method: str
    group: int
    reference: bool
    cost: float
    mean: float
    spread: tuple[float, float]


def cost(results: Results) -> list[Drawing]:
    """The primary metric against parameters, operations and seconds, and which rows no cheaper one beats."""
    plan, metric = results.plan, results.primary
    # what sees no features (the mean) costs nothing and would stretch the axis
    rows = [row for row in results.finite if row.row.encoders]
    if all(row.row.reference for row in rows):
        return []
    names = conditions(rows) or [""]
    figure = canvas(TWO_COLUMNS, 3.3)
    panels = figure.subplots(1, len(PANELS), sharey=True)
    drawn = {q: _points(results, rows, names, q) for q in PANELS}
    low, high = view([_mark(point) for point in drawn["seconds"]], metric.bounds, whole=True)
    panels[0].set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    panels[0].set_ylabel(metric_label(metric, plan.target))
    for ax, (quantity, label) in zip(panels, PANELS.items(), strict=True):
        _draw(ax, drawn[quantity], metric, quantity, (low, high))
        ax.set_xlabel(label)
    references = any(row.row.reference for row in rows)
    best = Line2D([], [], color="0.3", linewidth=1, label="best at its cost")
    spread = [Line2D([], [], color="0.75", linewidth=0.8, label="± standard deviation")] * (plan.seeds > 1)
    key(figure, [*legend(names, references=references, seeds=1), best, *spread])
    settle(figure)
    for ax, quantity in zip(panels, PANELS, strict=True):
        _names(ax, drawn[quantity], metric, (low, high))
    on_line = {q: listed([p.name for p in _pareto(points, metric)]) for q, points in drawn.items() if points}
    finding = "; ".join(f"by {PANELS[q]}: {names}" for q, names in on_line.items())
    side = "lower left" if metric.lower_is_better else "upper left"
    text = (
        f"Means over seeds against cost on logarithmic axes; {side} is better. On the line, and named, is "
        f"what no cheaper row beats: {finding}. Seconds, of training and test, depend on the machine and "
        "on what else it ran; parameters and FLOPs are without encoders."
    )
    text += (
        f" {BEYOND}"
        if any(
            not low <= end <= high
            for p in drawn["seconds"]
            for end in (p.mean - p.spread[1], p.mean + p.spread[1])
        )
        else ""
    )
    title = f"{metric.name} against parameters, FLOPs and seconds"
    return [Drawing("cost", title, f"{text} {provenance(plan)}", figure, f"No cheaper row beats {finding}.")]


def _points(results: Results, rows: Sequence[Row], names: Sequence[str], quantity: str) -> list[Point]:
    """The rows that have such a cost."""
    planned, metric, name = [row.row for row in rows], results.primary.name, results.plan.labels()
    points = []
    for row in rows:
        costs = np.array([run.measured[quantity] or 0 for run in row.runs.values()], dtype=float)
        spread = (
            (float(costs.std(ddof=1)), float(row.values(metric).std(ddof=1))) if len(costs) > 1 else (0, 0)
        )
        group = names.index(condition(row.row, planned))
        point = Point(
            name(row.row), row.row.method, group, row.row.reference, costs.mean(), row.mean(metric), spread
        )
        points += [point] if point.cost > 0 else []
    return points


def _pareto(points: Sequence[Point], metric: Metric) -> list[Point]:
    """Those that are better than all that cost no more, the cheapest first."""
    sign = 1 if metric.lower_is_better else -1
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, sign * p.mean)):
        if not kept or sign * point.mean < sign * kept[-1].mean:
            kept.append(point)
    return kept


def _mark(point: Point) -> Mark:
    low, high = point.mean - point.spread[1], point.mean + point.spread[1]
    return Mark(np.array([]), point.mean, low, high, reference=point.reference)


def _draw(
    ax: Axes, points: Sequence[Point], metric: Metric, quantity: str, limits: tuple[float, float]
) -> None:
    costs, means = np.array([p.cost for p in points]), np.clip([p.mean for p in points], *limits)
    wide, tall = (np.array([p.spread[i] for p in points]) for i in (0, 1))
    ax.vlines(costs, np.clip(means - tall, *limits), np.clip(means + tall, *limits), **LINE)
    ax.hlines(means, np.maximum(costs - wide, costs / 3), costs + wide, **LINE)
    for point, y in zip(points, means, strict=True):
        colour, marker = (GREY, "D") if point.reference else look(point.group)
        face, rim = ("white", GREY) if point.reference else (colour, "white")
        (mark,) = ax.plot([point.cost], [y], marker=marker, ms=4.5, mfc=face, mec=rim, mew=0.6, zorder=3)
        value = f"{metric.name} {point.mean:.3g} ± {point.spread[1]:.2g}"
        tip(mark, f"{point.name}: {value}, {PANELS[quantity]} {point.cost:,.6g}")
    best = _pareto(points, metric)
    ends = np.clip([p.mean for p in best], *limits)
    ax.step([p.cost for p in best], ends, where="post", color="0.3", linewidth=1, zorder=2)
    ax.set_xscale("log")
    if len(costs):
        # room at the sides for names, and for at least one tick
        ax.set_xlim(min(costs) / 2, max(costs) * 2)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(costs) < 30 * min(costs) else (1,)))
    ax.xaxis.set_major_formatter("{x:g}" if quantity == "seconds" else EngFormatter(sep=""))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid()


def _names(ax: Axes, points: Sequence[Point], metric: Metric, limits: tuple[float, float]) -> None:
    """Name what is on the line, and whatever is beyond the axis, with its value.

    Names keep clear of points and each other; thin lines join them to theirs. The layout must be settled.
    """
    best, labels, named = _pareto(points, metric), [], []
    for point in points:
        beyond = not limits[0] <= point.mean <= limits[1]
        if point in best or beyond:
            value = f" {point.mean:.3g} {'↑' if point.mean > limits[1] else '↓'}" if beyond else ""
            labels.append(shown(point.method, 26) + value)
            named.append((point.cost, float(np.clip(point.mean, *limits))))
    if named:
        (x, y), (all_x, all_y) = (
            np.transpose(spots)
            for spots in (named, [(p.cost, float(np.clip(p.mean, *limits))) for p in points])
        )
        textalloc.allocate(
            ax, x, y, labels, x_scatter=all_x, y_scatter=all_y, textsize=7, linecolor="0.7", linewidth=0.5,
            margin=0.015, min_distance=0.015, max_distance=0.4, nbr_candidates=200,
            avoid_crossing_label_lines=True,
        )  # fmt: skip
