"""Critical values and p values for many comparisons at once, for any degrees of freedom.

All are of the form P(extreme of standard normals <= c s), averaged over s, the root of a mean square with
`df` degrees of freedom:

- Tukey: the range of k independent normals, for all pairs (`scipy.stats.studentized_range` is the same
  distribution, for one pair at a time and too slow for hundreds);
- Dunnett: the largest of k - 1 normals of correlation 1/2, or of their absolute values, for all against one;
- Bonferroni: the same for any correlation, for pairs that were chosen beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi2

Inner = Callable[[np.ndarray, int], np.ndarray]
"""P(extreme <= w) for values w and a number of means k."""

_WIDEST = 20.0
"""No range and no extreme of fewer than a million normals is wider."""

MANY = 1e6
"""Degrees of freedom beyond which a variance counts as known."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)
_Z = 9.0 * _NODES
_DENSITY = 9.0 * _WEIGHTS * np.exp(-(_Z**2) / 2) / np.sqrt(2 * np.pi)


def all_pairs(w: np.ndarray, k: int) -> np.ndarray:
    """P(range of k independent standard normals <= w), the distribution behind Tukey's test."""
    inside = ndtr(_Z) - ndtr(_Z - w[..., None])
    return np.asarray(k * (inside ** (k - 1) @ _DENSITY))


def against_one(w: np.ndarray, k: int) -> np.ndarray:
    """P(all of k - 1 normals of correlation 1/2 within -w and w), behind Dunnett's two-sided test."""
    root2 = np.sqrt(2)
    inside = ndtr(_Z + root2 * w[..., None]) - ndtr(_Z - root2 * w[..., None])
    return np.asarray(inside ** (k - 1) @ _DENSITY)


def above_one(w: np.ndarray, k: int) -> np.ndarray:
    """P(all of k - 1 normals of correlation 1/2 <= w), behind Dunnett's one-sided test."""
    return np.asarray(ndtr(_Z + np.sqrt(2) * w[..., None]) ** (k - 1) @ _DENSITY)


def bonferroni(w: np.ndarray, k: int) -> np.ndarray:
    """A lower bound of P(all of k - 1 normals within -w and w), whatever their correlation."""
    return np.asarray(1 - 2 * (k - 1) * ndtr(-w))


def p_value(inner: Inner, statistic: float, k: int, df: float) -> float:
    """P(extreme > statistic) under equality; 0 for an infinite one, NaN for NaN."""
    if not np.isfinite(statistic):
        return 0.0 if np.isinf(statistic) else float("nan")
    return float(np.clip(1 - _cdf(inner, abs(statistic), k, df), 0.0, 1.0))


@lru_cache(maxsize=4096)
def critical(inner: Inner, k: int, df: float, level: float = 0.05) -> float:
    """The statistic that is exceeded with probability `level` under equality."""
    top = 10.0
    while _cdf(inner, top, k, df) < 1 - level:
        top *= 2
    return float(brentq(lambda c: _cdf(inner, c, k, df) - (1 - level), 0.0, top, xtol=1e-12))


def _cdf(inner: Inner, c: float, k: int, df: float) -> float:
    scales, weights = _scales(df)
    return float(_tabulated(inner, k)(np.minimum(c * scales, _WIDEST)) @ weights)


@lru_cache(maxsize=256)
def _tabulated(inner: Inner, k: int) -> CubicSpline:
    """The inner probability as a spline, right to 1e-10: it is asked for thousands of times."""
    w = np.linspace(0.0, _WIDEST, 4001)
    return CubicSpline(w, inner(w, k))


@lru_cache(maxsize=4096)
def _scales(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of s = sqrt(chi2 / df) with weights that sum to 1."""
    if df > MANY:
        return np.ones(1), np.ones(1)
    low, high = np.sqrt(chi2.ppf([1e-15, 1 - 1e-15], df) / df)
    s = low + (high - low) * (_NODES + 1) / 2
    # density of s, as d(chi2)/ds = 2 df s
    weights = (high - low) / 2 * _WEIGHTS * chi2.pdf(df * s**2, df) * 2 * df * s
    return s, weights / weights.sum()
