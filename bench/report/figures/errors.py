"""Where the best fusion errs: residuals or reliability, and the loss of parts of the test samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes

from bench.compare.frame import Results, Row
from bench.compare.tests import interval
from bench.compare.verdict import best_row
from bench.metrics import BINS, Metric
from bench.predictions import Answers
from bench.report.captions import intervals_of, provenance
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, look, metric_label, shown, tip

PARTS = ("lowest", "low", "middle", "high", "highest")
"""Fifths of the samples by true value."""
MOST = 2000
"""Points that an SVG holds one by one."""


def errors(results: Results) -> list[Drawing]:
    """The errors of the fusion with the best mean, over the test parts of all seeds."""
    plan, metric = results.plan, results.primary
    row = best_row(results.full([row for row in results.finite if not row.row.reference]), metric)
    if row is None or metric.losses is None:
        return []
    lanes = _segments(row, metric)
    figure = canvas(TWO_COLUMNS, max(2.6, 1.0 + height(len(lanes), 1)))
    left, right = figure.subplots(1, 2)
    pooled = [run.answers for run in row.runs.values()]
    said = _reliability(left, pooled) if plan.target.classes else _residuals(left, pooled)
    forest(right, lanes, 1, metric.bounds, whole=True)
    right.axvline(row.mean(metric.name), color="0.3", linewidth=0.8, linestyle="--")
    right.set_xlabel(metric_label(metric, plan.target, 44))
    worst = max(lanes, key=lambda name: lanes[name][0].mean)
    name = results.plan.labels()(row.row)
    finding = f"{name} errs most where {worst}: {metric.name} {lanes[worst][0].mean:.3g}."
    text = (
        f"{name}, the fusion with the best mean {metric.name}, on the test samples of every seed. {said} "
        f"Right: mean loss of parts of the samples (dashed: of all), with 95 % intervals "
        f"({intervals_of(plan)}). "
    )
    return [Drawing("errors", "Where the best fusion errs", text + provenance(plan), figure, finding)]


def _residuals(ax: Axes, pooled: Sequence[Answers]) -> str:
    """Predicted less true against predicted, with the mean of every eighth."""
    predicted = np.concatenate([a.predicted for a in pooled])
    residual = predicted - np.concatenate([a.true for a in pooled])
    ax.plot(
        predicted, residual, ".", color=look(0)[0], alpha=0.35, ms=3.5, mew=0, rasterized=len(residual) > MOST
    )
    ax.axhline(0, color="0.3", linewidth=0.8)
    parts = np.array_split(np.argsort(predicted, kind="stable"), 8)
    x, y, sd = np.array(
        [(predicted[p].mean(), residual[p].mean(), residual[p].std()) for p in parts if len(p)]
    ).T
    ax.errorbar(x, y, sd, color=GREY, marker="o", ms=3.5, linewidth=1, elinewidth=0.8)
    target = shown(pooled[0].target.label, 44)
    ax.set(xlabel=f"predicted {target}", ylabel="predicted less true")
    ax.grid()
    return (
        "Left: every prediction; above 0 it is too high. Grey: mean and standard deviation in each eighth; "
        "where they leave 0, the error is systematic."
    )


def _reliability(ax: Axes, pooled: Sequence[Answers]) -> str:
    """How often the most probable class is right, against its probability."""
    confidence = np.concatenate([a.predicted.max(1) for a in pooled])
    right = np.concatenate([a.label == a.true for a in pooled])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    ax.plot([0, 1], [0, 1], color="0.3", linewidth=0.8)
    for b in np.unique(bins):
        part = bins == b
        x, y, error = confidence[part].mean(), right[part].mean(), right[part].std() / np.sqrt(part.sum())
        ax.errorbar([x], [y], [2 * error], color=look(0)[0], elinewidth=0.8)
        (mark,) = ax.plot(
            [x], [y], "o", color=look(0)[0], ms=3 + 6 * np.sqrt(part.mean()), mec="white", mew=0.5
        )
        tip(mark, f"probability {x:.2f}: right in {y:.2f} of {part.sum()} predictions")
    ax.set(xlabel="probability of the predicted class", ylabel="share that is right", ylim=(0, 1.03))
    ax.set_xlim(max(0.0, float(confidence.min()) - 0.05), 1.03)
    ax.grid()
    return (
        "Left: predictions by their probability (larger: more of them), with two standard errors; below "
        "the line, the method is too sure."
    )


def _segments(row: Row, metric: Metric) -> dict[str, list[Mark]]:
    """Part of the samples -> its mean loss, one value per seed that has any of it."""
    found: dict[str, list[float]] = {}
    assert metric.losses is not None
    for run in row.runs.values():
        losses = metric.losses(run.answers)
        for name, part in _parts(
            run.answers, run.table["complete"].to_numpy(bool), run.table["group"].to_numpy()
        ):
            if part.any():
                found.setdefault(name, []).append(float(losses[part].mean()))
    lanes = {}
    for name, means in found.items():
        values = np.array(means)
        ends = interval(values, *row.overlap, bounds=metric.bounds)
        lanes[name] = [Mark(values, float(values.mean()), *ends, name=name)]
    return lanes


def _parts(answers: Answers, complete: np.ndarray, group: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Parts of the samples of one run, each a name and (N,) whether a sample is in it."""
    if answers.target.classes:
        for i, name in enumerate(answers.target.classes):
            yield f"true class {name}", answers.true == i
    else:
        fifths = np.minimum(
            (answers.true.argsort().argsort() * len(PARTS)) // len(answers.true), len(PARTS) - 1
        )
        for i, name in enumerate(PARTS):
            yield f"{name} fifth of true values", fifths == i
    if 0 < complete.sum() < len(complete):
        yield "all sources present", complete
        yield "a source is missing", ~complete
    _, index, counts = np.unique(group.astype(str), return_inverse=True, return_counts=True)
    sizes = counts[index]
    if sizes.max() > 1:
        for name, low, high in (
            ("alone in its group", 1, 1),
            ("2 to 4 of its group", 2, 4),
            ("5 or more", 5, 10**9),
        ):
            yield name, (low <= sizes) & (sizes <= high)
