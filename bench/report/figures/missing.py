"""Sources missing at test time: how fast every method falls, with and without training for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.plan import Plan
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, view
from bench.report.figures.results import provenance
from bench.report.figures.style import TWO_COLUMNS, canvas, interval, key, look, mark, shown, unit
from bench.report.missing import CURVE, REMOVAL, Curves, curves_of
from bench.report.seeds import intervals_of
from bench.store import RunStore

STYLES = ("-", "--", ":", "-.")
"""Of the arms: trained on full data, with source dropout."""
COLUMNS = 4
SPREAD = 14.0
"""Percent of the axis over which the marks of one share stand side by side."""


def missing(plan: Plan, store: RunStore) -> Drawing | None:
    """The mean over sources of each arm with intervals, and the curves of every source."""
    found = curves_of(plan, store)
    if not found:
        return None
    methods = list(dict.fromkeys(curves.row.method for curves in found))
    arms = list(dict.fromkeys(curves.row.variant for curves in found))
    sources = found[0].sources
    rows, columns = -(-len(sources) // COLUMNS), min(COLUMNS, len(sources))
    figure = canvas(TWO_COLUMNS, 3.3 + 1.3 * rows)
    above, below = figure.add_gridspec(2, 1, height_ratios=[2.3, 1.3 * rows])
    means = above.subgridspec(1, len(arms)).subplots(sharey=True, squeeze=False)[0]
    for ax, arm in zip(means, arms, strict=True):
        _mean(ax, [curves for curves in found if curves.row.variant == arm], methods, arms)
        ax.set_title(f"mean over sources, trained with {shown(arm, 44)}")
    means[0].set_ylim(*_limits_of_seeds(found))
    panels = below.subgridspec(rows, columns).subplots(sharex=True, sharey=True, squeeze=False)
    for i, ax in enumerate(panels.flat):
        if i >= len(sources):
            ax.remove()
            continue
        _source(ax, found, sources[i], methods, arms)
        ax.tick_params(labelbottom=i + columns >= len(sources))
    panels[0, 0].set_ylim(*_limits_of_means(found, sources))
    figure.supxlabel("test samples without the source [%]", fontsize=7.5)
    figure.supylabel(f"{CURVE} [{unit(CURVE, plan)}]", fontsize=7.5)
    key(figure, _legend(methods, arms, plan.seeds))
    return Drawing("missing", plan.title, f"{provenance(plan)} {_reading(plan)}", figure)


def _mean(ax: Axes, found: Sequence[Curves], methods: Sequence[str], arms: Sequence[str]) -> None:
    """One arm: the methods' means side by side at every share, with bars."""
    for curves in found:
        i = methods.index(curves.row.method)
        colour, marker = look(i)
        values = curves.values(CURVE)
        x = 100 * curves.shares + ((i + 0.5) / len(methods) - 0.5) * SPREAD
        ends = np.array([curves.interval(column, CURVE) for column in values.T])
        ax.vlines(x, ends[:, 0], ends[:, 1], color=colour, alpha=0.35, linewidth=2)
        style = STYLES[arms.index(curves.row.variant) % len(STYLES)]
        ax.plot(
            x, values.mean(0), color=colour, linestyle=style, marker=marker, ms=4.5, mec="white", mew=0.5,
        )  # fmt: skip
    _percent(ax)


def _source(
    ax: Axes, found: Sequence[Curves], source: str, methods: Sequence[str], arms: Sequence[str]
) -> None:
    """One source: the means of all methods and arms, without bars, which would cover each other."""
    for curves in found:
        colour, marker = look(methods.index(curves.row.method))
        style = STYLES[arms.index(curves.row.variant) % len(STYLES)]
        ax.plot(
            100 * curves.shares, curves.values(CURVE, source).mean(0),
            color=colour, linestyle=style, linewidth=0.8, marker=marker, ms=2.5, mew=0,
        )  # fmt: skip
    ax.set_title(shown(source, 26))
    _percent(ax)


def _percent(ax: Axes) -> None:
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.set_xlim(-SPREAD, 100 + SPREAD)
    ax.locator_params(axis="y", nbins=5)
    ax.grid(axis="y")


def _limits_of_seeds(found: Sequence[Curves]) -> tuple[float, float]:
    """Limits of R2_score for all seeds of the mean over sources, and the intervals as far as they fit."""
    columns = [(curves, column) for curves in found for column in curves.values(CURVE).T]
    return view([Mark(c, float(c.mean()), *curves.interval(c, CURVE)) for curves, c in columns], CURVE)


def _limits_of_means(found: Sequence[Curves], sources: Sequence[str]) -> tuple[float, float]:
    """Limits of R2_score for the means by source; a method that is far off is not followed below -1."""
    means = np.array([curves.values(CURVE, source).mean(0) for curves in found for source in sources])
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
    """How sources were taken away and how to read lines and bars."""
    text = f"{REMOVAL} Higher is better; what reaches the edge of a panel goes on beyond it."
    if plan.seeds == 1:
        return f"{text} One seed has no spread: differences may be chance."
    return (
        f"{text} Means over seeds. Above, moved apart: the mean over sources with 95 % intervals "
        f"({intervals_of(plan)})."
    )
