"""Methods with a flaw, planted to see it found."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from bench.data.splits import Parts
from bench.features.store import FeatureSet
from bench.methods.base import AfterEpoch
from bench.methods.references import PredictMean, Reference, Ridge


class Leaky(Ridge):
    """A ridge that learns from the test part, too."""

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Fit to more than may be looked at."""
        more = np.concatenate([parts.train, parts.test])
        super().fit(features, parts._replace(train=more), after_epoch)


class Blind(PredictMean):
    """The mean of the training part, from a method that claims to look at features."""

    looks = True


PLANTED = MappingProxyType[str, type[Reference]]({"planted: leaky": Leaky, "planted: blind": Blind})
"""Name -> what is made under it."""
