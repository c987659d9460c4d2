"""Reference rows: does fusion help at all? Each learns from the same features and parts as the fusions.

Features are pooled: every source's tokens are averaged per sample (numbers per attribute), and the
sources concatenated. No fusion is worth its cost if it does not beat these.

A new one is a class here, or in a plugin file, under the `reference` decorator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as LinearRidge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.data.splits import Parts
from bench.features.layout import Layout
from bench.features.store import FeatureSet
from bench.methods.base import CLIP, AfterEpoch, Method
from bench.methods.tasks import task_of
from bench.seeds import derive
from bench.spec import RunSpec
from fusions import Source

COMPONENTS = 32
"""Boosted trees see at most this many principal components of each source: 2,048 columns of an image
encoder would drown four numbers in a few hundred samples."""
FITTED = "fitted.skops"
TRUSTED = ("numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
"""Types beside skops' own list that a stored reference may hold; reading any other is refused."""


class Reference(Method):
    """A method without a fusion.

    A subclass fits whatever it needs into `self.fitted`, which holds estimators of scikit-learn, arrays and
    plain values only, and is saved by skops, whose files execute nothing. Its options are in `spec.options`.

    Attributes:
        tasks: the kinds of target that it can learn.
        looks: whether it looks at the features at all.
        search: option -> the values that `bench tune` tries, in order; None is what it does without.
    """

    tasks: ClassVar[frozenset[str]]
    looks: ClassVar[bool] = True
    search: ClassVar[Mapping[str, Sequence[Any]]] = MappingProxyType({})

    def __init__(self, spec: RunSpec, device: torch.device) -> None:
        super().__init__(spec, device)
        self.fitted: Any = None

    def save(self, folder: Path) -> None:
        """What was fitted."""
        import skops.io  # all of scikit-learn comes with it: only where it is needed

        skops.io.dump(self.fitted, folder / FITTED)

    @classmethod
    def load(cls, folder: Path, spec: RunSpec, layout: Layout, device: torch.device) -> Self:
        """What was fitted; a file with any type that is not expected is refused."""
        import skops.io

        method, path = cls(spec, device), folder / FITTED
        try:
            strange = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
            if strange:
                raise ValueError(f"it holds {min(strange)}")
            method.fitted = skops.io.load(path, trusted=list(TRUSTED))
        except Exception as error:  # a damaged file makes the reader raise anything
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{path} cannot be used ({reason})") from None
        return method


REFERENCES: dict[str, type[Reference]] = {}
R = TypeVar("R", bound=type[Reference])


def reference(
    name: str, *tasks: str, search: Mapping[str, Sequence[Any]] = MappingProxyType({})
) -> Callable[[R], R]:
    """Class decorator: make a reference known under a name, for these kinds of target."""

    def add(cls: R) -> R:
        cls.tasks, cls.search = frozenset(tasks), search
        REFERENCES[name] = cls
        return cls

    return add


@reference("predict-mean", "regression")
class PredictMean(Reference):
    """The mean of the training part, for every sample."""

    looks = False

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Take the mean."""
        self.fitted = float(features.samples["target"][parts.train].mean())

    def predict(self, features: FeatureSet, rows: np.ndarray) -> np.ndarray:
        """(N,), all the same."""
        return np.full(len(rows), self.fitted)


@reference("class-prior", "binary", "multiclass")
class ClassPrior(Reference):
    """How frequent every class is in the training part, for every sample."""

    looks = False

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Count the classes."""
        y = features.samples["target"][parts.train].astype(int)
        self.fitted = np.bincount(y, minlength=len(features.target.classes)) / len(y)

    def predict(self, features: FeatureSet, rows: np.ndarray) -> np.ndarray:
        """(N, K), all the same."""
        return np.tile(self.fitted, (len(rows), 1))


PENALTIES = tuple(np.logspace(-3, 4, 29).tolist())


