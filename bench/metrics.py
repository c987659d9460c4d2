"""Metrics, a record each: name, how it is computed, which way it is better, its range and unit.

They are computed from stored predictions whenever those are read: a new metric is a function here, and
repeats no run. The paper's five come first, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn import config_context
from sklearn import metrics as sk

from bench.predictions import Answers

SMALLEST = float(np.finfo(np.float64).eps)
"""Probability that a predicted 0 counts as in the logarithmic loss, as in scikit-learn."""
BINS = 10
"""Bins of equal width in which confidence and accuracy are compared by the calibration error."""
NUMBERS = ("regression",)
CLASSES = ("binary", "multiclass")


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: also of the column.
        compute: the value for predictions; NaN for one that says nothing about them.
        tasks: the kinds of target that it is for.
        lower_is_better: which way it gets better.
        bounds: its range; an interval ends there.
        unit: with {target} for the transformed target and {unit} for the unit before it is transformed.
        losses: (N,) what each sample contributes, where the metric is their mean.
        note: what a caption has to say of it where it is shown; {unit} as in `unit`, in brackets.
        blank: what a caption has to say where it is left blank.
        leading: whether tables have it before costs: the five that the paper prints, five for classes.
    """

    name: str
    compute: Callable[[Answers], float]
    tasks: tuple[str, ...]
    lower_is_better: bool
    bounds: tuple[float, float]
    unit: str
    losses: Callable[[Answers], np.ndarray] | None = None
    note: str = ""
    blank: str = ""
    leading: bool = False


METRICS: dict[str, Metric] = {}
"""All metrics by name, in the order of tables."""


def metric(
    name: str,
    tasks: Sequence[str],
    unit: str,
    bounds: tuple[float, float],
    *,
    lower: bool = False,
    losses: Callable[[Answers], np.ndarray] | None = None,
    note: str = "",
    blank: str = "",
    leading: bool = False,
) -> Callable[[Callable[[Answers], float]], Callable[[Answers], float]]:
    """Decorator: make a function of predictions a metric."""

    def add(compute: Callable[[Answers], float]) -> Callable[[Answers], float]:
        METRICS[name] = Metric(name, compute, tuple(tasks), lower, bounds, unit, losses, note, blank, leading)
        return compute

    return add


def of_task(kind: str) -> list[Metric]:
    """The metrics for a kind of target."""
    return [known for known in METRICS.values() if kind in known.tasks]


def leading(kind: str) -> list[str]:
    """The names of the metrics that tables of a task begin with."""
    return [known.name for known in of_task(kind) if known.leading]


def score(answers: Answers, metrics: Sequence[Metric] | None = None) -> dict[str, float]:
    """Metrics of some predictions, which are finite: all for their task or those given; NaN for no answer."""
    # what is too large for a number has diverged; that predictions are finite is known, and costs to find out
    with np.errstate(over="ignore"), config_context(assume_finite=True, skip_parameter_validation=True):
        chosen = of_task(answers.target.task) if metrics is None else metrics
        return {known.name: float(known.compute(answers)) for known in chosen}


PRIMARY = {"regression": "MSE", "binary": "log_loss", "multiclass": "log_loss"}
"""Kind of target -> the metric that verdicts are about: the one that is trained for."""
COMPANION = {"regression": "R2_score", "binary": "accuracy", "multiclass": "accuracy"}
"""Kind of target -> the metric that is drawn beside it, the higher the better."""


# -- numbers, on the transformed scale unless it says otherwise ---------------------------------------------

FROM_ZERO, TO_ONE, SHARE, CORRELATION = (0.0, np.inf), (-np.inf, 1.0), (0.0, 1.0), (-1.0, 1.0)


def _absolute(a: Answers) -> np.ndarray:
    return np.asarray(np.abs(a.predicted - a.true))


def _squared(a: Answers) -> np.ndarray:
    return np.asarray((a.predicted - a.true) ** 2)


@metric("MAE", NUMBERS, "{target}", FROM_ZERO, lower=True, losses=_absolute, leading=True)
def mae(a: Answers) -> float:
    """Mean absolute error."""
    return float(sk.mean_absolute_error(a.true, a.predicted))


@metric("MSE", NUMBERS, "({target})²", FROM_ZERO, lower=True, losses=_squared, leading=True)
def mse(a: Answers) -> float:
    """Mean squared error."""
    return float(sk.mean_squared_error(a.true, a.predicted))


@metric(
    "MAPE", NUMBERS, "fraction", FROM_ZERO, lower=True, leading=True,
    blank="MAPE is left blank: the target crosses zero, where a percentage of it means nothing.",
)  # fmt: skip
def mape(a: Answers) -> float:
    """Mean absolute percentage error as a fraction; blank where targets touch or cross zero."""
    has_sign = a.true.min() <= 0 <= a.true.max()
    return np.nan if has_sign else float(sk.mean_absolute_percentage_error(a.true, a.predicted))


@metric("R2_score", NUMBERS, "share of variance", TO_ONE, leading=True)
def r2(a: Answers) -> float:
    """Share of the variance that is explained, biases counted."""
    return float(sk.r2_score(a.true, a.predicted))


