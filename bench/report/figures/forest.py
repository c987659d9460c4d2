"""Rows of means with intervals: the panel that comparisons are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bench.compare.frame import Row
from bench.labels import condition
from bench.metrics import Metric
from bench.report.figures.style import GREY, look, name_rows, tip

Bounds = tuple[float, float]
ANYWHERE: Bounds = (-np.inf, np.inf)
OUTLYING = 6.0
"""A mean this many median absolute deviations off, and off by more than the median itself, is named at the
edge instead of drawn to scale: the mean predictor, or a run that diverged."""


@dataclass(frozen=True)
class Mark:
    """A mean with what is drawn around it.

    Attributes:
        values: one per seed.
        mean, low, high: of the values; nan for no interval.
        group: which of the groups of its row; sets height, colour and marker.
        reference: drawn in grey.
        name: said with its numbers where the pointer rests on it.
        note: written at the right edge.
    """

    values: np.ndarray
    mean: float
    low: float
    high: float
    group: int = 0
    reference: bool = False
    name: str = ""
    note: str = ""

    @classmethod
    def of(cls, row: Row, metric: Metric, group: int = 0, name: str = "") -> Mark:
        """The mark of a metric."""
        low, high = row.interval(metric)
        mean, name = row.mean(metric.name), name or row.row.method
        return cls(row.values(metric.name), mean, low, high, group, row.row.reference, name)

    def __str__(self) -> str:
        interval = f", 95 % interval [{self.low:.3g}, {self.high:.3g}]" if np.isfinite(self.low) else ""
        return f"{self.name}: {self.mean:.4g}{interval}"


def lanes_of(
    rows: Sequence[Row], methods: Sequence[str], names: Sequence[str], metric: Metric
) -> dict[str, list[Mark]]:
    """Method, in the order given -> its marks under every one of the named conditions."""
    planned = [row.row for row in rows]
    # a row that sees no features has no condition and stands alone
    index = {name: i for i, name in enumerate(names)}
    lanes: dict[str, list[Mark]] = {method: [] for method in methods}
    for row in rows:
        where = condition(row.row, planned)
        name = ", ".join(filter(None, [row.row.method, where]))
        lanes[row.row.method].append(Mark.of(row, metric, index.get(where, 0), name))
    return lanes


def conditions(rows: Sequence[Row]) -> list[str]:
    """The distinct conditions of rows that see any features, in order."""
    planned = [row.row for row in rows]
    return list(dict.fromkeys(condition(row, planned) for row in planned if row.encoders))


def ordered(rows: Sequence[Row], metric: Metric) -> tuple[list[str], str]:
    """Methods, the best mean first, and a sentence that says so.

    Only rows that were scored on as many samples as any are averaged: others had other samples. Methods
    without such a row come last.
    """
    most = max(row.tested for row in rows)
    sign = 1 if metric.lower_is_better else -1
    means: dict[str, list[float]] = {}
    for row in rows:
        means.setdefault(row.row.method, []).extend([sign * row.mean(metric.name)] * (row.tested == most))
    names = sorted(means, key=lambda name: float(np.mean(means[name])) if means[name] else np.inf)
    same = [row for row in rows if row.tested == most]
    arms = dict.fromkeys(row.row.variant for row in same if row.row.variant)
    over = f" of {', '.join(arms)}" if len(same) < len(rows) and arms else ""
    way = "lowest" if metric.lower_is_better else "highest"
    return names, f"Methods by mean {metric.name}{over}, the {way} at the top."


def height(lanes: int, groups: int) -> float:
    """Inches that the rows of a panel need."""
    return lanes * (0.1 + 0.11 * groups)


def forest(
    ax: Axes,
    lanes: dict[str, list[Mark]],
    groups: int,
    bounds: Bounds | None = None,
    *,
    include: Sequence[float] = (),
    connect: bool = False,
    whole: bool = False,
) -> bool:
    """Draw one row per name, the first at the top, its marks under each other.

    Args:
        ax: an empty panel.
        lanes: name -> its marks.
        groups: how many groups there are.
        bounds: ends of the axis, which may leave outlying means beyond it; None for all to scale.
        include: values that the axis reaches in any case.
        connect: join the means of a row by a thin line.
        whole: let the axis reach all ends of intervals.

    Returns:
        Whether anything is beyond the axis, where it is drawn at the edge.
    """
    name_rows(ax, list(lanes))
    drawn = [mark for marks in lanes.values() for mark in marks]
    low, high = view(drawn, bounds, include, whole=whole)
    ax.set_xlim(low, high)
    ax.grid(axis="x")
    # a panel that shares its rows with its neighbour shows no names
    for label, marks in zip(ax.get_yticklabels(), lanes.values(), strict=False):
        label.set_color(GREY if any(mark.reference for mark in marks) else "black")
    step = 0.8 / groups
    for i, marks in enumerate(lanes.values()):
        heights = [i if len(marks) == 1 else i + (m.group - (groups - 1) / 2) * step for m in marks]
        inside = [(m.mean, y) for m, y in zip(marks, heights, strict=True) if low <= m.mean <= high]
        if connect and len(inside) > 1:
            ax.plot(*zip(*inside, strict=True), color="0.75", linewidth=0.7, zorder=1)
        for mark, y in zip(marks, heights, strict=True):
            _draw(ax, mark, y, low, high)
            if mark.note:
                edge = ax.get_yaxis_transform()
                ax.text(1.025, y, mark.note, transform=edge, va="center", fontsize=7, color="0.25")
    ends = [value for mark in drawn for value in (mark.mean, mark.low, mark.high) if np.isfinite(value)]
    return any(not low <= value <= high for value in ends)


def view(
    marks: Sequence[Mark], bounds: Bounds | None, include: Sequence[float] = (), *, whole: bool = False
) -> Bounds:
    """Limits that show all means but outlying ones, all their seeds, and intervals as far as they fit.

    With `whole` intervals fit in any case. Without `bounds` no mean is outlying.
    """
    means = np.array([mark.mean for mark in marks])
    middle = np.median(means)
    reach = max(OUTLYING * float(np.median(np.abs(means - middle))), abs(float(middle)))
    kept = [mark for mark in marks if bounds is None or abs(mark.mean - middle) <= reach]
    # what is beside the point must not press the point together
    spans = [mark for mark in kept if np.isfinite(mark.low) and not mark.reference]
    ends = [end for mark in spans for end in (mark.low, mark.high)]
    values = np.concatenate([*[[*mark.values, mark.mean] for mark in kept], include, ends if whole else []])
    low, high = float(values.min()), float(values.max())
    # on each side, a wide interval may take half the room again that all seeds need, no more
    room = 0.5 * (high - low) or 0.1 * abs(high) or 1.0
    start = max(min([low, *ends]), low - room) - 0.05 * room
    end = min(max([high, *ends]), high + room) + 0.05 * room
    least, most = bounds or ANYWHERE
    return max(start, least), min(end, most)


def _look(mark: Mark) -> tuple[Any, str]:
    return (GREY, "D") if mark.reference else look(mark.group)


def _draw(ax: Axes, mark: Mark, y: float, low: float, high: float) -> None:
    colour, marker = _look(mark)
    if not low <= mark.mean <= high:
        right = mark.mean > high
        text = f"{mark.mean:.3g} →" if right else f"← {mark.mean:.3g}"
        ax.annotate(
            text, (high if right else low, y), (-2 if right else 2, 0), textcoords="offset points",
            ha="right" if right else "left", va="center", fontsize=7, color=colour,
        )  # fmt: skip
        return
    if np.isfinite(mark.low):
        ends = [max(mark.low, low), min(mark.high, high)]
        ax.plot(ends, [y, y], color=colour, alpha=0.35, linewidth=2.5, solid_capstyle="butt", zorder=2)
        for end, edge, sign in ((mark.low, low, "<"), (mark.high, high, ">")):
            if not low <= end <= high:
                ax.plot([edge], [y], color=colour, marker=sign, ms=3.5, mew=0, clip_on=False, zorder=3)
    if len(mark.values) > 1:
        ax.plot(mark.values, np.full(len(mark.values), y), ".", color=colour, ms=4.5, mew=0, zorder=4)
    face = "white" if mark.reference else colour
    rim = colour if mark.reference else "white"
    (point,) = ax.plot([mark.mean], [y], marker=marker, markersize=5, mfc=face, mec=rim, mew=0.7, zorder=5)
    tip(point, str(mark))
