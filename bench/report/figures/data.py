"""Table 5 as a figure: how the target is distributed in every part of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from bench.plan import Plan
from bench.report.figures.drawing import Drawing
from bench.report.figures.results import provenance
from bench.report.figures.style import ONE_COLUMN, canvas, look, shown
from bench.store import RunStore


def data(plan: Plan, store: RunStore) -> Drawing | None:
    """A histogram of the target per part, with its statistics above."""
    bins = plan.facts.get("histogram", [])
    parts = list(dict.fromkeys(str(row["part"]) for row in bins))
    if not parts:
        return None
    statistics = {str(row["part"]): row for row in plan.facts.get("statistics", [])}
    figure = canvas(ONE_COLUMN, 0.5 + 1.35 * len(parts))
    panels = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    for i, (ax, part) in enumerate(zip(panels, parts, strict=True)):
        rows = [row for row in bins if str(row["part"]) == part]
        ax.bar(
            [row["left"] for row in rows], [row["count"] for row in rows],
            [row["right"] - row["left"] for row in rows], align="edge", color=look(i)[0], linewidth=0.3,
            edgecolor="white",
        )  # fmt: skip
        ax.set_ylabel("samples")
        ax.set_title(_title(part, statistics.get(part)), loc="left", fontsize=7)
        ax.grid(axis="y")
        _lines(ax, statistics.get(part))
    panels[-1].set_xlabel(shown(plan.target.label, 60))
    lines = " Solid line: mean; dotted: median." if statistics else ""
    return Drawing("data", plan.title, f"{provenance(plan)} Samples per bin of the target.{lines}", figure)


def _title(part: str, statistics: Mapping[str, Any] | None) -> str:
    if statistics is None:
        return shown(part)
    values = ", ".join(f"{name} {statistics[name]:.2f}" for name in ("mean", "sd", "median", "min", "max"))
    return f"{shown(part)}: {statistics['size']:,} samples\n{values}"


def _lines(ax: Axes, statistics: Mapping[str, Any] | None) -> None:
    if statistics is not None:
        ax.axvline(statistics["mean"], color="0.2", linewidth=0.9)
        ax.axvline(statistics["median"], color="0.2", linewidth=0.9, linestyle=":")
