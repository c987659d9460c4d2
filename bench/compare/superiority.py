"""On how many samples is one method closer to the truth than another?

The probability of superiority says what a difference of means does not: whether a method is a little better
on most samples, or much better on a few.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def superiority(losses: Sequence[np.ndarray], *, lower_is_better: bool) -> np.ndarray:
    """P(the first is better on a random test sample) for all pairs, ties counted half.

    Args:
        losses: one (k, n) per split.
        lower_is_better: which way they are better.

    Returns:
        (k, k), the mean over splits; 1/2 on the diagonal.
    """
    sign = 1 if lower_is_better else -1
    return np.asarray(np.mean([_share(sign * part) for part in losses], axis=0))


def _share(losses: np.ndarray) -> np.ndarray:
    """(k, k) of losses (k, n), the lower the better."""
    rows = [((one < losses) + 0.5 * (one == losses)).mean(1) for one in losses]
    return np.stack(rows)
