"""Does the score recover what was planted, better than yardsticks do? And does it fall where music is moved?

Rank correlations with the planted synchronicity, with intervals from a bootstrap of influencers: all seeds
and all measures are drawn together, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from bench.compare.simultaneous import LEVEL

DRAWS = 1000
SCORE = "score"


def recovery(
    measures: Mapping[str, np.ndarray], planted: np.ndarray, groups: np.ndarray, seed: int = 0
) -> pd.DataFrame:
    """A row per measure, the highest correlation first.

    Args:
        measures: name -> (N,) or, of several seeds, (seeds, N); NaN where a video could not be measured, and
            takes the median. One of them is SCORE.
        planted: (N,).
        groups: (N,) whose videos are drawn together.
        seed: of the bootstrap.

    Returns:
        Columns: measure, spearman (mean over seeds), low, high, sd (over seeds), ahead (by how much the score
        is better), ahead_low, ahead_high, measured (share of videos).
    """
    filled = {name: _filled(np.atleast_2d(values)) for name, values in measures.items()}
    found = {name: [_spearman(row, planted) for row in values] for name, values in filled.items()}
    draws = {name: np.empty(DRAWS) for name in measures}
    every = np.concatenate(list(filled.values()))
    ends = np.cumsum([len(values) for values in filled.values()])[:-1]
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    for draw in range(DRAWS):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        truth = rankdata(planted[rows])
        again = np.array([_pearson(ranks, truth) for ranks in rankdata(every[:, rows], axis=1)])
        for name, of_seeds in zip(filled, np.split(again, ends), strict=True):
            draws[name][draw] = np.mean(of_seeds)
    rows_out: list[dict[str, Any]] = []
    for name, correlations in found.items():
        ahead = draws[SCORE] - draws[name]
        rows_out.append(
            {
                "measure": name,
                "spearman": float(np.mean(correlations)),
                **_ends(draws[name], ""),
                "sd": float(np.std(correlations, ddof=1)) if len(correlations) > 1 else np.nan,
                "ahead": np.nan if name == SCORE else float(np.mean(found[SCORE]) - np.mean(correlations)),
                **(_ends(ahead, "ahead_") if name != SCORE else {"ahead_low": np.nan, "ahead_high": np.nan}),
                "measured": float(np.isfinite(np.atleast_2d(measures[name])).mean()),
            }
        )
    return pd.DataFrame(rows_out).sort_values("spearman", ascending=False, ignore_index=True)


def shift_curve(moved: pd.DataFrame) -> pd.DataFrame:
    """The mean score by how far the music is moved, and of other wrong pairs; a row each.

    Columns: kind, seconds, score, low and high (95 %, over videos), beats_true (in how many pairs of videos a
    true pair scores higher than this one: 0.5 is chance).
    """
    by_video = moved.groupby(["kind", "seconds", "id"], dropna=False, sort=False)["score"].mean()
    true = by_video.loc[("moved", 0.0)].to_numpy()
    rows = []
    for (kind, seconds), scores in by_video.groupby(level=[0, 1], dropna=False, sort=False):
        values = scores.to_numpy()
        reach = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
        above = (true[:, None] > values).mean() + 0.5 * (true[:, None] == values).mean()
        rows.append((kind, seconds, values.mean(), values.mean() - reach, values.mean() + reach, above))
    return pd.DataFrame(rows, columns=["kind", "seconds", "score", "low", "high", "beaten"])


def calibration(scores: pd.DataFrame, moved: pd.DataFrame, bins: int = 5) -> pd.DataFrame:
    """Of pairs with a score in a bin, true and wrong ones in equal numbers: which share is true."""
    wrong = moved[moved["kind"] != "moved"]["score"].to_numpy()
    true = scores["score"].to_numpy()
    edges = np.linspace(0, 1, bins + 1)
    rows = []
    for low, high in pairwise(edges):
        inside = [values[(values >= low) & ((values < high) | (high == 1))] for values in (true, wrong)]
        hits, misses = (len(part) / len(whole) for part, whole in zip(inside, (true, wrong), strict=True))
        mean = (hits * _mean(inside[0]) + misses * _mean(inside[1])) / (hits + misses or np.nan)
        share = hits / (hits + misses or np.nan)
        rows.append((f"{low:.1f} to {high:.1f}", mean, share, sum(map(len, inside))))
    return pd.DataFrame(rows, columns=["score", "mean", "true", "pairs"])


def nearest_lag(lags: np.ndarray, rate: float, within: float = 0.25) -> np.ndarray:
    """(N,) seconds of the highest margin among lags (N, 2 L + 1) at most `within` seconds from 0."""
    middle = lags.shape[1] // 2
    reach = round(within * rate)
    near = lags[:, middle - reach - 1 : middle + reach + 2]
    at = near[:, 1:-1].argmax(1) + 1
    rows = np.arange(len(near))
    before, here, after = near[rows, at - 1], near[rows, at], near[rows, at + 1]
    bend = before - 2 * here + after
    safe = np.where(bend < 0, bend, -1.0)
    shift = np.where(bend < 0, np.clip((before - after) / (2 * safe), -0.5, 0.5), 0.0)
    return np.asarray((at + shift - reach - 1) / rate)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _filled(values: np.ndarray) -> np.ndarray:
    middle = np.nanmedian(values) if np.isfinite(values).any() else 0.0
    return np.where(np.isfinite(values), values, middle)


def _spearman(values: np.ndarray, planted: np.ndarray) -> float:
    return float(spearmanr(values, planted).statistic) if np.ptp(values) > 0 else 0.0


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def _ends(draws: np.ndarray, prefix: str) -> dict[str, float]:
    low, high = np.quantile(draws, [LEVEL / 2, 1 - LEVEL / 2])
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}
