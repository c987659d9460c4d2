"""Measures of synchronicity that need no training, each by its published formula.

==================  ========================================================================================
bas_motion          beat alignment score over motion beats: Li, Yang, Ross & Kanazawa, "AI Choreographer"
                    (AIST++), ICCV 2021
bas_music           the same kernel over music beats: Siyao et al., "Bailando", CVPR 2022, as
                    public copies of its code have it. Another number: many motion beats raise this
                    one and lower that one
beat_cover          Lee et al., "Dancing to Music", NeurIPS 2019: B_k / B_m, and
beat_hit            B_a / B_k
av_align            Yariv et al., "Diverse and aligned audio-to-video generation via text-to-video model
                    adaptation", AAAI 2024, as their public code (TempoTokens) has it
xcorr_peak          the largest Pearson correlation of onset strength and motion energy over lags, and
xcorr_lag           at which lag that is
mutual_information  of the two curves, step by step: Kraskov, Stögbauer & Grassberger, Phys. Rev. E 69, 2004
late                cosine of the two z-scored envelopes at lag 0: no training, and no look at other lags
==================  ========================================================================================

What cannot be measured is NaN, never a 0 or 1 that would read as a finding; `missing` says why. The published
code differs there: it gives 0 (AIST++ without motion beats, AV-Align without peaks on one side) or fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d
from sklearn.feature_selection import mutual_info_regression

from bench.sync.beats import changes, vertex

NAN = float("nan")
SIGMA = 3 / 60
"""Seconds: the kernel's width, 3 frames at 60 frames per second."""
TOLERANCE = 6 / 60
"""Seconds within which a beat is hit. Lee et al. print none; ours is 6 frames at 60 a second."""
LARGEST_LAG = 1.0
"""Seconds of shift, either way, at which curves are compared."""
NEIGHBOURS = 3
"""Of the estimator of mutual information, the default of scikit-learn."""
SHORTEST = 8
"""Steps in common below which curves are not compared."""


@dataclass(frozen=True)
class Pair:
    """Music and motion of one video. Times are seconds from the start; curves have one clock.

    Attributes:
        music_beats: (A,) times of a beat tracker.
        motion_beats: (K,) times (`bench.sync.beats.stops` or `peaks`).
        onsets: (O,) times of onsets, and
        flow_peaks: (P,) of the local maxima of optical flow (`bench.sync.beats.peaks`), for AV-Align.
        onset_strength, motion_energy: (T,) curves.
        rate: steps of the curves per second.
        frame: seconds that a frame of the video lasts.
    """

    music_beats: np.ndarray
    motion_beats: np.ndarray
    onsets: np.ndarray
    flow_peaks: np.ndarray
    onset_strength: np.ndarray
    motion_energy: np.ndarray
    rate: float
    frame: float


def alignment(beats: np.ndarray, others: np.ndarray, sigma: float = SIGMA) -> float:
    """Mean over `beats` of exp(-d^2 / 2 sigma^2), d seconds to the nearest of `others`.

    Over motion beats it is the score of AIST++, over music beats that of Bailando. NaN without any of either.
    """
    if not len(beats) or not len(others):
        return NAN
    return float(np.exp(-(_distances(beats, others) ** 2) / (2 * sigma**2)).mean())


def cover(music_beats: np.ndarray, motion_beats: np.ndarray) -> float:
    """B_k / B_m: motion beats per music beat. 0 where nothing moves on any beat; more than 1 is possible."""
    return len(motion_beats) / len(music_beats) if len(music_beats) else NAN


def hit(music_beats: np.ndarray, motion_beats: np.ndarray, tolerance: float = TOLERANCE) -> float:
    """B_a / B_k: the share of motion beats with a music beat within `tolerance` seconds, ends included."""
    if not len(music_beats) or not len(motion_beats):
        return NAN
    # 0.3 - 0.2 is more than 0.1 in binary
    return float((_distances(motion_beats, music_beats) <= tolerance + 1e-9).mean())


def av_align(onsets: np.ndarray, flow_peaks: np.ndarray, frame: float) -> float:
    """Intersection over union of onsets and flow peaks.

    An onset counts as common where a flow peak is less than one `frame` (seconds) away; the union is all that
    are left. As published, several onsets may share a flow peak, so that dense onsets can give more than 1.
    """
    if not len(onsets) or not len(flow_peaks):
        return NAN
    common = int((_distances(onsets, flow_peaks) < frame - 1e-9).sum())
    return common / (len(onsets) + len(flow_peaks) - common)


class Correlation(NamedTuple):
    """The largest correlation over lags, and the lag in seconds: positive where motion follows music."""

    peak: float
    lag: float


def cross_correlation(
    music: np.ndarray, motion: np.ndarray, rate: float, largest: float = LARGEST_LAG
) -> Correlation:
    """The highest Pearson correlation of the parts of two curves (T,) that overlap, over lags to `largest` s.

    Of equal peaks the one nearest to 0 counts. The lag is finer than a step: the vertex of the parabola
    through the peak and its neighbours. A lag is known up to the period of a steady beat only. NaN for a
    curve that does not change.
    """
    _same(music, motion)
    most = min(round(largest * rate), len(music) - SHORTEST)
    if most < 0 or not (changes(music) and changes(motion)):
        return Correlation(NAN, NAN)
    lags = np.arange(-most, most + 1)
    found = np.array([_pearson(*_overlap(music, motion, int(lag))) for lag in lags])
    if np.isnan(found).all():
        return Correlation(NAN, NAN)
    highest = np.nanmax(found)
    at = min(np.flatnonzero(found >= highest - 1e-12), key=lambda i: abs(lags[i]))
    inside = 0 < at < len(lags) - 1 and np.isfinite(found[at - 1 : at + 2]).all()
    return Correlation(
        float(highest), float((lags[at] + (vertex(*found[at - 1 : at + 2]) if inside else 0)) / rate)
    )


