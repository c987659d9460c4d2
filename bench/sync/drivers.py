"""What drives a score: groups of features, by permutation and by exact Shapley values.

A fitted model predicts the score (or engagement) from features in groups: tempo, beat strength, motion
energy, cut rate, lag, downbeat accent. Two questions, two answers:

- how much worse does the model get where a group says nothing? Permutation importance (Breiman, 2001), all
  features of a group at once, so that they stay together;
- who gets which part of a prediction? Shapley values (Shapley, 1953) over the groups, exact: all 2^G subsets.
  A group that is absent takes the values of background videos, and the prediction is averaged over them
  (the interventional expectation of Lundberg & Lee, 2017; Janzing et al., 2020).

Both say what the model uses, not what would happen if somebody changed a video.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Protocol

import numpy as np
import pandas as pd

MOST = 12
"""Groups above which 2^G subsets are too many."""


class Model(Protocol):
    """What is asked of a fitted model: scikit-learn's regressors have it."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(N,) of features (N, D)."""


@dataclass(frozen=True)
class Attribution:
    """How predictions divide among groups.

    Attributes:
        groups: names of the G groups.
        values: (N, G); with the base a row sums to its prediction.
        base: the mean prediction over the background.
    """

    groups: tuple[str, ...]
    values: np.ndarray
    base: float

    @property
    def importance(self) -> pd.Series:
        """Mean absolute share of every group, the largest first."""
        return pd.Series(np.abs(self.values).mean(0), index=self.groups).sort_values(ascending=False)


def shapley(worth: Callable[[frozenset[int]], np.ndarray], players: int) -> np.ndarray:
    """The Shapley values (..., G) of G players: each one's gain, averaged over all orders of joining.

    `worth` gives what a set of players is worth, a number or an array (...); it is asked once for each set.
    """
    if players > MOST:
        raise ValueError(f"{players} groups have too many subsets; put features together into at most {MOST}")
    sets = [frozenset(i for i in range(players) if code >> i & 1) for code in range(2**players)]
    worths = [np.asarray(worth(members), dtype=float) for members in sets]
    # the share of orders in which exactly so many come before the one that joins
    shares = [factorial(n) * factorial(players - n - 1) / factorial(players) for n in range(players)]
    values = np.zeros((players, *worths[0].shape))
    for code, members in enumerate(sets):
        for player in set(range(players)) - members:
            values[player] += shares[len(members)] * (worths[code | 1 << player] - worths[code])
    return np.moveaxis(values, 0, -1)


def explain(
    model: Model, features: np.ndarray, background: np.ndarray, groups: Mapping[str, Sequence[int]]
) -> Attribution:
    """Divide the predictions for features (N, D) among groups of their columns.

    Args:
        model: fitted.
        features: (N, D) to explain.
        background: (B, D) videos that lend the values of absent groups; the work grows with N x B x 2^G.
        groups: name -> its columns; every column belongs to one group.
    """
    columns = _columns(groups, features.shape[1])
    n, b = len(features), len(background)

    def worth(members: frozenset[int]) -> np.ndarray:
        mixed = np.tile(background, (n, 1))
        known = [column for i in members for column in columns[i]]
        mixed[:, known] = np.repeat(features[:, known], b, axis=0)
        predicted: np.ndarray = model.predict(mixed).reshape(n, b)
        return np.asarray(predicted.mean(1))

    return Attribution(tuple(groups), shapley(worth, len(groups)), float(worth(frozenset())[0]))


def permutation_importance(
    model: Model,
    features: np.ndarray,
    target: np.ndarray,
    groups: Mapping[str, Sequence[int]],
    *,
    repeats: int = 30,
    seed: int = 0,
) -> pd.DataFrame:
    """By how much the mean squared error grows where a group's values are dealt out to other rows.

    Give rows (N, D) that the model was not fitted to. Groups that go together share what they say: each may
    seem dispensable. A row per group, the largest first: group, increase (mean over repeats), sd, and share,
    the increase relative to the variance of the target (1: all is lost).
    """
    columns, rng = _columns(groups, features.shape[1]), np.random.default_rng(seed)

    def error(given: np.ndarray) -> float:
        return float(np.mean((np.asarray(model.predict(given)) - target) ** 2))

    intact, rows = error(features), []
    for name, group in zip(groups, columns, strict=True):
        increases = []
        for _ in range(repeats):
            dealt = features.copy()
            dealt[:, group] = features[rng.permutation(len(features))][:, group]
            increases.append(error(dealt) - intact)
        mean = float(np.mean(increases))
        rows.append((name, mean, float(np.std(increases, ddof=1)), mean / float(np.var(target))))
    found = pd.DataFrame(rows, columns=["group", "increase", "sd", "share"])
    return found.sort_values("increase", ascending=False, ignore_index=True)


def _columns(groups: Mapping[str, Sequence[int]], width: int) -> list[list[int]]:
    """The columns of every group. Raises ValueError unless each column is in exactly one."""
    columns = [list(group) for group in groups.values()]
    if sorted(column for group in columns for column in group) != list(range(width)):
        raise ValueError(f"every one of the {width} columns must be in exactly one group")
    return columns
