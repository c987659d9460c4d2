"""Figures of synchronicity and engagement."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, interval, key, mark, shown
from bench.sync.heterogeneity import Name, Slopes

SEPARATE, POOLED = "separate", "partially pooled"


def slopes_figure(found: Slopes, outcome: str, planted: Mapping[Name, float] | None = None) -> Drawing:
    """Every level's slope with its intervals, a panel per factor; planted slopes beside them where known."""
    table = found.beside(planted or {}).sort_values("slope", ascending=False)
    factors = list(dict.fromkeys(found.table["factor"]))
    known = bool(table["planted"].notna().any())
    groups = 3 if known else 2
    lanes = {factor: _lanes(rows) for factor, rows in table.groupby("factor", sort=False)}
    tallest = max(map(len, lanes.values()))
    figure = canvas(TWO_COLUMNS, 1.1 + height(tallest, groups))
    panels = figure.subplots(1, len(factors), sharex=True, squeeze=False)[0]
    ends = table[["low", "high", "pooled_low", "pooled_high", "planted"]].to_numpy()
    reach = [0.0, float(np.nanmin(ends)), float(np.nanmax(ends))]
    for ax, factor in zip(panels, factors, strict=True):
        forest(ax, lanes[factor], groups, include=reach, whole=True)
        ax.tick_params(axis="y", labelcolor="black")  # planted marks make no row a reference
        ax.axvline(0, color="0.3", linewidth=0.8, zorder=1)
        ax.set_title(shown(factor.replace("_", " ")), loc="left")
        ax.set_xlabel(f"slope of log(1 + {shown(outcome)}) on synchronicity")
    handles = [mark(0, SEPARATE), mark(1, POOLED), interval()]
    if known:
        handles.insert(
            2,
            Line2D([], [], color=GREY, marker="D", mfc="white", linestyle="", markersize=4, label="planted"),
        )
    key(figure, handles)
    equally = ", the levels of the other panel counted equally" if len(factors) > 1 else ""
    caption = (
        f"{found.videos} videos; errors: {found.errors}. A slope is the rise of log(1 + {outcome}) from no "
        f"synchronicity to all of it{equally}. Intervals of separate slopes hold for all {len(table)} at "
        "once (95 %), those of partially pooled ones for one at a time."
    )
    away = table[table["p"] < 0.05]
    names = ", ".join(f"{r.level} ({r.slope:+.2g})" for r in away.itertuples())
    finding = f"Slopes that differ from 0: {names}." if len(away) else "No slope is found to differ from 0."
    return Drawing("sync-slopes", "For whom synchronicity pays", caption, figure, finding)


def _lanes(rows: pd.DataFrame) -> dict[str, list[Mark]]:
    """Level -> its marks: separate, pooled, planted."""
    lanes = {}
    for row in rows.itertuples():
        marks = [_mark(row.slope, row.low, row.high, 0, f"{row.level}, {SEPARATE}")]
        if np.isfinite(row.pooled):
            marks.append(_mark(row.pooled, row.pooled_low, row.pooled_high, 1, f"{row.level}, {POOLED}"))
        if np.isfinite(row.planted):
            planted = _mark(row.planted, np.nan, np.nan, 2, f"{row.level}, planted")
            marks.append(planted)
        lanes[str(row.level)] = marks
    return lanes


def _mark(value: float, low: float, high: float, group: int, name: str) -> Mark:
    return Mark(np.array([value]), value, low, high, group, group == 2, name)
