"""The predictions for the test part after every epoch, for drawing only: nothing is chosen by them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.data.schema import Target
from bench.metrics import score
from bench.observe.base import Observer, Watched, observer
from bench.predictions import answers, predicted_columns, true_column


@observer("test-history", "test_history.parquet")
class TestHistory(Observer):
    """A row per epoch and test sample: `epoch`, `y_true` and the columns of the prediction."""

    __test__ = False  # of the suite's own tests, this is none

    def __init__(self, run: Watched) -> None:
        super().__init__(run)
        self._epochs: list[pd.DataFrame] = []

    def after_epoch(self, epoch: int) -> None:
        """Predict the test part."""
        features, rows = self.run.features, self.run.parts.test
        target, predicted = features.target, self.run.method.predict(features, rows)
        columns = {"epoch": epoch, "y_true": true_column(target, features.samples["target"][rows])}
        self._epochs.append(pd.DataFrame(columns | predicted_columns(target, predicted)))

    def record(self, predicted: np.ndarray) -> pd.DataFrame | None:
        """All epochs; None of a method that has none."""
        return pd.concat(self._epochs, ignore_index=True) if self._epochs else None


def scores_by_epoch(target: Target, record: pd.DataFrame) -> pd.DataFrame:
    """Every metric after every epoch: `epoch` and the names of the metrics."""
    rows = [{"epoch": e} | score(answers(target, part)) for e, part in record.groupby("epoch", sort=True)]
    return pd.DataFrame(rows)
