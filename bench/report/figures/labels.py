"""Names beside points, placed so that they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

REACH = (5.0, 9.0, 14.0, 20.0, 27.0, 35.0, 45.0, 60.0)
"""Distances of a name from its point that are tried, in points."""
DIRECTIONS = 16
MARK = 3.5
"""Half the size of a point that must stay free, in points."""


def place(
    ax: Axes,
    names: Sequence[str],
    points: Sequence[tuple[float, float]],
    others: Sequence[tuple[float, float]],
) -> None:
    """Write every name near its point, clear of all other points; a far one gets a thin line to its point.

    The figure must be complete but for these names, and its layout settled.
    """
    figure = ax.get_figure(root=True)
    if figure is None or not names:
        return
    scale = figure.dpi / 72
    spots = ax.transData.transform(np.array(points))
    inner = ax.get_window_extent().padded(-1)
    marks = [
        Bbox.from_extents(*(s - MARK * scale), *(s + MARK * scale))
        for s in ax.transData.transform(np.array([*points, *others]))
    ]
    taken: list[Bbox] = []
    # crowded points first: they have the least choice
    crowd = [float(np.sort(np.hypot(*(spots - s).T))[: min(4, len(spots))].sum()) for s in spots]
    for i in np.argsort(crowd, kind="stable"):
        label = ax.annotate(names[i], points[i], (0, 0), textcoords="offset points", fontsize=7)
        label.set_in_layout(False)
        size = label.get_window_extent()
        offset, box = _best(spots[i], size.width, size.height, scale, taken, marks, inner)
        _settle(label, offset, spots[i], box, scale)
        taken.append(box)


def _best(
    spot: np.ndarray,
    width: float,
    height: float,
    scale: float,
    taken: list[Bbox],
    marks: list[Bbox],
    inner: Bbox,
) -> tuple[np.ndarray, Bbox]:
    """The nearest place that is free, or the one that covers least: lower left corner (points), box."""
    best, least = None, np.inf
    for reach in REACH:
        for k in range(DIRECTIONS):
            angle = 2 * np.pi * k / DIRECTIONS
            towards = np.array([np.cos(angle), np.sin(angle)])
            centre = spot + towards * (reach * scale + np.abs(towards) * (width, height) / 2)
            corner = centre - (width / 2, height / 2)
            box = Bbox.from_bounds(*corner, width, height)
            outside = width * height - _shared(box, inner)
            covered = sum(_shared(box.padded(scale), other) for other in [*taken, *marks])
            if 4 * outside + covered < least:
                best, least = ((corner - spot) / scale, box), 4 * outside + covered
            if least < 1e-6 and best is not None:
                return best
    assert best is not None
    return best


def _shared(one: Bbox, other: Bbox) -> float:
    """The area that two boxes have in common."""
    common = Bbox.intersection(one, other)
    return 0.0 if common is None else float(common.width * common.height)


def _settle(label: Annotation, offset: np.ndarray, spot: np.ndarray, box: Bbox, scale: float) -> None:
    label.set_position((float(offset[0]), float(offset[1])))
    nearest = np.clip(spot, box.min, box.max)
    if np.hypot(*(nearest - spot)) > 7 * scale:
        label.axes.annotate(
            "", label.xy, tuple((nearest - spot) / scale), textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": "0.7", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
        ).set_in_layout(False)  # fmt: skip
