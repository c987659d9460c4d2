"""Fig. 4: predicted against true values."""

from __future__ import annotations

import numpy as np
from scipy.stats import gaussian_kde

from bench.metrics import leading
from bench.plan import Plan
from bench.report.figures.drawing import Drawing
from bench.report.figures.results import first_run, provenance
from bench.report.figures.style import MAP, ONE_COLUMN, canvas, shown
from bench.store import RunStore

MOST = 2000
"""Points that the density is estimated from, and that an SVG holds one by one."""


def scatter(plan: Plan, store: RunStore) -> Drawing | None:
    """Every test sample of one run, coloured by the density of points, with the line of equality."""
    found = first_run(plan, store, "predictions.parquet")
    if found is None:
        return None
    row, seed, run = found
    points = store.predictions(run)
    true, predicted = points["y_true"].to_numpy(float), points["y_pred"].to_numpy(float)
    if not len(points) or not (np.isfinite(true).all() and np.isfinite(predicted).all()):
        return None
    figure = canvas(ONE_COLUMN, 2.9)
    ax = figure.subplots()
    density = _density(true, predicted)
    order = np.argsort(density, kind="stable")
    drawn = ax.scatter(
        true[order],
        predicted[order],
        c=density[order],
        s=9,
        cmap=MAP,
        linewidths=0,
        rasterized=len(true) > MOST,
    )
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    room = 0.05 * (high - low) or 0.5
    ax.plot([low - room, high + room], [low - room, high + room], color="0.3", linewidth=0.8, zorder=0)
    ax.set(xlim=(low - room, high + room), ylim=(low - room, high + room), aspect="equal")
    ax.set_xlabel(f"true {shown(plan.target.label, 50)}")
    ax.set_ylabel(f"predicted {shown(plan.target.label, 44)}")
    metrics = store.metrics(run)
    said = [f"{name} {metrics[name]:.3f}" for name in leading(plan.target.task) if np.isfinite(metrics[name])]
    ax.text(
        0.03, 0.97, "\n".join(said), transform=ax.transAxes,
        va="top", fontsize=7, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )  # fmt: skip
    bar = figure.colorbar(drawn, ax=ax, shrink=0.8)
    bar.set_label("density of samples (highest = 1)")
    bar.outline.set_visible(False)
    text = (
        f"{provenance(plan, row, seed)} Each point is one of {len(points)} test samples; colour: how many "
        "others lie near it (Gaussian kernel). On the line (1:1), the prediction is right; below it, too low."
    )
    return Drawing("scatter", plan.title, text, figure)


def _density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Density of points at every point, the highest being 1."""
    points = np.vstack([x, y])
    fitted = points[:, :: max(1, -(-points.shape[1] // MOST))]
    try:
        density = gaussian_kde(fitted)(points)
    except (np.linalg.LinAlgError, ValueError):  # all points on one line, or hardly any
        return np.ones(len(x))
    return density / density.max()
