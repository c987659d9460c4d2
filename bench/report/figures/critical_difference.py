"""The critical difference diagram: average ranks on a line, bars over what cannot be distinguished."""

from __future__ import annotations

import pandas as pd
from scikit_posthocs import critical_difference_diagram

from bench.compare.across import Across
from bench.compare.simultaneous import LEVEL
from bench.report.comparing import FIGURE
from bench.report.figures.drawing import Drawing
from bench.report.figures.style import TWO_COLUMNS, canvas, shown

BAR = 2.2
"""How far above the axis the critical difference is shown, where methods are 1 apart."""


def critical_difference(found: Across, about: str) -> Drawing:
    """Average ranks with their critical difference; one bar over all where nothing is tested."""
    names = {name: shown(name) for name in found.average.index}
    if len(set(names.values())) < len(names):  # long names with the same ends
        names = {name: shown(name, 200) for name in names}
    ranks: pd.Series = found.average.rename(names)
    figure = canvas(TWO_COLUMNS, 1.0 + 0.16 * len(ranks))
    ax = figure.subplots()
    critical_difference_diagram(
        ranks,
        found.nemenyi.rename(index=names, columns=names),
        alpha=LEVEL,
        ax=ax,
        label_fmt_left="{label} ({rank:.2f})",
        label_fmt_right="({rank:.2f}) {label}",
        label_props={"fontsize": 7},
        crossbar_props={"linewidth": 2.0, "solid_capstyle": "butt"},
        elbow_props={"linewidth": 0.7, "color": "0.3"},
        marker_props={"s": 12},
        text_h_margin=0.05 * max(1.0, float(ranks.max() - ranks.min())),
    )
    ax.spines["top"].set_visible(True)
    if found.tested:
        best, width = float(ranks.min()), found.critical_difference
        ax.plot([best, best + width], [BAR, BAR], color="0.3", linewidth=2.0, solid_capstyle="butt")
        ax.text(best, BAR + 0.3, f"critical difference {width:.2f}", fontsize=7, color="0.3", va="bottom")
    text = (
        f"{about} A mark is a method at its average rank, the best on the left; bars join methods that "
        "cannot be distinguished."
    )
    return Drawing(FIGURE, "Average ranks over datasets", text, figure)
