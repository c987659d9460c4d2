"""What repeated splits of one dataset can say: intervals that know the runs overlap.

Runs on random splits of one dataset share most of their training samples, so they are not independent and
the plain t interval is far too narrow. Nadeau & Bengio (Machine Learning, 2003) correct its variance:

    var(mean) = s^2 (1 / n_runs + n_test / n_train),   df = n_runs - 1
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


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
