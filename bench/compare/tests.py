"""What repeated splits of one dataset can say: intervals and paired tests that know the runs overlap.

Runs on random splits of one dataset share most of their training samples, so they are not independent and
the plain t interval is far too narrow. Nadeau & Bengio (Machine Learning, 2003) correct its variance:

    var(mean) = s^2 (1 / n_runs + n_test / n_train),   df = n_runs - 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests


def varies(values: Sequence[float] | np.ndarray) -> bool:
    """Whether runs have a spread: two or more, none diverged, not all the same but for rounding.

    A deterministic method on a fixed split gives one number again and again, which is no spread of 0.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < 2 or not np.isfinite(x).all():
        return False
    return bool(np.ptp(x) > 1e-12 * max(1.0, float(np.abs(x).max())))


def interval(
    values: Sequence[float] | np.ndarray,
    n_train: int,
    n_test: int,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float]:
    """Interval of the mean of one metric over runs, inside its range; (nan, nan) where `varies` is false.

    With `n_test` 0 it is the plain t interval: on one fixed split no test samples are drawn.
    """
    x = np.asarray(values, dtype=float)
    if not varies(x):
        return float("nan"), float("nan")
    with np.errstate(over="ignore"):  # a run that diverged
        error = x.std(ddof=1) * np.sqrt(1 / len(x) + n_test / n_train)
    half = stats.t.ppf(0.5 + level / 2, len(x) - 1) * error
    low, high = np.clip((x.mean() - half, x.mean() + half), *bounds)
    return float(low), float(high)


def corrected_paired_test(differences: Sequence[float] | np.ndarray, n_train: int, n_test: int) -> float:
    """Two-sided p value that the mean difference over paired runs is zero; nan for fewer than two runs."""
    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        return float("nan")
    error = d.std(ddof=1) * np.sqrt(1 / len(d) + n_test / n_train)
    if error == 0:
        return 1.0 if d.mean() == 0 else 0.0
    return float(2 * stats.t.sf(abs(d.mean() / error), len(d) - 1))


def crossed_paired_test(differences: np.ndarray) -> float:
    """Two-sided p value that the mean difference (seeds, samples) on one fixed test part is zero.

    With a fixed split, seeds repeat the training only, so their spread says nothing about other test samples.
    Both are taken as random and crossed: var(mean) = s_seeds^2 / n_seeds + s_samples^2 / n_samples of the
    margins' means, with Satterthwaite's degrees of freedom. Samples count as independent. nan for fewer than
    two seeds or samples.
    """
    if min(differences.shape) < 2:
        return float("nan")
    margins = [differences.mean(1), differences.mean(0)]
    parts = np.array([margin.var(ddof=1) / len(margin) for margin in margins])
    free = np.array([len(margin) - 1 for margin in margins])
    if parts.sum() == 0:
        return 1.0 if differences.mean() == 0 else 0.0
    df = parts.sum() ** 2 / (parts**2 / free).sum()
    return float(2 * stats.t.sf(abs(differences.mean()) / np.sqrt(parts.sum()), df))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's correction for several comparisons, name -> adjusted p; nan stays nan."""
    known = {name: p for name, p in p_values.items() if np.isfinite(p)}
    adjusted = dict.fromkeys(p_values, float("nan"))
    if known:
        adjusted |= dict(
            zip(known, multipletests(list(known.values()), method="holm")[1].tolist(), strict=True)
        )
    return adjusted
