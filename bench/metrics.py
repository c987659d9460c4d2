"""The paper's five metrics on the transformed target, in its order, and those that others ask for."""

from __future__ import annotations

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    explained_variance_score,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2_score,
)

from bench.data.schema import Target

PAPER_METRICS = ("MAE", "MSE", "MAPE", "R2_score", "EVS")
METRICS = (*PAPER_METRICS, "RMSE", "Pearson", "Spearman", "Acc2")
"""In the order of tables. RMSE is on the target's original scale, Acc2 only for targets with a sign."""
LOWER_IS_BETTER = frozenset({"MAE", "MSE", "MAPE", "RMSE"})

BOUNDS = {
    **dict.fromkeys(("MAE", "MSE", "MAPE", "RMSE"), (0.0, np.inf)),
    **dict.fromkeys(("R2_score", "EVS"), (-np.inf, 1.0)),
    **dict.fromkeys(("Pearson", "Spearman"), (-1.0, 1.0)),
    "Acc2": (0.0, 1.0),
}
"""The range of each metric: an interval ends there."""

UNITS = {
    "MAE": "{target}",
    "MSE": "({target})²",
    "MAPE": "fraction",
    "R2_score": "share of variance",
    "EVS": "share of variance",
    "RMSE": "{unit}",
    "Pearson": "correlation",
    "Spearman": "correlation",
    "Acc2": "share of samples",
}
"""The unit of each metric; RMSE has that of the target before it is transformed."""

NOTES = {
    "MAPE": "MAPE is left blank: the target crosses zero, where a percentage of it means nothing.",
    "RMSE": "RMSE is on the original scale{unit}.",
    "Acc2": "Acc2: share of samples whose sign is predicted, neutral ones (0) left out.",
}
"""What a caption has to say of a metric."""


def score(target: Target, y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """All metrics of predictions (N,) on the transformed scale; NaN for one that says nothing here.

    MAPE is a fraction, and blank where targets cross zero or touch it. Correlations are blank where either
    side is constant. RMSE is blank where a prediction is too large for a number on the original scale.
    """
    has_sign = y_true.min() <= 0 <= y_true.max()
    varies = len(y_true) > 1 and np.ptp(y_true) > 0 and np.ptp(y_pred) > 0
    with np.errstate(over="ignore"):
        squared = (target.inverse(y_pred) - target.inverse(y_true)) ** 2
    values = {
        "MAE": mean_absolute_error(y_true, y_pred),
        "MSE": mean_squared_error(y_true, y_pred),
        "MAPE": np.nan if has_sign else mean_absolute_percentage_error(y_true, y_pred),
        "R2_score": r2_score(y_true, y_pred),
        "EVS": explained_variance_score(y_true, y_pred),
        "RMSE": np.sqrt(np.mean(squared)),
        "Pearson": pearsonr(y_true, y_pred).statistic if varies else np.nan,
        "Spearman": spearmanr(y_true, y_pred).statistic if varies else np.nan,
        "Acc2": _sign_accuracy(y_true, y_pred) if target.sign else np.nan,
    }
    return {name: float(value) if np.isfinite(value) else np.nan for name, value in values.items()}


def _sign_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """How often the sign is right, zeros left out (the customary binary accuracy of CMU-MOSI)."""
    decided = y_true != 0
    return float(np.mean((y_pred > 0)[decided] == (y_true > 0)[decided])) if decided.any() else np.nan
