"""The common clock of sequences: step k is the time from k / rate to (k + 1) / rate seconds of the file.

Whatever the frames of a video or the windows of a sound are, what is measured on them holds for a stretch
of time, and a step has its mean over that time. So step k of one encoder is the same moment as step k of
another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from encoders.base import Encoder, within
from encoders.feature import Feature

RATE = 15
"""Steps per second."""
RATES = 2, 60
SECONDS = 600.0
"""Length from which on nothing more is read."""


def steps(seconds: float, rate: int) -> int:
    """How many steps a file of this length has, one at least; the last may be cut short.

    Containers round times: what goes beyond a step by less than a twentieth is no further step.
    """
    return max(1, math.ceil(seconds * rate - 0.05))


def times(count: int, rate: int) -> np.ndarray:
    """The middle of each step in seconds, (count,)."""
    return (np.arange(count) + 0.5) / rate


def events(at: np.ndarray, width: float, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moments (N,) as stretches of a width in seconds, for `pooled`: each adds 1 to the steps it falls on.

    Returns:
        Starts (N,), ends (N,) and values (N, 1).
    """
    starts = np.maximum(at - width / 2, 0.0)
    return starts, starts + width, np.full((len(at), 1), 1 / (width * rate))


def pooled(starts: np.ndarray, ends: np.ndarray, values: np.ndarray, seconds: float, rate: int) -> np.ndarray:
    """The mean over every step of what holds for stretches of time; where nothing does, it is 0.

    Args:
        starts: of the stretches in seconds, (N,), rising.
        ends: (N,), each at most the next start.
        values: (N, D).
        seconds: length of the file; the mean over a last step that is cut short is over what is left of it.
        rate: steps per second.

    Returns:
        (steps, D) float64.
    """
    count = steps(seconds, rate)
    if not len(values):
        return np.zeros((count, values.shape[1]))
    knots = np.stack([starts, np.maximum(ends, starts)], axis=1).ravel()
    areas = np.cumsum(values * (knots[1::2] - knots[::2])[:, None], axis=0)
    integral = np.zeros((len(knots), values.shape[1]))
    integral[1::2] = areas
    integral[2::2] = areas[:-1]
    edges = np.minimum(np.arange(count + 1) / rate, max(seconds, 1e-6))
    at_edges = np.stack([np.interp(edges, knots, column) for column in integral.T], axis=1)
    return np.asarray(np.diff(at_edges, axis=0) / np.diff(edges)[:, None])


class Clocked(Encoder):
    """An encoder that measures a file with a library, and gives a sequence on this clock.

    Args:
        rate: steps per second.
    """

    library: ClassVar[tuple[str, str]]
    """What measures: its name, and the distribution that it is in."""

    def __init__(self, modality: str, name: str, weights: str, *, rate: int = RATE) -> None:
        super().__init__(modality, name, weights, rate=within("rate", rate, *RATES))
        self.rate = rate

    @property
    def source(self) -> str:
        """The library that measures."""
        name, distribution = self.library
        return f"{name} {version(distribution)}"

    def feature(self, stretches: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], end: float) -> Feature:
        """The steps (T, D) with their times, of measurements side by side as `pooled` takes them."""
        values = np.concatenate([pooled(*stretch, end, self.rate) for stretch in stretches], axis=1)
        return Feature(values.astype(np.float32), times(len(values), self.rate))
