"""What a method's accuracy costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import textalloc
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from bench.plan import Plan
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing, settle
from bench.report.figures.forest import Mark, view
from bench.report.figures.results import Result, condition, conditions, provenance, results_of
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, key, look, metric_label, shown
from bench.store import RunStore

PANELS = {"params": "trainable parameters", "seconds": "seconds per run, training and test"}


def cost(plan: Plan, store: RunStore) -> Drawing | None:
    """MSE against the number of parameters and against seconds, both on logarithmic axes."""
    # what sees no features (the mean) costs nothing and would stretch the axis
    results = [result for result in results_of(plan, store) if result.row.encoders]
    if all(result.row.reference for result in results):
        return None
    names = conditions(results) or [""]
    figure = canvas(TWO_COLUMNS, 4.0)
    panels = figure.subplots(1, 2, sharey=True)
    low, high = view([_without_interval(result) for result in results], "MSE")
    panels[0].set_ylim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    panels[0].set_ylabel(metric_label("MSE", plan))
    for ax, (quantity, label) in zip(panels, PANELS.items(), strict=True):
        _points(ax, [r for r in results if r.mean(quantity) > 0], results, names, quantity, (low, high))
        ax.set_xlabel(f"{label} (log scale)")
    references = any(result.row.reference for result in results)
    key(figure, legend(names, references=references, seeds=1))
    settle(figure)
    for ax, quantity in zip(panels, PANELS, strict=True):
        _names(ax, [r for r in results if r.mean(quantity) > 0], quantity, (low, high))
    text = (
        f"{provenance(plan)} Means over seeds; lower left is better. Seconds depend on the machine and on "
        "what else it ran. "
    )
    if len(names) > 1:
        text += "A line joins one method's points. "
    text += "An arrow with a number lies beyond the axis."
    return Drawing("cost", "MSE against parameters and seconds", text, figure)


def _without_interval(result: Result) -> Mark:
    return Mark(np.array([result.mean("MSE")]), result.mean("MSE"), np.nan, np.nan)


def _by_method(results: Sequence[Result]) -> dict[str, list[Result]]:
    methods: dict[str, list[Result]] = {}
    for result in results:
        methods.setdefault(result.row.method, []).append(result)
    return methods


def _points(
    ax: Axes,
    drawn: Sequence[Result],
    results: Sequence[Result],
    names: list[str],
    quantity: str,
    limits: tuple[float, float],
) -> None:
    rows = [result.row for result in results]
    for lane in _by_method(drawn).values():
        x, y = _places(lane, quantity, limits)
        ax.plot(x, y, color="0.8", linewidth=0.7, zorder=1)
        for result, at_x, at_y in zip(lane, x, y, strict=True):
            colour, marker = look(names.index(condition(result.row, rows)))
            if result.row.reference:
                ax.plot([at_x], [at_y], marker="D", ms=4, mfc="white", mec=GREY, mew=0.8, zorder=3)
            else:
                ax.plot([at_x], [at_y], marker=marker, ms=4.5, color=colour, mec="white", mew=0.5, zorder=3)
    ax.set_xscale("log")
    costs = [result.mean(quantity) for result in drawn]
    if costs:
        # room at the sides for names, and for at least one tick
        ax.set_xlim(min(costs) / 1.8, max(costs) * 1.8)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(costs) < 60 * min(costs) else (1,)))
    ax.xaxis.set_major_formatter(EngFormatter(sep="") if quantity == "params" else "{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid()


def _names(ax: Axes, drawn: Sequence[Result], quantity: str, limits: tuple[float, float]) -> None:
    """Name every method at its best point, and wherever its value is not where the point is.

    Names keep clear of points and each other; thin lines join them to theirs. The layout must be settled.
    """
    labels, named, others = [], [], []
    for method, lane in _by_method(drawn).items():
        best = int(np.argmin([result.mean("MSE") for result in lane]))
        for i, spot in enumerate(zip(*_places(lane, quantity, limits), strict=True)):
            mean = lane[i].mean("MSE")
            beyond = f" {mean:.3g} {'↑' if mean > limits[1] else '↓'}" if mean != spot[1] else ""
            if i == best or beyond:
                labels.append(shown(method, 26) + beyond)
                named.append(spot)
            else:
                others.append(spot)
    if named:
        (x, y), (all_x, all_y) = zip(*named, strict=True), zip(*named, *others, strict=True)
        textalloc.allocate(
            ax, x, y, labels, x_scatter=all_x, y_scatter=all_y, textsize=7, linecolor="0.7", linewidth=0.5,
            margin=0.015, min_distance=0.015, max_distance=0.3, nbr_candidates=600,
            avoid_crossing_label_lines=True,
        )  # fmt: skip


def _places(
    lane: Sequence[Result], quantity: str, limits: tuple[float, float]
) -> tuple[list[float], list[float]]:
    """Where points are drawn: at the edge of the axis where they are beyond it."""
    return [r.mean(quantity) for r in lane], [float(np.clip(r.mean("MSE"), *limits)) for r in lane]
