"""A panel of one metric: a row per name, and the best that can be reached where that is known."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.metrics import Metric
from bench.plan import Plan
from bench.report.figures.forest import Mark, forest
from bench.report.figures.style import better, metric_label

CEILING: dict[str, Any] = {"color": "tab:green", "linewidth": 1.0, "linestyle": (0, (5, 2))}
"""How the best that can be reached is drawn."""


def metric_panel(ax: Axes, lanes: dict[str, list[Mark]], groups: int, metric: Metric, plan: Plan) -> bool:
    """Draw marks of a metric, `bench.report.figures.forest`; whether anything is beyond the axis."""
    known = plan.ceiling.get(metric.name)
    cut = forest(ax, lanes, groups, metric.bounds, include=[] if known is None else [known])
    if known is not None:
        ax.axvline(known, **CEILING)
    ax.set_xlabel(metric_label(metric, plan.target, 44))
    ax.set_title(better(metric))
    return cut


def ceiling_entry(plan: Plan, metric: Metric) -> list[Line2D]:
    """The legend's entry of that line; none where it is not known."""
    known = plan.ceiling.get(metric.name)
    return [] if known is None else [Line2D([], [], label=f"best reachable: {known:.3g}", **CEILING)]


def ceiling_said(plan: Plan, *metrics: Metric) -> str:
    """What a caption says of it, for the metrics that are drawn."""
    known = [f"{m.name} {plan.ceiling[m.name]:.3g}" for m in metrics if m.name in plan.ceiling]
    if not known:
        return ""
    return (
        f" Dashed green: the best that any method can reach on average ({', '.join(known)}); what is left is "
        "noise, which the generator added."
    )
