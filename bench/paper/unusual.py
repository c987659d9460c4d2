"""Rows whose numbers are possible, but far from how the other rows relate the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log, sqrt

import numpy as np

from bench.paper.finding import Finding
from bench.paper.table import Row, Tables

FAR = 5.0
"""Standard deviations of the other rows; a slip in the first or second digit is often further away."""

FEWEST = 8
"""Rows that differ, below which nobody can say what is usual."""


def check_unusual(tables: Tables) -> Iterator[Finding]:
    """MAPE/MAE and MAE/RMSE of each row against all other rows, on a log scale.

    Methods tested on the same samples have errors of similar shape, so these ratios hardly vary. A row
    far off is not a contradiction: the verdict is undecided.
    """
    for claim, of_row in (("MAPE / MAE", _relative), ("MAE / sqrt(MSE)", _shape)):
        ratios = {row.where: ratio for row in tables.rows if (ratio := of_row(row)) is not None}
        far = list(_far_off(ratios))
        if len(set(ratios.values())) >= FEWEST and not far:
            values = np.exp(list(ratios.values()))
            between = f"{values.min():.3f} to {values.max():.3f}"
            yield Finding(f"{claim} of a row is like that of the others", "every row", "", between, "holds")
        for where, ratio, usual in far:
            yield Finding(
                f"{claim} of a row is like that of the others",
                where,
                f"{np.exp(ratio):.3f}",
                f"usually {np.exp(usual):.3f}",
                "undecided",
                f"More than {FAR:g} standard deviations of the other rows away: look at the original.",
            )


def _far_off(ratios: dict[str, float]) -> Iterator[tuple[str, float, float]]:
    for where, ratio in ratios.items():
        # Copies of a row would vouch for each other, and count as more rows than there are.
        others = np.array(sorted({round(x, 9) for x in ratios.values()} - {round(ratio, 9)}))
        if len(others) >= FEWEST - 1 and abs(ratio - others.mean()) > FAR * others.std(ddof=1):
            yield where, ratio, float(others.mean())


def _log_ratio(top: str, bottom: str, of_bottom: Callable[[float], float]) -> Callable[[Row], float | None]:
    def ratio(row: Row) -> float | None:
        a, b = row.measured(top), row.measured(bottom)
        if a is None or b is None or a.value <= 0 or b.value <= 0:
            return None
        return log(a.value / of_bottom(b.value))

    return ratio


_relative = _log_ratio("mape", "mae", float)
_shape = _log_ratio("mae", "mse", sqrt)
