"""Predictions as columns of a table, and back: what a run stores, and what metrics are computed from.

A number stands in `y_pred`. Of classes, `y_pred` is the most probable one and ``p_CLASS`` has the probability
of each. `y_true` holds the number, or the name of the class; it is empty where nobody knows it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.data.schema import Target


class Answers(NamedTuple):
    """Predictions beside the truth.

    Attributes:
        target: what was predicted.
        true: (N,) numbers on the transformed scale, or the numbers of the classes.
        predicted: (N,) numbers on the transformed scale, or (N, K) probabilities of the classes.
    """

    target: Target
    true: np.ndarray
    predicted: np.ndarray

    @property
    def label(self) -> np.ndarray:
        """(N,) the number predicted, or that of the most probable class."""
        return self.predicted if self.predicted.ndim == 1 else self.predicted.argmax(1)


def predicted_columns(target: Target, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of predictions (N,) or (N, K)."""
    if not target.classes:
        return {"y_pred": predicted}
    names = np.array(target.classes)
    probabilities = {f"p_{name}": predicted[:, i] for i, name in enumerate(target.classes)}
    return {"y_pred": names[predicted.argmax(1)], **probabilities}


def true_column(target: Target, y: np.ndarray) -> np.ndarray:
    """The truth (N,) as a column."""
    return np.array(target.classes)[y.astype(int)] if target.classes else y


def predicted_values(target: Target, table: pd.DataFrame) -> np.ndarray:
    """Predictions (N,) or (N, K) from their columns."""
    if not target.classes:
        return np.asarray(table["y_pred"], dtype=float)
    return np.asarray(table[[f"p_{name}" for name in target.classes]], dtype=float)


def answers(target: Target, table: pd.DataFrame) -> Answers:
    """The predictions of a table with the truth beside them."""
    if not target.classes:
        true = table["y_true"].to_numpy(dtype=float)
    else:
        numbers = {name: i for i, name in enumerate(target.classes)}
        true = table["y_true"].map(numbers).to_numpy(dtype=int)
    return Answers(target, true, predicted_values(target, table))
