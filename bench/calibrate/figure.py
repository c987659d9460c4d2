"""Estimated shares of entities beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from bench.calibrate.shares import EQUAL
from bench.report.captions import BEYOND
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height, view
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, interval, key, mark

ACROSS = 4
"""Panels beside each other."""


def shares_drawn(table: pd.DataFrame) -> Drawing:
    """A panel for each estimator, a row for each entity, of the table of `bench.calibrate.shares`."""
    found = table[(table["estimator"] != EQUAL) & table["estimate"].notna()]
    truth = table[table["estimator"] == EQUAL].set_index("entity")["true share"].sort_values(ascending=False)
    names = [str(name) for name in truth.index]
    estimators = list(dict.fromkeys(found["estimator"]))
    lanes = {name: _lanes(found[found["estimator"] == name], names) for name in estimators}
    drawn = [mark for rows in lanes.values() for marks in rows.values() for mark in marks]
    limits = view(drawn, None, [0.0, float(truth.max())])
    deep = -(-len(estimators) // ACROSS)
    figure = canvas(TWO_COLUMNS, 0.6 + deep * (0.7 + max(0.9, height(len(names), 1))))
    panels = figure.subplots(deep, ACROSS, sharey=True, squeeze=False).ravel()
    for ax in panels[len(estimators) :]:
        ax.remove()
    beyond = []
    for ax, (name, rows) in zip(panels, lanes.items(), strict=False):
        beyond.append(forest(ax, rows, 1, limits, include=limits))
        ax.plot(truth, range(len(names)), "s", ms=6.5, mfc="none", mec=GREY, mew=1.2, zorder=6)
        rank = found.loc[found["estimator"] == name, "rank correlation"].iloc[0]
        ax.set_title(f"{fill(name, 20)}\n(ρ = {rank:.2f})".replace("-", "−"))
    figure.supxlabel("share of what can be explained", fontsize=7.5)
    square = Line2D([], [], color=GREY, marker="s", mfc="none", linestyle="", ms=5, label="true share")
    key(figure, [mark(0, "estimate"), interval(), square])
    errors = found.groupby("estimator", sort=False)["mean absolute error"].first()
    even = table.loc[table["estimator"] == EQUAL, "mean absolute error"].iloc[0]
    said = "; ".join(f"{name} {error:.3f}" for name, error in errors.items())
    finding = f"Mean absolute error of the shares: {said}; of equal shares for all {even:.3f}."
    text = (
        "What each entity is worth to MEMF by several estimators, and the share that was planted. "
        "Bars: 95 % intervals over seeds (Nadeau-Bengio, corrected for overlapping splits); ρ: Spearman's "
        f"rank correlation with the true shares. {f'{BEYOND} ' * any(beyond)}{finding}"
    )
    return Drawing("calibration-shares", "Shares of entities, found and planted", text, figure, finding)


def _lanes(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, list[Mark]]:
    """Entity -> its mark, in the order of names, of the rows of one estimator."""
    found = rows.set_index("entity").loc[list(names)]
    return {
        str(entity): [
            Mark(np.array([row["estimate"]]), row["estimate"], row["low"], row["high"], name=str(entity))
        ]
        for entity, row in found.iterrows()
    }
