"""Curves over the share of test samples without a source: means with bars above, every source below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.metrics import Metric
from bench.plan import Plan
from bench.report.captions import intervals_of, provenance
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, view
from bench.report.figures.style import TWO_COLUMNS, canvas, interval, key, look, mark, shown, unit

STYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
"""Of the arms: trained on full data, with source dropout."""
COLUMNS = 4
SPREAD = 14.0
"""Percent of the axis over which the marks of one share stand side by side."""


@dataclass(frozen=True)
class Curve:
    """One method under one arm.

    Attributes:
        method, arm: names.
        values: (seeds, S) the mean over sources.
        shares: (S,) in percent.
        by_source: source -> (S,) means over seeds.
        interval: of the mean over seeds of one column of `values`.
    """

    method: str
    arm: str
    values: np.ndarray
    shares: np.ndarray
    by_source: Mapping[str, np.ndarray]
    interval: Callable[[np.ndarray], tuple[float, float]]


def draw_curves(plan: Plan, metric: Metric, found: Sequence[Curve], removal: str) -> Drawing:
    """A panel per arm, and below them a panel per source."""
    methods = list(dict.fromkeys(curve.method for curve in found))
    arms = list(dict.fromkeys(curve.arm for curve in found))
    sources = list(found[0].by_source)
    rows, columns = -(-len(sources) // COLUMNS), min(COLUMNS, len(sources))
    figure = canvas(TWO_COLUMNS, 3.3 + 1.3 * rows)
    grid = figure.add_gridspec(2, 1, height_ratios=[2.3, 1.3 * rows])
    means = grid[0].subgridspec(1, len(arms)).subplots(sharey=True, squeeze=False)[0]
    for ax, arm in zip(means, arms, strict=True):
        _mean(ax, [curve for curve in found if curve.arm == arm], methods, arms)
        ax.set_title(f"mean over sources, trained with {shown(arm, 44)}")
    means[0].set_ylim(*_limits_of_seeds(found, metric))
    panels = grid[1].subgridspec(rows, columns).subplots(sharex=True, sharey=True, squeeze=False)
    for i, ax in enumerate(panels.flat):
        if i >= len(sources):
            ax.remove()
            continue
        _source(ax, found, sources[i], methods, arms)
        ax.tick_params(labelbottom=i + columns >= len(sources))
    panels[0, 0].set_ylim(*_limits_of_means(found))
    figure.supxlabel("test samples without the source [%]", fontsize=7.5)
    figure.supylabel(f"{metric.name} [{unit(metric, plan.target)}]", fontsize=7.5)
    key(figure, _legend(methods, arms, plan.seeds))
    return Drawing("missing", plan.title, f"{provenance(plan)} {removal} {_reading(plan)}", figure)


def _mean(ax: Axes, found: Sequence[Curve], methods: Sequence[str], arms: Sequence[str]) -> None:
    """One arm: the methods' means side by side at every share, with bars."""
    for curve in found:
        i = methods.index(curve.method)
        colour, marker = look(i)
        x = curve.shares + ((i + 0.5) / len(methods) - 0.5) * SPREAD
        ends = np.array([curve.interval(column) for column in curve.values.T])
        ax.vlines(x, ends[:, 0], ends[:, 1], color=colour, alpha=0.35, linewidth=2)
        style = STYLES[arms.index(curve.arm) % len(STYLES)]
        ax.plot(
            x, curve.values.mean(0), color=colour, linestyle=style, marker=marker, ms=4.5, mec="white",
            mew=0.5,
        )  # fmt: skip
    _percent(ax)


def _source(
    ax: Axes, found: Sequence[Curve], source: str, methods: Sequence[str], arms: Sequence[str]
) -> None:
    """One source: the means of all methods and arms, without bars, which would cover each other."""
    for curve in found:
        colour, marker = look(methods.index(curve.method))
        style = STYLES[arms.index(curve.arm) % len(STYLES)]
        ax.plot(
            curve.shares, curve.by_source[source], color=colour, linestyle=style, linewidth=0.8,
            marker=marker, ms=2.5, mew=0,
        )  # fmt: skip
    ax.set_title(shown(source, 26))
    _percent(ax)


def _percent(ax: Axes) -> None:
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.set_xlim(-SPREAD, 100 + SPREAD)
    ax.locator_params(axis="y", nbins=5)
    ax.grid(axis="y")


def _limits_of_seeds(found: Sequence[Curve], metric: Metric) -> tuple[float, float]:
    """Limits for all seeds of the mean over sources, and the intervals as far as they fit."""
    columns = [(curve, column) for curve in found for column in curve.values.T]
    return view([Mark(c, float(c.mean()), *curve.interval(c)) for curve, c in columns], metric)


def _limits_of_means(found: Sequence[Curve]) -> tuple[float, float]:
    """Limits for the means by source; a method that is far off is not followed below -1."""
    means = np.array([values for curve in found for values in curve.by_source.values()])
    low, high = max(float(means.min()), -1.0), float(means.max())
    margin = 0.06 * max(high - low, 0.05)
    return low - margin, high + margin


def _legend(methods: Sequence[str], arms: Sequence[str], seeds: int) -> list[Line2D]:
    styles = [
        Line2D([], [], color="0.3", linestyle=STYLES[i % len(STYLES)], label=shown(arm, 44))
        for i, arm in enumerate(arms)
    ]
    names = [mark(i, shown(name, 24)) for i, name in enumerate(methods)]
    return [*names, *styles, *([interval()] if seeds > 1 else [])]


def _reading(plan: Plan) -> str:
    """How to read lines and bars."""
    text = "Higher is better; what reaches the edge of a panel goes on beyond it."
    if plan.seeds == 1:
        return f"{text} One seed has no spread: differences may be chance."
    return (
        f"{text} Means over seeds. Above, moved apart: the mean over sources with 95 % intervals "
        f"({intervals_of(plan)})."
    )
