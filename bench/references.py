"""Reference rows: does fusion help at all? Each learns from the same features and parts as the fusions.

Features are pooled: every source's tokens are averaged per sample (numbers per attribute), and the
sources concatenated. No fusion is worth its cost if it does not beat these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.data.splits import Parts
from bench.features.store import FeatureSet
from bench.seeds import derive
from fusions import Source

COMPONENTS = 32
"""Boosted trees see at most this many principal components of each source: 2,048 columns of an image
encoder would drown four numbers in a few hundred samples."""


class Reference(NamedTuple):
    """What a reference method gives: predictions (N,) for the test part, and what it chose, if anything."""

    y_pred: np.ndarray
    chosen: str = ""


def predict_mean(features: FeatureSet, parts: Parts, seed: int) -> Reference:
    """The mean of the learning set, for every sample."""
    learning = np.concatenate([parts.train, parts.validation])
    return Reference(np.full(len(parts.test), features.samples["target"][learning].mean()))


def ridge(features: FeatureSet, parts: Parts, seed: int) -> Reference:
    """Ridge on all pooled features, its penalty chosen by leave-one-out on the learning set.

    Every source has the same total variance: 2,048 columns of an image must not outweigh four numbers.
    """
    learning = np.concatenate([parts.train, parts.validation])
    blocks = []
    for source in features.sources:
        scale = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
        x = _pool(features, source)
        blocks.append(scale.fit(x[learning]).transform(x) / np.sqrt(x.shape[1]))
    x = np.concatenate(blocks, axis=1)
    model = RidgeCV(alphas=np.logspace(-3, 4, 29)).fit(x[learning], features.samples["target"][learning])
    return Reference(model.predict(x[parts.test]))


def boosted_trees(features: FeatureSet, parts: Parts, seed: int) -> Reference:
    """Gradient-boosted trees on all pooled features, stopped early on the validation part."""
    return Reference(_boost(features, features.sources, parts, seed)[0])


def boosted_trees_best_entity(features: FeatureSet, parts: Parts, seed: int) -> Reference:
    """Gradient-boosted trees on the one entity that does best on the validation part."""
    entities = dict.fromkeys(source.entity for source in features.sources)
    fits = {
        e: _boost(features, [s for s in features.sources if s.entity == e], parts, seed) for e in entities
    }
    best = min(fits, key=lambda entity: fits[entity][1])
    return Reference(fits[best][0], chosen=best)


REFERENCES: dict[str, Callable[[FeatureSet, Parts, int], Reference]] = {
    "predict-mean": predict_mean,
    "ridge": ridge,
    "boosted-trees": boosted_trees,
    "boosted-trees-best-entity": boosted_trees_best_entity,
}
"""Name -> predictions for the test part, from features, parts and seed."""

NEEDS_FEATURES = frozenset(REFERENCES) - {"predict-mean"}


def _pool(features: FeatureSet, source: Source) -> np.ndarray:
    """The pooled features of one source, (samples, columns), NaN where it is absent."""
    n = len(features.samples["ids"])
    chunks = []
    for start in range(0, n, 1024):
        values, mask, _ = features.sources[source].batch(np.arange(start, min(start + 1024, n)))
        if values.dim() == 3:  # numbers (B, M, L): averaged over items, per attribute
            total, count = values.double().sum(1), mask.sum(1)
        else:  # vectors (N, D): averaged over all tokens of a sample
            count = mask.flatten(1).sum(1, keepdim=True)
            sample = torch.repeat_interleave(torch.arange(len(count)), count.squeeze(1))
            total = torch.zeros(len(count), values.shape[1], dtype=torch.double)
            total.index_add_(0, sample, values.double())
        chunks.append(torch.where(count > 0, total / count.clamp(min=1), torch.nan).numpy())
    return np.concatenate(chunks)


def _boost(
    features: FeatureSet, sources: Iterable[Source], parts: Parts, seed: int
) -> tuple[np.ndarray, float]:
    """Predictions for the test part, and the squared error on the validation part."""
    target = features.samples["target"]
    x = np.concatenate([_reduced(_pool(features, s), parts.train, seed) for s in sources], axis=1)
    x = x[:, np.isfinite(x[parts.train]).any(0)]  # a column that is empty in training says nothing
    model = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=10, early_stopping=True,
        n_iter_no_change=20, random_state=derive(seed, "boosted-trees") % 2**32,
    )  # fmt: skip
    model.fit(x[parts.train], target[parts.train], X_val=x[parts.validation], y_val=target[parts.validation])
    error = float(np.mean((model.predict(x[parts.validation]) - target[parts.validation]) ** 2))
    return model.predict(x[parts.test]), error


def _reduced(x: np.ndarray, train: np.ndarray, seed: int) -> np.ndarray:
    """Principal components of the standardised columns, fitted on the training part; few columns stay."""
    if x.shape[1] <= COMPONENTS:
        return x
    parts = min(COMPONENTS, len(train) - 1)
    pca = PCA(parts, svd_solver="randomized", random_state=derive(seed, "pca") % 2**32)
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), pca)
    return model.fit(x[train]).transform(x)
