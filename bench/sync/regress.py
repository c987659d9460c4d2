"""Does a score predict engagement beyond what is known anyway?

Two regressions of each count on the score, each with and without controls:

- least squares of log(1 + count), with errors robust to clusters (creators) or to unequal variance;
- negative binomial (NB2) of the count itself, for counts that are small or have zeros.

Either slope says by how much log engagement grows from no synchronicity (0) to all of it (1). An association:
controls take away what they measure, nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from bench.compare.simultaneous import LEVEL
from bench.sync.terms import CONST, Terms, independent, least_squares, with_const

FEW = 20
"""Clusters below which robust errors are known to be too small."""
LEAST_SQUARES, NEGATIVE_BINOMIAL = "least squares of log(1 + count)", "negative binomial"
COLUMNS = (
    "outcome", "model", "controls", "term", "estimate", "se", "low", "high", "p", "df",
    "n", "errors", "r2", "r2_without", "note",
)  # fmt: skip


def regressions(table: pd.DataFrame, outcomes: Sequence[str], terms: Terms) -> pd.DataFrame:
    """Both regressions of every outcome, without controls and, where there are any, with; a row per term.

    Columns: `term` is the score or a control (of numbers, per standard deviation); `low`, `high` the 95 %
    interval; `df` of its t; `errors` what it is robust to; `r2` and `r2_without` the shares of variance with
    and without the score (least squares only); `note` what to beware of. A regression that cannot be fitted
    is NaN and says so.

    Raises:
        DataError: a column is not there, or says nothing.
    """
    found: list[dict[str, Any]] = []
    for outcome in outcomes:
        controlled = replace(terms, outcome=outcome)
        kept = controlled.complete(table)  # the same videos with and without controls
        arms = {"none": controlled.bare, "all": controlled}
        for controls, asked in arms.items():
            if controls == "all" and asked == controlled.bare:
                continue
            columns = [kept[terms.score].astype(float), asked.controls(kept)]
            matrix, same = independent(with_const(columns, kept))
            said = [f"left out, as the others say it: {', '.join(same)}"] if same else []
            for fit in (_least_squares, _negative_binomial):
                known = {"outcome": outcome, "controls": controls, "n": len(kept)}
                found += [known | row for row in fit(kept[outcome], matrix, asked, kept, said)]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _least_squares(
    counts: pd.Series, matrix: pd.DataFrame, terms: Terms, kept: pd.DataFrame, said: list[str]
) -> list[dict[str, Any]]:
    clusters = terms.clusters(kept)
    fit, errors = least_squares(counts, matrix, clusters)
    without, _ = least_squares(counts, matrix.drop(columns=terms.score), clusters)
    known = {"r2": float(fit.rsquared), "r2_without": float(without.rsquared)}
    return [row | known for row in _rows(LEAST_SQUARES, fit, matrix, errors, [*said, *_few(clusters)])]


def _negative_binomial(
    counts: pd.Series, matrix: pd.DataFrame, terms: Terms, kept: pd.DataFrame, said: list[str]
) -> list[dict[str, Any]]:
    """For this model statsmodels has no jackknife: CV1 with clusters, else HC0, with t for its degrees."""
    clusters = terms.clusters(kept)
    robust: dict[str, Any] = {"cov_type": "HC0"}
    errors = "HC0"
    if clusters is not None:
        robust = {"cov_type": "cluster", "cov_kwds": {"groups": clusters}}
        errors = f"CV1, {clusters.max() + 1} clusters"
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            model = sm.NegativeBinomial(counts.to_numpy(float), matrix)
            fit = model.fit(method="bfgs", maxiter=1000, disp=0, use_t=True, **robust)
        fitted = bool(fit.mle_retvals["converged"]) and np.isfinite(fit.bse).all()
    except (np.linalg.LinAlgError, ValueError, FloatingPointError):
        fitted = False
    if not fitted:
        return [
            {"model": NEGATIVE_BINOMIAL, "term": t, "note": "no convergence"} for t in matrix if t != CONST
        ]
    return _rows(NEGATIVE_BINOMIAL, fit, matrix, errors, [*said, *_few(clusters)])


def _rows(model: str, fit: Any, matrix: pd.DataFrame, errors: str, said: list[str]) -> list[dict[str, Any]]:
    """A row per term but the constant."""
    df = float(getattr(fit, "df_resid_inference", None) or fit.df_resid)
    known = {"model": model, "errors": errors, "note": "; ".join(said), "df": df}
    rows = pd.DataFrame({"estimate": fit.params, "se": fit.bse, "p": fit.pvalues})
    rows[["low", "high"]] = np.asarray(fit.conf_int(LEVEL))
    # the constant, and the dispersion of counts, are no terms
    return [known | {"term": term} | rows.loc[term].to_dict() for term in matrix.columns if term != CONST]


def _few(clusters: np.ndarray | None) -> list[str]:
    few = clusters is not None and clusters.max() + 1 < FEW
    return [f"fewer than {FEW} clusters: errors may be too small"] if few else []
