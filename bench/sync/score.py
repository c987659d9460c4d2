"""The score: how probable it is that music and motion of a video belong together, in [0, 1].

The **margin** of a pair, from its evidence e (`bench.sync.network`) at lag 0 and at all lags up to 1.33 s
either way, is by how much the music fits now better than a little earlier or later, less how far it is to be
moved:

    margin = e[0] - mean of e[l] over 0 < |l| <= NEAR - FAR sum of p[l] |l| over l,   p = softmax(SHARPNESS e)

p is what the network was trained for, at which lag it takes the music to be. Without that part, music that
is far off would score higher than music that is off by half a beat, against which most speaks. A logistic
curve, fitted to true and wrong pairs of videos that networks were not trained on, makes the margin a
probability: of a balanced mixture of true pairs and wrong ones (shifted by 50 to 1000 ms, in another tempo,
of another video), the share that is true. Each direction has a curve of its own; the score is that of both.

A step's score is the same curve of the margin of the evidence around it (Gaussian, a deviation of half a
second): what the score would be if all of the video were like this moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from bench.errors import DataError
from bench.seeds import derive
from bench.sync.network import CONTEXT, LAGS, SynchronyNetwork
from bench.sync.train import SHARPNESS, Video, evidence, interpolated, stretched
from encoders.clock import RATE

NEAR = 8
"""Steps on either side of a lag that it is compared with: 0.53 s."""
FAR = 0.4
"""What a step that the music is to be moved by takes off the margin."""
TO_MOTION, TO_MUSIC, BOTH = "music -> motion", "motion -> music", "both"
DIRECTIONS = TO_MOTION, TO_MUSIC
SMOOTH = 0.5
"""Seconds: the deviation of the window of a step's score."""
SHORTEST = 2 * CONTEXT + 10
"""Steps below which there is nothing to compare."""
SHIFTS = 0.05, 1.0
"""Seconds by which wrong pairs are shifted."""
OTHER_TEMPO = 0.05, 0.25
WRONG = ("shifted", "tempo", "swapped")
"""The kinds of wrong pairs, equally frequent."""


@dataclass(frozen=True)
class Margins:
    """What a network says of one pair.

    Attributes:
        now: (3,) margins at lag 0: each direction, both.
        lags: (2 LAGS + 1,) of both, if the music were moved: lag l is the music l steps after the motion.
        steps: (2, T) of every step, each direction; NaN where a step is too near an end.
    """

    now: np.ndarray
    lags: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class Curve:
    """A logistic curve: margin -> probability."""

    slope: float
    offset: float

    def __call__(self, margin: np.ndarray | float) -> np.ndarray:
        """Probabilities of margins."""
        return np.asarray(expit(self.slope * np.asarray(margin) + self.offset))


def measured(network: SynchronyNetwork, video: Video) -> Margins:
    """The margins of a pair. Raises DataError where it is too short."""
    if (length := min(len(video.music), len(video.motion))) < SHORTEST:
        raise DataError(
            f"{length / RATE:.1f} s of music and motion; {SHORTEST / RATE:.1f} s or more are needed."
        )
    found = evidence(network, [video.music], [video.motion])
    means = np.stack([one.mean[0].numpy() for one in found])
    to_motion, to_music, both = (margins(values) for values in (*means, means.mean(0)))
    steps = np.full((len(found), length), np.nan, np.float32)
    for row, one in zip(steps, found, strict=True):
        row[CONTEXT : length - CONTEXT] = _moments(one.values[0].numpy(), one.known[0].numpy())
    return Margins(np.array([to_motion[LAGS], to_music[LAGS], both[LAGS]]), both, steps)


def margins(values: np.ndarray) -> np.ndarray:
    """The margin of every lag from the evidence by lag, (L,): of the pair, moved by so much."""
    around = np.pad(values, LAGS, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * LAGS + 1)
    return _margin(windows, np.isfinite(windows))


def _margin(evidence: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N,) the margin of the lag in the middle, from evidence (N, 2 LAGS + 1) and where there is any."""
    away = np.abs(np.arange(2 * LAGS + 1) - LAGS)
    there = np.where(known, evidence, 0.0)
    others = known & (away > 0) & (away <= NEAR)
    background = (there * others).sum(-1) / np.maximum(others.sum(-1), 1)
    picked = softmax(np.where(known, SHARPNESS * evidence, -np.inf), axis=-1)
    return np.asarray(there[..., LAGS] - background - FAR * (picked * away).sum(-1))


def _moments(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The margin of every step (T,), from evidence (T, lags) of the steps around and whether there is any."""
    weights = gaussian_filter1d(known.astype(float), SMOOTH * RATE, axis=0, mode="nearest")
    around = gaussian_filter1d(values.astype(float), SMOOTH * RATE, axis=0, mode="nearest")
    seen = weights > 1e-6
    return _margin(around / np.where(seen, weights, 1.0), seen)


def shifted(video: Video, seconds: float) -> Video:
    """The video with its music moved: positive is late. What one of them lacks is cut off."""
    steps = np.arange(len(video.music)) - seconds * RATE
    there = (steps >= 0) & (steps <= len(video.music) - 1)
    return Video(interpolated(video.music, steps[there]), video.motion[there])


def wrong_pairs(videos: Sequence[Video], seed: int) -> dict[str, list[Video]]:
    """A wrong pair of each kind for every video."""
    rng = np.random.default_rng(derive(seed, "sync", "wrong pairs"))
    shifts = rng.uniform(*SHIFTS, len(videos)) * rng.choice([-1, 1], len(videos))
    tempos = np.exp(rng.uniform(*OTHER_TEMPO, len(videos)) * rng.choice([-1, 1], len(videos)))
    turn = int(rng.integers(1, max(2, len(videos))))
    return {
        "shifted": [shifted(video, shift) for video, shift in zip(videos, shifts, strict=True)],
        "tempo": [
            _cut(stretched(video.music, tempo, len(video.music) / 2), video.motion)
            for video, tempo in zip(videos, tempos, strict=True)
        ],
        "swapped": [
            _cut(videos[(row + turn) % len(videos)].music, video.motion) for row, video in enumerate(videos)
        ],
    }


def _cut(music: np.ndarray, motion: np.ndarray) -> Video:
    length = min(len(music), len(motion))
    return Video(music[:length], motion[:length])


def curves_of(true: np.ndarray, wrong: np.ndarray) -> dict[str, Curve]:
    """Curves by direction and of BOTH, from margins (N, 3) and (M, 3) of true and wrong pairs."""
    labels = np.repeat([1, 0], [len(true), len(wrong)])
    curves = {}
    for column, name in enumerate((*DIRECTIONS, BOTH)):
        values = np.concatenate([true[:, column], wrong[:, column]])[:, None]
        deviation = float(values.std()) or 1.0
        fit = LogisticRegression(class_weight="balanced").fit(values / deviation, labels)
        # music that fits worse now than a little later never counts for it
        slope = max(float(fit.coef_[0, 0]) / deviation, 0.0)
        curves[name] = Curve(slope, float(fit.intercept_[0]))
    return curves
