"""Which columns explain engagement, as a matrix for a regression; least squares with robust errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from bench.errors import DataError, did_you_mean

CONST = "(constant)"


@dataclass(frozen=True)
class Terms:
    """The columns of a table, a row per video, that take part in a regression.

    Attributes:
        outcome: counts, such as likes.
        score: synchronicity, in [0, 1].
        logged: controls that enter as log(1 + x), such as followers.
        numeric: controls that enter as they are.
        categories: controls of which every level but the first gets a column of zeros and ones.
        cluster: whose videos depend on each other, such as the creator; "" where that is unknown.
    """

    outcome: str
    score: str = "sync"
    logged: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    cluster: str = ""

    @property
    def bare(self) -> Terms:
        """The same without controls."""
        return replace(self, logged=(), numeric=(), categories=())

    def complete(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows that have a value in every column that takes part.

        Raises:
            DataError: a column is not there or not what it must be, or too little is left.
        """
        numbers = [self.outcome, self.score, *self.logged, *self.numeric]
        if twice := {name for name in numbers if numbers.count(name) > 1}:
            raise DataError(f"column {min(twice)!r} takes part twice; name it once.")
        names = dict.fromkeys([*numbers, *self.categories, *([self.cluster] if self.cluster else [])])
        for name in names:
            if name not in table.columns:
                raise DataError(f"no column {name!r}: {did_you_mean(name, map(str, table.columns))}")
        for name in numbers:
            if not pd.api.types.is_numeric_dtype(table[name]):
                raise DataError(f"column {name!r} must be numbers to take part in a regression.")
        for name in (self.outcome, *self.logged):
            if (table[name] < 0).any():
                raise DataError(f"column {name!r} has negative values; counts have none.")
        kept = table[list(names)].replace([np.inf, -np.inf], np.nan).dropna()
        if len(kept) < len(numbers) + 10:
            raise DataError(f"only {len(kept)} videos have all of {', '.join(names)}; more are needed.")
        for name in (self.outcome, self.score):
            if len(kept[name].unique()) < 2:
                raise DataError(f"column {name!r} is the same for all {len(kept)} videos.")
        return kept

    def controls(self, kept: pd.DataFrame) -> pd.DataFrame:
        """(N, C) columns of the controls: numbers standardised, categories as `name=level`."""
        columns = {name: np.log1p(kept[name]) for name in self.logged}
        columns |= {name: kept[name].astype(float) for name in self.numeric}
        scaled = {name: (c - c.mean()) / (c.std() or 1.0) for name, c in columns.items()}
        levels = [indicators(kept[name]).iloc[:, 1:] for name in self.categories]
        return pd.concat([pd.DataFrame(scaled, index=kept.index), *levels], axis=1)

    def clusters(self, kept: pd.DataFrame) -> np.ndarray | None:
        """(N,) the number of each video's cluster; None where there is none, or only one."""
        if not self.cluster or kept[self.cluster].nunique() < 2:
            return None
        return np.asarray(pd.factorize(kept[self.cluster])[0])


def indicators(column: pd.Series) -> pd.DataFrame:
    """(N, K) zeros and ones, a column `name=level` for every level, in order."""
    return pd.get_dummies(column.astype(str), prefix=column.name, prefix_sep="=", dtype=float)


def independent(columns: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The columns without those that the ones before them already say, and the names of these."""
    kept: list[str] = []
    basis: list[np.ndarray] = []
    for name in columns:
        vector = columns[name].to_numpy(float)
        rest = vector - sum((b * (b @ vector) for b in basis), np.zeros_like(vector))
        rest -= sum((b * (b @ rest) for b in basis), np.zeros_like(vector))  # twice is enough
        size = float(np.linalg.norm(rest))
        if size > 1e-8 * (float(np.linalg.norm(vector)) or 1.0):
            kept.append(name)
            basis.append(rest / size)
    return columns[kept], [name for name in columns if name not in kept]


def with_const(columns: Iterable[pd.DataFrame | pd.Series], like: pd.DataFrame) -> pd.DataFrame:
    """A matrix of a constant and columns."""
    return pd.concat([pd.Series(1.0, like.index, name=CONST), *columns], axis=1)


def least_squares(outcome: pd.Series, columns: pd.DataFrame, clusters: np.ndarray | None) -> tuple[Any, str]:
    """A fit of log(1 + counts) with robust errors, and what they are.

    With clusters, those of the jackknife that leaves one out at a time (CV3; MacKinnon, Nielsen & Webb,
    2023), which hold where clusters are few or unequal; without, HC3, much the same for single videos. Where
    a coefficient depends on a single cluster or video, CV1 and HC1.
    """
    model = sm.OLS(np.log1p(outcome.to_numpy(float)), columns)
    if clusters is None:
        leverage = (np.linalg.qr(columns.to_numpy())[0] ** 2).sum(1)
        errors = "HC3" if leverage.max() < 1 - 1e-8 else "HC1"
        return model.fit(cov_type=errors, use_t=True), errors
    groups, said = {"groups": clusters}, f"{clusters.max() + 1} clusters"
    try:
        return model.fit(cov_type="cluster-crv3", cov_kwds=groups, use_t=True), f"CV3, {said}"
    except ValueError:  # says that a coefficient depends on one cluster
        return model.fit(cov_type="cluster", cov_kwds=groups, use_t=True), f"CV1, {said}"
