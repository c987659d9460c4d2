"""What missing sources cost: curves over the share of test samples without one, and a map of every source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.lines import Line2D

from bench.metrics import Metric
from bench.plan import Plan
from bench.report.captions import intervals_of, provenance
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, view
from bench.report.figures.style import (
    CHANGE_MAP,
    TWO_COLUMNS,
    canvas,
    interval,
    key,
    look,
    mark,
    shown,
    unit,
    write_cells,
)
from bench.report.sheet import digits

STYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
"""Of the arms: trained on full data, with source dropout."""
ROW = 0.19
"""Inches of a map's row."""
WRITTEN = 84
"""Characters for which there is room across a map."""
SPREAD = 14.0
"""Percent of the axis over which the marks of one share stand side by side."""


@dataclass(frozen=True)
class Curve:
    """One method under one arm.

    Attributes:
        method, arm: names.
        values: (seeds, S) the mean over sources.
        shares: (S,) in percent.
        rises: source -> rise of the primary metric where all test samples lack it, the mean over seeds.
        interval: of the mean over seeds of one column of `values`.
    """

    method: str
    arm: str
    values: np.ndarray
    shares: np.ndarray
    rises: Mapping[str, float]
    interval: Callable[[np.ndarray], tuple[float, float]]


def draw_curves(plan: Plan, metrics: tuple[Metric, Metric], found: Sequence[Curve], removal: str) -> Drawing:
    """A panel of curves per arm, and below them a map per arm: method by source.

    Args:
        plan: of the experiment.
        metrics: the primary one, of the maps, and its companion, of the curves.
        found: a curve for every method and arm.
        removal: how sources were removed.
    """
    primary, metric = metrics
    methods = list(dict.fromkeys(curve.method for curve in found))
    arms = list(dict.fromkeys(curve.arm for curve in found))
    below = [0.35 + ROW * sum(curve.arm == arm for curve in found) for arm in arms]
    longest = max(len(shown(source, 26)) for source in found[0].rises)
    figure = canvas(TWO_COLUMNS, 3.4 + sum(below) + 0.065 * longest)
    heights = [3.0, sum(below) + 0.065 * longest]
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    means = upper.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    for ax, arm in zip(means, arms, strict=True):
        _mean(ax, [curve for curve in found if curve.arm == arm], methods, arms)
        ax.set_title(f"trained with {shown(arm, 44)}")
    means[0].set_ylim(*_limits(found, metric))
    means[0].set_ylabel(f"{metric.name} [{unit(metric, plan.target)}]")
    upper.supxlabel("test samples without one source [%]", fontsize=7.5)
    panels = lower.subplots(len(arms), 1, sharex=True, squeeze=False, height_ratios=below)[:, 0]
    rises = np.array([list(curve.rises.values()) for curve in found])
    # one method that cannot do without a source must not take the colours of all others
    reach = float(np.quantile(np.abs(rises), 0.95)) or 1.0
    for ax, arm in zip(panels, arms, strict=True):
        drawn = _map(ax, [curve for curve in found if curve.arm == arm], reach, primary)
        ax.set_title(f"trained with {shown(arm, 44)}")
        ax.tick_params(labelbottom=ax is panels[-1])
    beyond = bool((np.abs(rises) > 1.01 * reach).any())
    bar = lower.colorbar(drawn, ax=list(panels), extend="both" if beyond else "neither", shrink=0.8)
    bar.set_label(f"rise of {primary.name} without the source")
    bar.outline.set_visible(False)
    key(figure, _legend(methods, arms, plan.seeds))
    worst = max(found, key=lambda curve: max(curve.rises.values()))
    source = max(worst.rises, key=worst.rises.__getitem__)
    finding = (
        f"Most is lost by {worst.method}, trained with {worst.arm}, without {source}: {primary.name} rises "
        f"by {worst.rises[source]:.3g}."
    )
    text = f"{_reading(plan, primary, metric)} {removal} {provenance(plan)}"
    return Drawing("missing", plan.title, text, figure, finding)


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


def _map(ax: Axes, found: Sequence[Curve], reach: float, metric: Metric) -> QuadMesh:
    """One arm: a row per method, a column per source, the rise in every cell."""
    rises = np.array([list(curve.rises.values()) for curve in found])
    drawn = ax.pcolormesh(rises, vmin=-reach, vmax=reach, cmap=CHANGE_MAP)
    ax.set_ylim(len(found), 0)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_yticks(np.arange(len(found)) + 0.5, [shown(curve.method, 26) for curve in found])
    sources = list(found[0].rises)
    ax.set_xticks(np.arange(len(sources)) + 0.5, [shown(source, 26) for source in sources], rotation=90)
    texts = [digits(rise, like=reach, sign="+") for rise in rises.flat]
    if max(map(len, texts)) * len(sources) <= WRITTEN:
        write_cells(ax, np.reshape(texts, rises.shape), np.abs(rises) > 0.7 * reach)
    return drawn


def _percent(ax: Axes) -> None:
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.set_xlim(-SPREAD, 100 + SPREAD)
    ax.locator_params(axis="y", nbins=5)
    ax.grid(axis="y")


def _limits(found: Sequence[Curve], metric: Metric) -> tuple[float, float]:
    """Limits for all seeds of the mean over sources, and the intervals as far as they fit."""
    columns = [(curve, column) for curve in found for column in curve.values.T]
    return view([Mark(c, float(c.mean()), *curve.interval(c)) for curve, c in columns], metric.bounds)


def _legend(methods: Sequence[str], arms: Sequence[str], seeds: int) -> list[Line2D]:
    styles = [
        Line2D([], [], color="0.3", linestyle=STYLES[i % len(STYLES)], label=shown(arm, 44))
        for i, arm in enumerate(arms)
    ]
    names = [mark(i, shown(name, 24)) for i, name in enumerate(methods)]
    return [*names, *styles, *([interval()] if seeds > 1 else [])]


def _reading(plan: Plan, primary: Metric, metric: Metric) -> str:
    """How to read curves and maps."""
    text = (
        f"Above: {metric.name}, the mean over sources, higher is better; what reaches the edge of a panel "
        f"goes on beyond it. Below: by how much {primary.name} rises where all test samples lack the source; "
        "red: the method needs it. Numbers are exact where colours end."
    )
    if plan.seeds == 1:
        return f"{text} One seed has no spread: differences may be chance."
    return f"{text} Means over seeds; bars above, moved apart: 95 % intervals ({intervals_of(plan)})."
