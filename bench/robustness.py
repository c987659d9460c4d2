"""How a trained model does when sources go missing at test time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from bench.features.store import FeatureSet
from bench.metrics import score
from bench.model import FusionModel
from bench.seeds import derive
from bench.train import predict

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the test samples from which a source is taken away."""


def missing_curves(
    model: FusionModel, features: FeatureSet, rows: np.ndarray, seed: int, device: torch.device
) -> pd.DataFrame:
    """Metrics on the test samples `rows` with each source taken away from a share of them.

    The samples that lose a source at one share also lose it at every larger one, and are the same for every
    method of one seed.

    Returns:
        One row per source and share: `source`, `share`, and the metrics.
    """
    target = features.samples["target"][rows]
    whole = predict(model, features, rows, device)
    found = []
    for source in features.folders:
        hidden = np.ones(len(features.samples["target"]), dtype=bool)
        without = predict(model, features.hiding({source: hidden}), rows, device)
        # a prediction depends on its own sample alone: both kinds are predicted once and mixed
        turn = np.random.default_rng(derive(seed, "missing", str(source))).permutation(len(rows))
        for share in SHARES:
            y_pred = np.where(turn < round(share * len(rows)), without, whole)
            metrics = score(features.target, target, y_pred)
            found.append({"source": str(source), "share": share} | metrics)
    return pd.DataFrame(found)
