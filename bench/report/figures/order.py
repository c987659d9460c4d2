"""Fig. 5: does it matter in which order modalities and entities are fused?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bench.metrics import leading
from bench.plan import Plan
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.results import Result, condition, provenance, reading, results_of
from bench.report.figures.style import TWO_COLUMNS, arrow, canvas, key, look, shown, unit
from bench.store import RunStore


def order(plan: Plan, store: RunStore) -> Drawing | None:
    """One panel per metric: every order's mean, and lines that join the runs of one seed."""
    results = [result for result in results_of(plan, store) if not result.row.reference]
    orders = list(dict.fromkeys(result.row.variant for result in results))
    groups = _groups(results)
    if len(orders) < 2:
        return None
    figure = canvas(TWO_COLUMNS, 2.4 if len(groups) == 1 else 2.7)
    for ax, metric in zip(
        figure.subplots(1, len(leading(plan.target.task))), leading(plan.target.task), strict=True
    ):
        for i, group in enumerate(groups.values()):
            _group(ax, group, orders, metric, i, len(groups))
        ax.set_title(f"{metric}\n{arrow(metric)}")
        ax.set_ylabel(unit(metric, plan))
        _name_orders(ax, orders)
        ax.locator_params(axis="y", nbins=5)
        ax.grid(axis="y")
    key(figure, legend(list(groups), references=False, seeds=plan.seeds))
    joined = " Thin lines join the two runs of one seed." if plan.seeds > 1 else ""
    return Drawing("order", plan.title, f"{provenance(plan)} {reading(plan)}{joined}", figure)


def _name_orders(ax: Axes, orders: Sequence[str]) -> None:
    names = [shown(name).replace("-", "-\n", 1) for name in orders]
    fits = len(names) == 2 and max(len(line) for name in names for line in name.split("\n")) < 10
    ax.set_xticks(range(len(orders)), names, rotation=0 if fits else 90)
    ax.set_xlim(-0.35, len(orders) - 0.65)


def _groups(results: Sequence[Result]) -> dict[str, dict[str, Result]]:
    """Method and condition -> order -> result."""
    rows = [result.row for result in results]
    groups: dict[str, dict[str, Result]] = {}
    for result in results:
        name = ", ".join(part for part in (result.row.method, condition(result.row, rows)) if part)
        groups.setdefault(name, {})[result.row.variant] = result
    return groups


def _group(
    ax: Axes, group: dict[str, Result], orders: Sequence[str], metric: str, index: int, groups: int
) -> None:
    shift = (index - (groups - 1) / 2) * 0.6 / groups
    at = {name: i + shift for i, name in enumerate(orders) if name in group}
    for seed in sorted(set().union(*(result.runs for result in group.values()))):
        line = [(x, group[name].runs[seed][metric]) for name, x in at.items() if seed in group[name].runs]
        ax.plot(*zip(*line, strict=True), color="0.4", marker=".", ms=4.5, mew=0, linewidth=0.6, zorder=3)
    colour, marker = look(index)
    for name, x in at.items():
        low, high = group[name].interval(metric)
        if np.isfinite(low):
            ax.plot([x, x], [low, high], color=colour, alpha=0.35, linewidth=2.5, zorder=2)
        ax.plot(
            [x], [group[name].mean(metric)], marker=marker, ms=5, color=colour, mec="white", mew=0.7, zorder=4
        )
