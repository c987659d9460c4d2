"""How far two orders of the same methods agree."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from scipy.stats import kendalltau


def flipped(one: Mapping[str, float], other: Mapping[str, float]) -> list[tuple[str, str]]:
    """The pairs of names whose order by `one` is another than by `other`; ties are no order."""
    return [(a, b) for a, b in combinations(one, 2) if (one[a] - one[b]) * (other[a] - other[b]) < 0]


def agreement(one: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Kendall's tau of two or more values by the same names, and how many pairs flip."""
    tau = kendalltau(list(one.values()), [other[name] for name in one]).statistic
    pairs = len(one) * (len(one) - 1) // 2
    return f"Kendall's tau {tau:.2f}, {len(flipped(one, other))} of {pairs} pairs flip"
