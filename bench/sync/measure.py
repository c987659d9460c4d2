"""Yardsticks of videos from their sequences: beats, onsets and peaks on the common clock.

What moves is taken in two ways, as the yardsticks' authors differ. **speed**: motion beats are the stops of
local flow (AIST++), its energy and its peaks are those of local flow (AV-Align). **bursts**: motion beats and
peaks are the peaks of acceleration, cuts included, which suit pictures that jump on a beat better. A fair
comparison takes the better of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bench.sync.beats import peaks, stops
from bench.sync.train import Video
from bench.sync.yardsticks import YARDSTICKS, Pair, measure_all
from encoders.clock import RATE
from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC

VIEWS = ("speed", "bursts")
REACH = 2 / RATE
"""Seconds within which a burst is the largest."""
PROMINENT = 1.0
"""Deviations above the mean that an onset or a burst rises to."""


def pair_of(video: Video, view: str) -> Pair:
    """What the yardsticks measure of a video, its motion seen in one of VIEWS."""
    onset = video.music[:, MUSIC.index("onset")].astype(float)
    speed = video.motion[:, MOTION.index("local")].astype(float)
    burst = video.motion[:, MOTION.index("acceleration")].astype(float)
    first = 0.5 / RATE
    bursts = prominent(burst, peaks(burst, RATE, REACH, first))
    return Pair(
        music_beats=moments(video.music[:, MUSIC.index("beat")]),
        motion_beats=stops(speed, RATE, first=first) if view == "speed" else bursts,
        onsets=prominent(onset, peaks(onset, RATE, first=first)),
        flow_peaks=peaks(speed, RATE, first=first) if view == "speed" else bursts,
        onset_strength=onset,
        motion_energy=speed if view == "speed" else burst,
        rate=RATE,
        frame=1 / RATE,
    )


def moments(marked: np.ndarray) -> np.ndarray:
    """When events are that `encoders.clock.events` has marked on steps (T,): one a run of marks."""
    on = np.flatnonzero(marked > 0)
    runs = np.split(on, np.flatnonzero(np.diff(on) > 1) + 1) if len(on) else []
    return np.array([float(np.average((run + 0.5) / RATE, weights=marked[run])) for run in runs])


def prominent(curve: np.ndarray, at: np.ndarray, deviations: float = PROMINENT) -> np.ndarray:
    """The moments (K,) at which a curve (T,) stands out: by so many deviations above its mean."""
    steps = np.clip((at * RATE).astype(int), 0, len(curve) - 1)
    return np.asarray(at[curve[steps] > curve.mean() + deviations * curve.std()])


def yardsticks(ids: Sequence[str], videos: Sequence[Video | None]) -> pd.DataFrame:
    """A row per video: id, and every yardstick in both views, higher for more synchronicity."""
    rows = []
    for name, video in zip(ids, videos, strict=True):
        row: dict[str, str | float] = {"id": name}
        if video is not None:
            for view in VIEWS:
                row |= {f"{key} ({view})": value for key, value in _scores(pair_of(video, view)).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _scores(pair: Pair) -> Mapping[str, float]:
    return {name: YARDSTICKS[name].score(value) for name, value in measure_all(pair).items()}