@metric("EVS", NUMBERS, "share of variance", TO_ONE, leading=True)
def explained_variance(a: Answers) -> float:
    """Share of the variance that is explained, but for a bias."""
    return float(sk.explained_variance_score(a.true, a.predicted))


@metric("RMSE", NUMBERS, "{unit}", FROM_ZERO, lower=True, note="RMSE is on the original scale{unit}.")
def rmse(a: Answers) -> float:
    """Root of the mean squared error on the original scale; blank where that is too large for a number."""
    squared = (a.target.inverse(a.predicted) - a.target.inverse(a.true)) ** 2
    return float(np.sqrt(np.mean(squared))) if np.isfinite(squared).all() else np.nan


@metric("Pearson", NUMBERS, "correlation", CORRELATION)
def pearson(a: Answers) -> float:
    """Pearson's correlation; blank where either side is constant."""
    return pearsonr(a.true, a.predicted).statistic if _varies(a) else np.nan


@metric("Spearman", NUMBERS, "correlation", CORRELATION)
def spearman(a: Answers) -> float:
    """Spearman's rank correlation; blank where either side is constant."""
    return spearmanr(a.true, a.predicted).statistic if _varies(a) else np.nan


@metric(
    "Acc2", NUMBERS, "share of samples", SHARE,
    note="Acc2: share of samples whose sign is predicted, neutral ones (0) left out.",
)  # fmt: skip
def sign_accuracy(a: Answers) -> float:
    """How often the sign is right, zeros left out (the customary binary accuracy of CMU-MOSI)."""
    decided = a.true != 0
    if not a.target.sign or not decided.any():
        return np.nan
    return float(np.mean((a.predicted > 0)[decided] == (a.true > 0)[decided]))


def _varies(a: Answers) -> bool:
    return bool(len(a.true) > 1 and np.ptp(a.true) > 0 and np.ptp(a.predicted) > 0)


# -- classes ------------------------------------------------------------------------------------------------


def _right(a: Answers) -> np.ndarray:
    return np.asarray(a.label == a.true, dtype=float)


def _surprise(a: Answers) -> np.ndarray:
    """Minus the logarithm of the probability of the true class, in nats."""
    chosen = a.predicted[np.arange(len(a.true)), a.true]
    return np.asarray(-np.log(np.clip(chosen, SMALLEST, 1 - SMALLEST)))


def _quadratic(a: Answers) -> np.ndarray:
    """The squared distance of the probabilities from the truth; of two classes that of one (Brier, 1950)."""
    truth = np.eye(a.predicted.shape[1])[a.true]
    distance = ((a.predicted - truth) ** 2).sum(1)
    return np.asarray(distance / 2 if a.predicted.shape[1] == 2 else distance)


@metric("accuracy", CLASSES, "share of samples", SHARE, losses=_right, leading=True)
def accuracy(a: Answers) -> float:
    """How often the most probable class is the true one."""
    return float(sk.accuracy_score(a.true, a.label))


@metric("f1_macro", CLASSES, "F1", SHARE, leading=True)
def f1_macro(a: Answers) -> float:
    """The mean over classes of the harmonic mean of precision and recall; 0 for a class never predicted."""
    return float(
        sk.f1_score(a.true, a.label, labels=range(a.predicted.shape[1]), average="macro", zero_division=0)
    )


@metric(
    "roc_auc", CLASSES, "area", SHARE, leading=True,
    blank="roc_auc is left blank: a test part has only one of the classes, or lacks one of several.",
)  # fmt: skip
def roc_auc(a: Answers) -> float:
    """Area under the ROC curve; of several classes the mean over one against the rest."""
    classes = a.predicted.shape[1]
    if len(np.unique(a.true)) < classes:
        return np.nan
    if classes == 2:
        return float(sk.roc_auc_score(a.true, a.predicted[:, 1]))
    one_to_rest = [sk.roc_auc_score(a.true == k, a.predicted[:, k]) for k in range(classes)]
    return float(np.mean(one_to_rest))


@metric("log_loss", CLASSES, "nat", FROM_ZERO, lower=True, losses=_surprise, leading=True)
def log_loss(a: Answers) -> float:
    """Mean logarithmic loss (cross-entropy)."""
    return float(_surprise(a).mean())


@metric(
    "brier", CLASSES, "squared probability", (0.0, 2.0), lower=True, losses=_quadratic, leading=True,
    note="brier: of two classes the squared error of one probability; of more the sum over them, up to 2.",
)  # fmt: skip
def brier(a: Answers) -> float:
    """Brier score: the mean squared error of the probabilities."""
    return float(_quadratic(a).mean())


@metric(
    "ECE", CLASSES, "probability", SHARE, lower=True,
    note="ECE: how far confidence is from accuracy (expected calibration error).",
)  # fmt: skip
def calibration_error(a: Answers) -> float:
    """Expected calibration error (Guo et al., ICML 2017): accuracy against confidence, in bins of it."""
    confidence, right = a.predicted.max(1), a.label == a.true
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * np.mean(bins == b) for b in set(bins)
    ]
    return float(sum(gaps))