@reference("ridge", "regression", search={"penalty": (None, *PENALTIES)})
class Ridge(Reference):
    """Ridge on all pooled features, its penalty chosen by the validation part, or given."""

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Fit the scales and, with the penalty that does best, the ridge."""
        y, train = features.samples["target"], parts.train
        scales, x = _scaled(features, train)
        penalty = self.spec.options.get("penalty")
        if penalty is None:
            found = ridge_path(x[train], y[train], x[parts.validation], PENALTIES)
            penalty = PENALTIES[int(((found - y[parts.validation]) ** 2).mean(1).argmin())]
        self.fitted = {"scales": scales, "model": LinearRidge(alpha=penalty).fit(x[train], y[train])}

    def predict(self, features: FeatureSet, rows: np.ndarray) -> np.ndarray:
        """(N,)."""
        return _answers(self.fitted["model"], _apply(self.fitted["scales"], features)[rows], features)


@reference("logistic", "binary", "multiclass")
class Logistic(Reference):
    """Logistic regression on all pooled features, its penalty chosen by the validation part."""

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Fit the scales and, for every penalty, the regression."""
        y, task = features.samples["target"], task_of(features.target)
        scales, x = _scaled(features, parts.train)
        fits = [
            _fit(LogisticRegression(C=strength, max_iter=2000), x[parts.train], y[parts.train].astype(int))
            for strength in np.logspace(-4, 3, 15)
        ]
        at = parts.validation
        errors = [task.error(_answers(fit, x[at], features), y[at], 1.0) for fit in fits]
        self.fitted = {"scales": scales, "model": fits[int(np.argmin(errors))]}

    def predict(self, features: FeatureSet, rows: np.ndarray) -> np.ndarray:
        """(N, K)."""
        return _answers(self.fitted["model"], _apply(self.fitted["scales"], features)[rows], features)


ESTIMATORS = {
    "regression": HistGradientBoostingRegressor,
    "binary": HistGradientBoostingClassifier,
    "multiclass": HistGradientBoostingClassifier,
}
"""Kind of target -> the boosted trees for it."""
TREES = {"learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 10}
"""The trees' own settings, by scikit-learn's names."""
SEARCHED = {
    "learning_rate": (0.01, 0.02, 0.05, 0.1, 0.2),
    "max_leaf_nodes": (4, 7, 15, 31),
    "min_samples_leaf": (3, 5, 10, 20),
    "max_depth": (None, 2, 3, 5),
    "l2_regularization": (None, 0.1, 1.0, 10.0),
    "max_features": (None, 0.25, 0.5),
}


@reference("boosted-trees", *ESTIMATORS, search=SEARCHED)
class BoostedTrees(Reference):
    """Gradient-boosted trees on all pooled features, stopped early on the validation part."""

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Fit the components and the trees."""
        self.fitted, _ = self._boost(features, list(features.sources), parts)

    def predict(self, features: FeatureSet, rows: np.ndarray) -> np.ndarray:
        """(N,) or (N, K)."""
        return _boosted(self.fitted, features, rows)

    def _boost(
        self, features: FeatureSet, sources: Sequence[Source], parts: Parts
    ) -> tuple[dict[str, Any], float]:
        """Trees on some sources, and their error on the validation part."""
        y, seed = features.samples["target"], self.spec.seed
        reductions = [_reduction(_pool(features, s), parts.train, seed) for s in sources]
        fitted: dict[str, Any] = {"sources": [list(s) for s in sources], "reductions": reductions}
        x = _reduced(fitted, features)
        fitted["kept"] = np.isfinite(x[parts.train]).any(0)  # a column that is empty in training says nothing
        x = x[:, fitted["kept"]]
        kind, validation = int if features.target.classes else float, parts.validation
        if features.target.classes:  # the trees refuse a class that they have not been fitted to
            validation = validation[np.isin(y[validation], y[parts.train])]
        stops = {"X_val": x[validation], "y_val": y[validation].astype(kind)} if len(validation) else {}
        trees = ESTIMATORS[features.target.task](
            max_iter=300, n_iter_no_change=20, early_stopping=bool(stops),
            random_state=derive(seed, "boosted-trees") % 2**32,
            **TREES | {name: value for name, value in self.spec.options.items() if value is not None},
        )  # fmt: skip
        fitted["model"] = model = _fit(trees, x[parts.train], y[parts.train].astype(kind), **stops)
        predicted = _answers(model, x[parts.validation], features)
        return fitted, task_of(features.target).error(predicted, y[parts.validation], 1.0)


@reference("boosted-trees-best-entity", *ESTIMATORS, search=SEARCHED)
class BestEntity(BoostedTrees):
    """Gradient-boosted trees on the one entity that does best on the validation part."""

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Fit the trees of every entity and keep the best."""
        entities = dict.fromkeys(source.entity for source in features.sources)
        fits = {
            e: self._boost(features, [s for s in features.sources if s.entity == e], parts) for e in entities
        }
        self.chosen = min(fits, key=lambda entity: fits[entity][1])
        self.fitted = fits[self.chosen][0]


def ridge_path(x: np.ndarray, y: np.ndarray, at: np.ndarray, penalties: Sequence[float]) -> np.ndarray:
    """Predictions at points (M, D) of ridges fitted to x (N, D) and y (N,): (penalties, M).

    One decomposition of the smaller of the two Gram matrices serves all penalties.
    """
    centre, level = x.mean(0), y.mean()
    x, at, y = x - centre, at - centre, y - level
    if len(x) <= x.shape[1]:
        values, vectors = np.linalg.eigh(x @ x.T)
        left, right = at @ x.T @ vectors, vectors.T @ y
    else:
        values, vectors = np.linalg.eigh(x.T @ x)
        left, right = at @ vectors, vectors.T @ (x.T @ y)
    # what rounding makes a little negative is 0
    found = [left @ (right / (np.maximum(values, 0) + penalty)) for penalty in penalties]
    return np.asarray(np.stack(found) + level)


def _fit(model: Any, x: np.ndarray, y: np.ndarray, **stops: np.ndarray) -> Any:
    """An estimator fitted to x (N, D) and y (N,); of a single class, which none can learn, that class."""
    if y.dtype.kind == "i" and len(np.unique(y)) == 1:
        return DummyClassifier().fit(x, y)
    return model.fit(x, y, **stops)


def _answers(model: Any, x: np.ndarray, features: FeatureSet) -> np.ndarray:
    """Predictions of an estimator for x (N, D): (N,), or (N, K) with 0 for classes it has never seen."""
    classes = features.target.classes
    if not classes:
        return np.asarray(model.predict(x))
    probabilities = np.zeros((len(x), len(classes)))
    probabilities[:, model.classes_] = model.predict_proba(x)
    return probabilities


def _pool(features: FeatureSet, source: Source) -> np.ndarray:
    """The pooled features of one source, (samples, columns), NaN where it is absent."""
    n = len(features.samples["ids"])
    chunks = []
    for start in range(0, n, 1024):
        chunks.append(features.sources[source].batch(np.arange(start, min(start + 1024, n))).pooled().numpy())
    return np.concatenate(chunks)


def _scaled(features: FeatureSet, rows: np.ndarray) -> tuple[list[Pipeline], np.ndarray]:
    """A scale per source, fitted on `rows`, and all samples under them."""
    scales = [
        make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()).fit(_pool(features, s)[rows])
        for s in features.sources
    ]
    return scales, _apply(scales, features)


