"""One trial: split, fit, predict. Whatever decides a number is reached from here (`bench.sourcecode`)."""

from __future__ import annotations

import numpy as np

from bench.data.splits import Parts, kind_of, split
from bench.errors import TrainingFailed
from bench.features.store import FeatureSet
from bench.methods.base import AfterEpoch, Method
from bench.spec import RunSpec


def trial(
    method: Method, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None
) -> np.ndarray:
    """Fit a method and predict the test part, which is read only now: (N,), or probabilities (N, K).

    Raises:
        TrainingFailed: it came to no finite result.
    """
    method.fit(features, parts, after_epoch)
    predicted = method.predict(features, parts.test)
    if not np.isfinite(predicted).all():
        raise TrainingFailed("its predictions for the test part are not finite numbers.")
    return predicted


def parts_of(spec: RunSpec, features: FeatureSet) -> Parts:
    """The split of a run: the same for every method of one seed."""
    training = spec.training
    return split(
        features.samples,
        spec.seed,
        kind=kind_of(training.split, features.samples, features.fixed),
        test=training.test,
        validation=training.validation,
        kept=features.complete if training.missing == "drop" else None,
        classes=features.target.classes,
        share=training.share,
    )
