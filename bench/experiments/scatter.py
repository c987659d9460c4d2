"""Fig. 4: predicted against true values; of classes, how often each is taken for which."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas
from scipy.stats import gaussian_kde
from sklearn.metrics import confusion_matrix

from bench.compare.frame import Results, Run
from bench.data.problems import some
from bench.experiments.base import Experiment, experiment
from bench.metrics import leading
from bench.report.captions import provenance_of
from bench.report.figures.drawing import Drawing
from bench.report.figures.style import MAP, ONE_COLUMN, canvas, colour_bar, shown, write_cells
from bench.variants import Choice, Variant

MOST = 2000
"""Points that the density is estimated from, and that an SVG holds one by one."""
SIDE_BY_SIDE = 24
"""Letters (of other scripts a third of that) for which there is room under a confusion matrix."""


@experiment("scatter", paper="Fig. 4", title="Predicted against true values")
class Scatter(Experiment):
    """The test part of one run of MEMF."""

    def variants(self, choice: Choice) -> list[Variant]:
        """One run."""
        return [choice.variant("memf", seeds=1)]

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Every test sample of one run."""
        plan, row = results.plan, next(iter(results.finite), None)
        if row is None:
            return []
        figure, said = DRAWN[plan.target.task](row.first)
        return [Drawing("scatter", plan.title, f"{provenance_of(plan, row)} {said}", figure)]


def _points(run: Run) -> tuple[Canvas, str]:
    """Every sample a point, coloured by the density of points, with the line of equality."""
    true, predicted, target = run.answers.true, run.answers.predicted, run.answers.target
    figure = canvas(ONE_COLUMN, 2.9)
    ax = figure.subplots()
    density = _density(true, predicted)
    order = np.argsort(density, kind="stable")
    drawn = ax.scatter(
        true[order], predicted[order], c=density[order], s=9, cmap=MAP, linewidths=0,
        rasterized=len(true) > MOST,
    )  # fmt: skip
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    room = 0.05 * (high - low) or 0.5
    ax.plot([low - room, high + room], [low - room, high + room], color="0.3", linewidth=0.8, zorder=0)
    ax.set(xlim=(low - room, high + room), ylim=(low - room, high + room), aspect="equal")
    ax.set_xlabel(f"true {shown(target.label, 50)}")
    ax.set_ylabel(f"predicted {shown(target.label, 44)}")
    said = [f"{n} {run.values[n]:.3f}" for n in leading(target.task) if np.isfinite(run.values[n])]
    ax.text(
        0.03, 0.97, "\n".join(said), transform=ax.transAxes,
        va="top", fontsize=7, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )  # fmt: skip
    colour_bar(figure, drawn, ax, "density of samples (highest = 1)")
    return figure, (
        f"Each point is one of {len(true)} test samples; colour: how many others lie near it (Gaussian "
        "kernel). On the line (1:1), the prediction is right; below it, too low."
    )


def _confusion(run: Run) -> tuple[Canvas, str]:
    """A row per true class, a column per predicted one, with counts; colour: share of the row."""
    answers, names = run.answers, [shown(name, 16) for name in run.answers.target.classes]
    counts = confusion_matrix(answers.true, answers.label, labels=range(len(names)))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 1.6 + 0.35 * len(names)
    figure = canvas(max(ONE_COLUMN, side + 0.6), max(2.6, side))
    ax = figure.subplots()
    drawn = ax.pcolormesh(shares, vmin=0, vmax=1, cmap=MAP)
    ax.set(aspect="equal", ylim=(len(names), 0))
    at = np.arange(len(names)) + 0.5
    room = max(len(name.encode()) for name in names) * len(names) <= SIDE_BY_SIDE
    ax.set_xticks(at, names, rotation=0 if room else 90)
    ax.set_yticks(at, names)
    ax.set_xlabel(f"predicted {shown(answers.target.label, 40)}")
    ax.set_ylabel(f"true {shown(answers.target.label, 40)}")
    write_cells(ax, counts.astype(str), shares <= 0.6)
    colour_bar(figure, drawn, ax, "share of the true class")
    never = [name for name, count in zip(names, counts.sum(0), strict=True) if not count]
    said = f" Never predicted: {some(never)}." if never else ""
    return figure, (
        f"Numbers count {len(answers.true)} test samples by true class (rows) and most probable class "
        f"(columns); the diagonal is right. Accuracy {run.values['accuracy']:.3f}.{said}"
    )


DRAWN: dict[str, Callable[[Run], tuple[Canvas, str]]] = {
    "regression": _points,
    "binary": _confusion,
    "multiclass": _confusion,
}
"""Kind of target -> what is drawn of one run, and how to read it."""


def _density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Density of points at every point, the highest being 1."""
    points = np.vstack([x, y])
    fitted = points[:, :: max(1, -(-points.shape[1] // MOST))]
    try:
        density = gaussian_kde(fitted)(points)
    except (np.linalg.LinAlgError, ValueError):  # all points on one line, or hardly any
        return np.ones(len(x))
    return np.asarray(density / density.max())
