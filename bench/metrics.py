"""The paper's five metrics, on the transformed target, in its order."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import (
    explained_variance_score,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2_score,
)

METRICS = {
    "MAE": mean_absolute_error,
    "MSE": mean_squared_error,
    "MAPE": mean_absolute_percentage_error,
    "R2_score": r2_score,
    "EVS": explained_variance_score,
}
LOWER_IS_BETTER = frozenset({"MAE", "MSE", "MAPE"})


def score(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    """All five metrics of predictions (N,); MAPE is a fraction."""
    return {name: float(metric(y_true, y_pred)) for name, metric in METRICS.items()}
