"""How probable it is that one of two methods is better, or that both are practically the same.

The posterior of a difference is Student's t around the one that was measured, with the variance and degrees
of freedom of `bench.compare.components`. For two methods known by one value per split this is the Bayesian
correlated t-test (Corani and Benavoli, Machine Learning 100, 2015; flat prior); losses of single samples
and more methods make it narrower. With the prior flat, it agrees with the interval of one planned pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import t

from bench.compare.simultaneous import Simultaneous

ROPE = 0.01
"""Differences up to this one count as none, unless it is said otherwise: in the metric's unit."""
SURE = 0.95
"""Probability from which something is said of a pair."""


class Chances(NamedTuple):
    """Probabilities that sum to 1: the first method is better, they are practically the same, it is worse."""

    better: float
    same: float
    worse: float


def chances(found: Simultaneous, one: str, other: str, rope: float = ROPE) -> Chances:
    """What is to be thought of `one` beside `other`; differences within -rope and rope count as none."""
    i, j = found.names.index(one), found.names.index(other)
    difference = float(found.means[i] - found.means[j])
    error, df = float(np.sqrt(found.parts.variance[i, j])), float(found.parts.df[i, j])
    below, above = _tails(difference, error, df, rope)
    better, worse = (below, above) if found.lower_is_better else (above, below)
    return Chances(better, max(0.0, 1.0 - below - above), worse)


def _tails(mean: float, error: float, df: float, rope: float) -> tuple[float, float]:
    """P(difference < -rope), P(difference > rope)."""
    if error == 0:
        return float(mean < -rope), float(mean > rope)
    return float(t.cdf(-rope, df, mean, error)), float(t.sf(rope, df, mean, error))