def mutual_information(music: np.ndarray, motion: np.ndarray) -> float:
    """Nats that a step of one curve (T,) says about the same step of the other, at lag 0.

    Estimated from the distances to the third nearest neighbours (scikit-learn's `mutual_info_regression`) of
    the z-scored curves. Steps are taken as independent, which they are not: compare values, don't test them.
    NaN for a curve that does not change.
    """
    _same(music, motion)
    if len(music) < SHORTEST or not (changes(music) and changes(motion)):
        return NAN
    one, other = _standardised(music), _standardised(motion)
    found = mutual_info_regression(one[:, None], other, n_neighbors=NEIGHBOURS, random_state=0)
    return float(found[0])


def late(music: np.ndarray, motion: np.ndarray, rate: float, sigma: float = SIGMA) -> float:
    """Cosine of the two z-scored envelopes (T,) at lag 0, in [-1, 1].

    An envelope is a curve smoothed by a Gaussian of `sigma` seconds, so that near counts as near, by as much
    as in the beat alignment scores. NaN for a curve that does not change.
    """
    _same(music, motion)
    if len(music) < SHORTEST or not (changes(music) and changes(motion)):
        return NAN
    smooth = (gaussian_filter1d(np.asarray(c, dtype=float), sigma * rate) for c in (music, motion))
    return _pearson(*smooth)


class Yardstick(NamedTuple):
    """A measure of a pair.

    Attributes:
        measure: the number; NaN where it cannot be had.
        label: what people read.
        needs: what a pair must have of "music beats", "motion beats", "onsets", "flow peaks", "sound" and
            "motion".
        score: the number as one that is higher for more synchronicity.
    """

    measure: Callable[[Pair], float]
    label: str
    needs: tuple[str, ...]
    score: Callable[[float], float] = float


_BEATS, _PEAKS, _CURVES = ("music beats", "motion beats"), ("onsets", "flow peaks"), ("sound", "motion")


def _correlation(pair: Pair) -> Correlation:
    return cross_correlation(pair.onset_strength, pair.motion_energy, pair.rate)


YARDSTICKS: dict[str, Yardstick] = {
    "bas_motion": Yardstick(
        lambda p: alignment(p.motion_beats, p.music_beats), "beat alignment, motion beats (AIST++)", _BEATS
    ),
    "bas_music": Yardstick(
        lambda p: alignment(p.music_beats, p.motion_beats), "beat alignment, music beats (Bailando)", _BEATS
    ),
    "beat_cover": Yardstick(lambda p: cover(p.music_beats, p.motion_beats), "beat cover", ("music beats",)),
    "beat_hit": Yardstick(lambda p: hit(p.music_beats, p.motion_beats), "beat hit rate", _BEATS),
    "av_align": Yardstick(lambda p: av_align(p.onsets, p.flow_peaks, p.frame), "AV-Align", _PEAKS),
    "xcorr_peak": Yardstick(lambda p: _correlation(p).peak, "peak of the cross-correlation", _CURVES),
    "xcorr_lag": Yardstick(
        lambda p: _correlation(p).lag, "lag of the cross-correlation (s)", _CURVES, lambda lag: -abs(lag)
    ),
    "mutual_information": Yardstick(
        lambda p: mutual_information(p.onset_strength, p.motion_energy), "mutual information (nats)", _CURVES
    ),
    "late": Yardstick(
        lambda p: late(p.onset_strength, p.motion_energy, p.rate), "late comparison of envelopes", _CURVES
    ),
}
"""By name."""


def measure_all(pair: Pair) -> dict[str, float]:
    """Every yardstick by name."""
    return {name: yardstick.measure(pair) for name, yardstick in YARDSTICKS.items()}


def missing(name: str, pair: Pair) -> str:
    """Why a yardstick of a pair is NaN: what it needs and the pair has not; "" where it is a number."""
    short = len(pair.onset_strength) < SHORTEST
    lacks = {
        "music beats": not len(pair.music_beats),
        "motion beats": not len(pair.motion_beats),
        "onsets": not len(pair.onsets),
        "flow peaks": not len(pair.flow_peaks),
        "sound": short or not changes(pair.onset_strength),
        "motion": short or not changes(pair.motion_energy),
    }
    absent = [need for need in YARDSTICKS[name].needs if lacks[need]]
    return f"no {' and no '.join(absent)}" if absent else ""


def _distances(beats: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(A,) seconds from each of `beats` (A,) to the nearest of `others` (B,)."""
    return np.asarray(np.abs(np.asarray(beats)[:, None] - np.asarray(others)[None]).min(1))


def _overlap(music: np.ndarray, motion: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Both curves where they overlap with the motion moved `lag` steps towards the start."""
    n = len(music)
    return music[max(0, -lag) : n - max(0, lag)], motion[max(0, lag) : n - max(0, -lag)]


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two curves; NaN where one does not change."""
    if not (changes(one) and changes(other)):
        return NAN
    return float(np.clip((_standardised(one) * _standardised(other)).mean(), -1, 1))


def _standardised(curve: np.ndarray) -> np.ndarray:
    curve = np.asarray(curve, dtype=float)
    return np.asarray((curve - curve.mean()) / curve.std())


def _same(music: np.ndarray, motion: np.ndarray) -> None:
    if np.shape(music) != np.shape(motion) or np.ndim(music) != 1:
        raise ValueError(f"two curves of one clock are (T,), not {np.shape(music)}, {np.shape(motion)}")
