"""For whom does synchronicity pay? Slopes of engagement on it, per influencer type and per genre.

One regression of log(1 + count) has a slope for every level of every factor: score x type, and score x genre
as departures that sum to 0. The slope of a type is then the mean over genres, each counted equally, and that
of a genre the mean over types. All slopes of all factors are one family of simultaneous intervals
(`bench.compare.contrasts`).

Beside these separate estimates stand partially pooled ones: a mixed model in which the slopes of a factor are
draws from one normal distribution, so that uncertain slopes move towards their mean. They are nearer to the
truth on average over levels; a level that really is unlike the others is pulled too far. Creators are no part
of it, so its intervals are widened as much as clustering widens those of the separate estimates.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.stats import t

from bench.compare.contrasts import Contrasts
from bench.compare.simultaneous import LEVEL
from bench.errors import DataError
from bench.sync.terms import Terms, independent, indicators, least_squares, with_const

FEWEST_VIDEOS, FEWEST_CLUSTERS = 8, 3
"""Levels with fewer have no slope of their own: their videos are left out."""
FEWEST_LEVELS = 3
"""Of a factor, for which a variance between slopes can be estimated."""
Name = tuple[str, str]
"""Factor and level."""


@dataclass(frozen=True)
class Slopes:
    """Slopes of log engagement on the score, from 0 to 1 of it.

    Attributes:
        table: a row per level: factor, level, videos, slope, se, low and high (simultaneous over all rows),
            low_own and high_own (of one slope alone), p (simultaneous), pooled, pooled_low and pooled_high
            (partial pooling; NaN for a factor of two levels).
        contrasts: the separate slopes with their covariance, named "factor=level".
        equal: factor -> p that its slopes are all the same.
        errors: what standard errors are robust to.
        videos: how many are in it.
        left_out: levels with too few videos or clusters.
    """

    table: pd.DataFrame
    contrasts: Contrasts
    equal: Mapping[str, float]
    errors: str
    videos: int
    left_out: tuple[str, ...]

    def beside(self, planted: Mapping[Name, float]) -> pd.DataFrame:
        """The table with the slopes that were planted; NaN where that is unknown."""
        names = zip(self.table["factor"], self.table["level"], strict=True)
        return self.table.assign(planted=[planted.get(name, float("nan")) for name in names])


@dataclass(frozen=True)
class _Model:
    """A regression with a slope for every level.

    Attributes:
        y: log(1 + count).
        fixed: constant, levels and controls.
        slopes: factor -> (N, K) the score at videos of each level; 0 elsewhere.
        departures: factor -> (N, K - 1) the same coded to sum to 0.
        codes: factor -> (K, K - 1) what the departures mean for each level.
        groups: factor -> each video's level.
        score: (N,).
    """

    y: np.ndarray
    fixed: pd.DataFrame
    slopes: dict[str, pd.DataFrame]
    departures: dict[str, pd.DataFrame]
    codes: dict[str, np.ndarray]
    groups: dict[str, pd.Series]
    score: pd.Series


def slopes(table: pd.DataFrame, terms: Terms, factors: Sequence[str]) -> Slopes:
    """Slopes per level of the factors, columns of a table with a row per video.

    Raises:
        DataError: no factor has two levels with enough videos, or slopes cannot be separated.
    """
    asked = replace(terms, categories=tuple(dict.fromkeys([*terms.categories, *factors])))
    kept, left_out = _common(asked.complete(table), terms, factors)
    known = [factor for factor in factors if len(kept[factor].unique()) > 1]
    if not known:
        raise DataError(
            f"no column of {', '.join(factors)} has two levels with {FEWEST_VIDEOS} videos or more each"
            + (f" by {FEWEST_CLUSTERS} of {terms.cluster!r}." if terms.cluster else ".")
        )
    controls = replace(terms, categories=tuple(c for c in terms.categories if c not in factors))
    model = _model(kept, controls, known)
    clusters = terms.clusters(kept)
    first, *others = known
    matrix = pd.concat([model.fixed, model.slopes[first], *(model.departures[f] for f in others)], axis=1)
    matrix, same = independent(matrix)
    if mixed_up := [name for name in same if name not in model.fixed]:
        raise DataError(
            f"slopes of {', '.join(known)} cannot be separated ({mixed_up[0]}); give fewer columns."
        )
    fit, errors = least_squares(kept[terms.outcome], matrix, clusters)
    names, weights = _weights(model, matrix, known)
    found = _contrasts(names, weights, fit)
    plain = np.sqrt(np.diag(weights @ np.asarray(fit.model.fit().cov_params()) @ weights.T))
    wider = np.maximum(1, found.errors / plain)
    rows = found.table().rename(columns={"estimate": "slope"}).reset_index(drop=True)
    rows.insert(0, "factor", [factor for factor, _ in names])
    rows.insert(1, "level", [level for _, level in names])
    rows.insert(2, "videos", [int((kept[factor].astype(str) == level).sum()) for factor, level in names])
    pooled = np.concatenate([_pooled(model, factor, found.df) for factor in known])
    rows["pooled"] = pooled[:, 0]
    rows["pooled_low"] = pooled[:, 0] - pooled[:, 1] * wider
    rows["pooled_high"] = pooled[:, 0] + pooled[:, 1] * wider
    return Slopes(rows, found, _equal(names, weights, fit), errors, len(kept), left_out)


def _common(kept: pd.DataFrame, terms: Terms, factors: Sequence[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of levels that are common enough, and the names of the other levels."""
    rare: list[str] = []
    while True:
        before = len(rare)
        for factor in factors:
            for level, rows in kept.groupby(factor, observed=True):
                few = bool(terms.cluster) and rows[terms.cluster].nunique() < FEWEST_CLUSTERS
                if few or len(rows) < FEWEST_VIDEOS or rows[terms.score].nunique() < FEWEST_LEVELS:
                    rare.append(f"{factor}={level}")
                    kept = kept[kept[factor] != level]
        if len(rare) == before:
            return kept, tuple(rare)


