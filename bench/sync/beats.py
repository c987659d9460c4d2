"""Where the beats of a motion are: from curves on a common clock to times in seconds.

Music has beats that a beat tracker finds; a motion has none that anybody agrees on. Two definitions are in
use, and both are here:

- **stops** (AIST++, Li et al., 2021): a dancer stops on the beat, so a motion beat is a local minimum of
  speed. Their code compares each frame with the 10 on either side at 60 frames per second, which is 1/6 s.
- **peaks**: a cut, a turn or a hit is a burst, so a motion beat is a local maximum of energy. AV-Align (Yariv
  et al., 2023) compares each frame of optical flow with its two neighbours.

A curve that does not change has no beats; nor has one that varies by rounding only.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import minimum_filter1d

REACH = 1 / 6
"""Seconds on either side within which a stop is the lowest: 10 frames at 60 frames per second."""
ROUNDING = 1e-9
"""A range below this share of the largest value is rounding."""


def stops(speed: np.ndarray, rate: float, reach: float = REACH, first: float = 0.0) -> np.ndarray:
    """Times of the local minima of speed.

    Args:
        speed: (T,) at `rate` steps per second.
        rate: steps per second.
        reach: seconds on either side within which a minimum is the lowest; at least one step counts.
        first: when the first step is, in seconds: half a step where steps are stretches of time.

    Returns:
        (K,) seconds. A stop that lasts is one beat, in its middle. The first and the last
        step are none: what comes before and after them is not known.
    """
    speed = _curve(speed)
    steps = max(1, round(reach * rate))
    if not changes(speed):
        return np.empty(0)
    lowest = speed == minimum_filter1d(speed, 2 * steps + 1, mode="nearest")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lowest, [False]]).astype(int)))
    starts, ends = edges[::2], edges[1::2] - 1  # runs of steps that are lowest, ends included
    runs = [(s, e) for s, e in zip(starts, ends, strict=True) if _rises(speed, s, e)]
    return np.array([first + _middle(speed, s, e) / rate for s, e in runs])


def peaks(energy: np.ndarray, rate: float, reach: float = 0.0, first: float = 0.0) -> np.ndarray:
    """Times of the local maxima of energy, as `stops` of its negative; without `reach`, as AV-Align has them.

    Two peaks are then at least two steps apart.
    """
    return stops(-_curve(energy), rate, reach, first)


def changes(curve: np.ndarray) -> bool:
    """Whether a curve varies by more than rounding; an empty one does not, nor does one with NaN."""
    curve = _curve(curve)
    if not len(curve) or not np.isfinite(curve).all():
        return False
    return bool(np.ptp(curve) > ROUNDING * np.abs(curve).max())


def _rises(curve: np.ndarray, start: int, end: int) -> bool:
    """Whether a curve is higher on both sides of a run: a level stretch on a slope is no minimum."""
    within = start > 0 and end < len(curve) - 1
    return bool(within and curve[start - 1] > curve[start] and curve[end + 1] > curve[end])


def _middle(curve: np.ndarray, start: int, end: int) -> float:
    """Where between steps an extremum lies: the vertex of a parabola through three, or a plateau's middle."""
    if end > start:
        return (start + end) / 2
    return start + vertex(*curve[start - 1 : start + 2])


def vertex(before: float, here: float, after: float) -> float:
    """Steps from the middle of three equally spaced values to the extremum of the parabola through them."""
    bend = before - 2 * here + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend else 0.0


def _curve(values: np.ndarray) -> np.ndarray:
    curve = np.asarray(values, dtype=float)
    if curve.ndim != 1:
        raise ValueError(f"a curve is (T,), this is {curve.shape}")
    return curve
