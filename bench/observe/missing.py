"""How a trained method does when sources go missing at test time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from bench.data.schema import Target
from bench.metrics import Metric, score
from bench.observe.base import Observer, observer
from bench.predictions import Answers, answers, predicted_columns, predicted_values
from bench.seeds import derive

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the test samples from which a source is taken away."""


@observer("missing", "missing.parquet")
class Missing(Observer):
    """A row per source and test sample: the prediction without the source, and when it loses it.

    `turn` is a sample's place in an order of chance, the same for every method of one seed: the samples that
    lose a source at one share also lose it at every larger one. A prediction depends on its own sample alone,
    so both kinds are predicted once, and mixed when they are read.
    """

    def record(self, predicted: np.ndarray) -> pd.DataFrame:
        """All sources, the samples in the order of the test part."""
        features, rows, method = self.run.features, self.run.parts.test, self.run.method
        hidden = np.ones(len(features.samples["target"]), dtype=bool)
        tables = []
        for source in features.folders:
            without = method.predict(features.hiding({source: hidden}), rows)
            order = np.random.default_rng(derive(self.run.spec.seed, "missing", str(source)))
            columns = {"source": str(source), "turn": order.permutation(len(rows))}
            tables.append(pd.DataFrame(columns | predicted_columns(features.target, without)))
        return pd.concat(tables, ignore_index=True)


def curves(
    target: Target, record: pd.DataFrame, predictions: pd.DataFrame, metrics: Sequence[Metric]
) -> pd.DataFrame:
    """Metrics with each source taken away from a share of the test samples, which `predictions` are of.

    Returns:
        One row per source and share: `source`, `share`, and the metrics.
    """
    whole = answers(target, predictions)
    found = []
    for source, part in record.groupby("source", sort=False):
        without, turn = predicted_values(target, part), part["turn"].to_numpy()
        for share in SHARES:
            lost = turn < round(share * len(part))
            mixed = np.where(lost if without.ndim == 1 else lost[:, None], without, whole.predicted)
            found.append(
                {"source": source, "share": share} | score(Answers(target, whole.true, mixed), metrics)
            )
    return pd.DataFrame(found)


def sample_areas(whole: Answers, record: pd.DataFrame, losses: Callable[[Answers], np.ndarray]) -> np.ndarray:
    """(N,) what every sample adds to the area under a mean loss, the mean over sources."""
    present, areas = losses(whole), []
    for _, part in record.groupby("source", sort=False):
        absent = losses(whole._replace(predicted=predicted_values(whole.target, part)))
        turn = part["turn"].to_numpy()
        seen = [np.where(turn < round(share * len(part)), absent, present) for share in SHARES]
        areas.append(np.trapezoid(seen, SHARES, axis=0))
    return np.asarray(np.mean(areas, axis=0))