def _model(kept: pd.DataFrame, controls: Terms, factors: Sequence[str]) -> _Model:
    score = kept[controls.score].astype(float)
    levels = {factor: indicators(kept[factor]) for factor in factors}
    codes = {
        f: np.vstack([np.eye(len(c.columns) - 1), -np.ones(len(c.columns) - 1)]) for f, c in levels.items()
    }
    slopes, departures = {}, {}
    for factor, columns in levels.items():
        slopes[factor] = columns.mul(score, axis=0).add_prefix("score:")
        coded = columns.to_numpy() @ codes[factor] * score.to_numpy()[:, None]
        names = [f"departure:{name}" for name in columns.columns[:-1]]
        departures[factor] = pd.DataFrame(coded, columns=names, index=kept.index)
    mains = [columns.iloc[:, 1:] for columns in levels.values()]
    fixed, _ = independent(with_const([*mains, controls.controls(kept)], kept))
    y = np.log1p(kept[controls.outcome].to_numpy(float))
    groups = {factor: kept[factor].astype(str) for factor in factors}
    return _Model(y, fixed, slopes, departures, codes, groups, score)


def _weights(model: _Model, matrix: pd.DataFrame, factors: Sequence[str]) -> tuple[list[Name], np.ndarray]:
    """Which combination (S, P) of coefficients is the slope of which level."""
    first = factors[0]
    places = {name: i for i, name in enumerate(matrix.columns)}
    of_first = [places[name] for name in model.slopes[first]]
    names, rows = [], []
    for factor in factors:
        for k, column in enumerate(model.slopes[factor]):
            row = np.zeros(len(places))
            if factor == first:
                row[of_first[k]] = 1
            else:
                row[of_first] = 1 / len(of_first)
                row[[places[name] for name in model.departures[factor]]] = model.codes[factor][k]
            names.append((factor, column.removeprefix(f"score:{factor}=")))
            rows.append(row)
    return names, np.array(rows)


def _contrasts(names: Sequence[Name], weights: np.ndarray, fit: Any) -> Contrasts:
    covariance = weights @ np.asarray(fit.cov_params()) @ weights.T
    df = float(getattr(fit, "df_resid_inference", None) or fit.df_resid)
    labels = tuple(f"{factor}={level}" for factor, level in names)
    return Contrasts(labels, weights @ fit.params.to_numpy(), covariance, df)


def _equal(names: Sequence[Name], weights: np.ndarray, fit: Any) -> dict[str, float]:
    """Wald's F of the differences from a factor's first level."""
    found = {}
    for factor in dict.fromkeys(factor for factor, _ in names):
        own = weights[[name[0] == factor for name in names]]
        found[factor] = float(np.squeeze(fit.f_test(own[1:] - own[0]).pvalue))
    return found


def _pooled(model: _Model, factor: str, df: float) -> np.ndarray:
    """(K, 2) partially pooled slopes of a factor with half their intervals.

    Variances are those of statsmodels' MixedLM (REML) with a random slope; given them, slopes and their
    errors solve Henderson's equations, in which the common slope is uncertain too.
    """
    others = [columns for name, columns in model.departures.items() if name != factor]
    fixed = pd.concat([model.score.rename("score"), model.fixed, *others], axis=1)
    slopes = model.slopes[factor].to_numpy()
    nothing = np.full((slopes.shape[1], 2), np.nan)
    if slopes.shape[1] < FEWEST_LEVELS:
        return nothing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a variance of 0 is at the edge of what is possible, and allowed
            fit = sm.MixedLM(model.y, fixed, model.groups[factor], exog_re=model.score).fit()
    except (np.linalg.LinAlgError, ValueError):
        return nothing
    between, within = float(np.asarray(fit.cov_re)[0, 0]), float(fit.scale)
    if not (np.isfinite(between) and within > 0):
        return nothing
    spread = np.sqrt(max(between, 0.0))
    whole = np.hstack([fixed.to_numpy(), spread * slopes])
    penalty = np.zeros(whole.shape[1])
    penalty[fixed.shape[1] :] = within
    inverse = np.linalg.inv(whole.T @ whole + np.diag(penalty))
    weights = np.zeros((slopes.shape[1], whole.shape[1]))
    weights[:, 0] = 1
    weights[:, fixed.shape[1] :] = spread * np.eye(slopes.shape[1])
    errors = np.sqrt(within * np.diag(weights @ inverse @ weights.T))
    return np.column_stack([weights @ inverse @ whole.T @ model.y, t.ppf(1 - LEVEL / 2, df) * errors])