def _apply(scales: Sequence[Pipeline], features: FeatureSet) -> np.ndarray:
    """All samples (n, D), every source of the same variance: an image must not outweigh four numbers.

    They are clipped as fusions have them: what hardly varies in training may be far off elsewhere.
    """
    blocks = []
    for scale, source in zip(scales, features.sources, strict=True):
        x = _pool(features, source)
        blocks.append(scale.transform(x).clip(-CLIP, CLIP) / np.sqrt(x.shape[1]))
    return np.concatenate(blocks, axis=1)


def _boosted(fitted: dict[str, Any], features: FeatureSet, rows: np.ndarray) -> np.ndarray:
    x = _reduced(fitted, features)[:, fitted["kept"]]
    return _answers(fitted["model"], x[rows], features)


def _reduced(fitted: dict[str, Any], features: FeatureSet) -> np.ndarray:
    """The columns of all samples, reduced source by source."""
    blocks = []
    for source, reduction in zip(fitted["sources"], fitted["reductions"], strict=True):
        x = _pool(features, Source(*source))
        blocks.append(x if reduction is None else reduction.transform(x))
    return np.concatenate(blocks, axis=1)


def _reduction(x: np.ndarray, train: np.ndarray, seed: int) -> Pipeline | None:
    """Principal components of the standardised columns, fitted on the training part; few columns stay."""
    if x.shape[1] <= COMPONENTS:
        return None
    parts = min(COMPONENTS, len(train) - 1)
    pca = PCA(parts, svd_solver="randomized", random_state=derive(seed, "pca") % 2**32)
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), pca).fit(x[train])
