"""Estimated shares of entities beside the true ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from bench.calibrate.shares import EQUAL
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, interval, key, mark


def shares_drawn(table: pd.DataFrame) -> Drawing:
    """A panel for each estimator, a row for each entity, of the table of `bench.calibrate.shares`."""
    found = table[(table["estimator"] != EQUAL) & table["estimate"].notna()]
    truth = table[table["estimator"] == EQUAL].set_index("entity")["true share"].sort_values(ascending=False)
    names = [str(name) for name in truth.index]
    estimators = list(dict.fromkeys(found["estimator"]))
    figure = canvas(TWO_COLUMNS, 1.2 + max(0.9, height(len(names), 2)))
    for ax, name in zip(
        figure.subplots(1, max(1, len(estimators)), sharey=True, sharex=True, squeeze=False)[0],
        estimators,
        strict=False,
    ):
        rows = found[found["estimator"] == name].set_index("entity").loc[names]
        lanes = {
            str(entity): [
                Mark(np.array([]), row["estimate"], row["low"], row["high"], name=f"{entity}, {name}")
            ]
            for entity, row in rows.iterrows()
        }
        forest(ax, lanes, 1, include=[0.0, float(truth.max())], whole=True)
        ax.plot(truth, range(len(names)), "s", ms=6.5, mfc="none", mec=GREY, mew=1.2, zorder=6)
        rank = rows["rank correlation"].iloc[0]
        ax.set_title(f"{name}\n(ρ = {rank:.2f})".replace("-", "−"))
    figure.supxlabel("share of what can be explained", fontsize=7.5)
    square = Line2D([], [], color=GREY, marker="s", mfc="none", linestyle="", ms=5, label="true share")
    key(figure, [mark(0, "estimate"), interval(), square])
    errors = found.groupby("estimator", sort=False)["mean absolute error"].first()
    even = table.loc[table["estimator"] == EQUAL, "mean absolute error"].iloc[0]
    said = ", ".join(f"{name} {error:.3f}" for name, error in errors.items())
    finding = f"Mean absolute error of the shares: {said}; of equal shares for all {even:.3f}."
    text = (
        "What each entity is worth to MEMF by several estimators, and the share that was planted. "
        "Bars: 95 % intervals over seeds (Nadeau-Bengio, corrected for overlapping splits); ρ: Spearman's "
        f"rank correlation with the true shares. {finding}"
    )
    return Drawing("calibration-shares", "Shares of entities, found and planted", text, figure, finding)
