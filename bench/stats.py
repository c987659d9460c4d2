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


def corrected_interval(
    values: Sequence[float], n_train: int, n_test: int, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean of one metric over runs; (nan, nan) for fewer than two runs."""
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        return float("nan"), float("nan")
    error = x.std(ddof=1) * np.sqrt(1 / len(x) + n_test / n_train)
    half = stats.t.ppf(0.5 + level / 2, len(x) - 1) * error
    return float(x.mean() - half), float(x.mean() + half)


def corrected_paired_test(differences: Sequence[float], n_train: int, n_test: int) -> float:
    """Two-sided p value that the mean difference over paired runs is zero; nan for fewer than two runs."""
    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        return float("nan")
    error = d.std(ddof=1) * np.sqrt(1 / len(d) + n_test / n_train)
    if error == 0:
        return 1.0 if d.mean() == 0 else 0.0
    return float(2 * stats.t.sf(abs(d.mean() / error), len(d) - 1))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's correction for several comparisons, name -> adjusted p; nan stays nan."""
    known = {name: p for name, p in p_values.items() if np.isfinite(p)}
    adjusted = dict.fromkeys(p_values, float("nan"))
    if known:
        adjusted |= dict(
            zip(known, multipletests(list(known.values()), method="holm")[1].tolist(), strict=True)
        )
    return adjusted
