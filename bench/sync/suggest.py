"""Which track goes with a video, and from which moment of it: every offset of every track is tried.

At an offset of o seconds the moment o of the track is heard at the start of the video; where o is negative
the track begins later than the video. How well a track fits at an offset is the sum of

- what the networks see: over the steps of the motion, the mean of tanh(c / STRONG), c the evidence of the
  step less that of the music a little earlier and later. Saturated, as one strong accent is not worth more
  than a beat that is met;
- the share of the bursts of motion that meet an onset, mean of exp(-d^2 / 2 CLOSE^2), d to the nearest onset:
  networks see steps of 67 ms, this is finer.

What the track does not cover counts 0 in both. Music that repeats itself fits a motion a beat later nearly as
well; what tells the two apart is that its strokes are uneven.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import convolve

import encoders
from bench.errors import DataError
from bench.sync.beats import peaks
from bench.sync.measure import REACH, moments, prominent
from bench.sync.network import CONTEXT, SynchronyNetwork, present
from bench.sync.score import SHORTEST, margins
from bench.sync.scorer import Scorer
from bench.sync.sequences import ENCODERS
from bench.sync.train import padded
from encoders.clock import RATE
from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC

COVERED = 0.75
"""Share of the video that a track must cover."""
AROUND = 2, 8
"""Steps from a moment of music, either way, at which evidence is the background."""
STRONG = 0.25
"""Contrast beyond which more says little more."""
CLOSE = 0.05
"""Seconds."""
FINE = 10
"""Offsets that are tried a step."""
STILL = 0.02
"""Acceleration, in sides per second and second, that a video without motion never reaches."""
SILENT = 1e-6
SUFFIXES = {".mp3", ".m4a", ".aac", ".wav", ".flac", ".ogg", ".opus", ".mp4", ".mov", ".mkv", ".webm", ".wma"}
"""Files of a folder that are looked at."""


@dataclass(frozen=True)
class Suggestion:
    """A track at its best offset.

    Attributes:
        track: the file.
        offset: seconds into the track at which the video starts; negative: the track starts later.
        score: the expected synchronicity.
        fit: how well it goes with the video there, which decides the order.
        tempo: beats per minute of the track; 0 where it has none.
        telling: seconds of the video at which the music fits best.
        second: the score at the best offset that is another beat, or NaN.
    """

    track: Path
    offset: float
    score: float
    fit: float
    tempo: float
    telling: tuple[float, ...]
    second: float


@dataclass(frozen=True)
class Refused:
    """A file that cannot be suggested, and why."""

    track: Path
    reason: str


def motion_of(video: Path) -> np.ndarray:
    """The motion of a video (T, 24). Raises DataError where there is none to put music to."""
    try:
        motion = encoders.get("video", ENCODERS["video"]).prepare(video).values
    except encoders.CannotDecode as error:
        raise DataError(f"{video}: {error}; give a video file.") from None
    if len(motion) < SHORTEST:
        raise DataError(
            f"{video} has {len(motion) / RATE:.1f} s; {SHORTEST / RATE:.1f} s or more are needed."
        )
    bursts, cuts = motion[:, MOTION.index("acceleration")], motion[:, MOTION.index("cut")]
    if bursts.max() < STILL and motion[:, MOTION.index("difference")].max() < STILL and not cuts.any():
        raise DataError(f"{video} has no motion that music could go with; any track is as good as another.")
    return np.asarray(motion)


def suggest(
    motion: np.ndarray, tracks: Iterable[Path], scorer: Scorer
) -> tuple[list[Suggestion], list[Refused]]:
    """Tracks with their best offsets, the best first, and those that cannot be used."""
    found: list[Suggestion] = []
    refused: list[Refused] = []
    for track in tracks:
        try:
            music = encoders.get("audio", ENCODERS["audio"]).prepare(track).values
        except encoders.CannotDecode as error:
            refused.append(Refused(track, str(error)))
            continue
        if reason := _unusable(music, len(motion)):
            refused.append(Refused(track, reason))
        else:
            found.append(_best(track, music, motion, scorer))
    return sorted(found, key=lambda one: -one.fit), refused


def tracks_of(folder: Path) -> list[Path]:
    """The files of a folder that may be tracks. Raises DataError where there are none."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; --tracks DIR is one with sound files.")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise DataError(f"{folder} has no sound files ({', '.join(sorted(SUFFIXES))}).")
    return files


def _unusable(music: np.ndarray, length: int) -> str:
    """Why a track cannot be used, or ""."""
    if float(np.abs(music[:, MUSIC.index("onset")]).max()) < SILENT:
        return "it is silent"
    needed = max(SHORTEST, COVERED * length)
    if len(music) < needed:
        return f"it has {len(music) / RATE:.1f} s; this video needs {needed / RATE:.1f} s or more"
    return ""


def _best(track: Path, music: np.ndarray, motion: np.ndarray, scorer: Scorer) -> Suggestion:
    table = np.mean([evidence_of(network, music, motion) for network in scorer.networks], axis=0)
    steps = np.arange(-len(table) + 1, table.shape[1])
    fits = along(np.tanh(contrast(table) / STRONG), steps) / len(table)
    compared = np.minimum(len(table), table.shape[1] - steps) - np.maximum(0, -steps)
    offsets = np.linspace(steps[0], steps[-1], FINE * (len(steps) - 1) + 1)
    fit = np.interp(offsets, steps, fits) + met(music, motion, offsets / RATE)
    covered = np.minimum(len(motion), len(music) - offsets) - np.maximum(0, -offsets)
    fit[covered < min(COVERED * len(motion), covered.max())] = -np.inf
    at = int(fit.argmax())
    margin = np.interp(offsets, steps, margins(along(table, steps) / compared))
    elsewhere = np.where(np.abs(offsets - offsets[at]) > RATE * 0.2, fit, -np.inf)
    second = float(margin[elsewhere.argmax()]) if np.isfinite(elsewhere).any() else np.nan
    return Suggestion(
        track=track,
        offset=float(offsets[at] / RATE),
        score=float(scorer.probability(margin[at])),
        fit=float(fit[at]),
        tempo=_tempo(music),
        telling=_telling(music, motion, round(offsets[at])),
        second=float(scorer.probability(second)) if np.isfinite(second) else np.nan,
    )


@torch.inference_mode()
def evidence_of(network: SynchronyNetwork, music: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """(S', T') the evidence of every token of motion (S, 24) at every token of music (T, 43)."""
    heard, seen = (
        stream(values, present(lengths, values.shape[1]))
        for stream, (values, lengths) in (
            (network.music, padded([music])),
            (network.motion, padded([motion])),
        )
    )
    table = network.ask_motion(seen[0]) @ network.answer_music(heard[0]).T
    table = (table + network.answer_motion(seen[0]) @ network.ask_music(heard[0]).T) / 2
    evidence: np.ndarray = table.numpy() * network.dim**-0.5
    return evidence


def contrast(table: np.ndarray) -> np.ndarray:
    """A table of evidence (S, T), each less the mean of its row over the steps of music AROUND it."""
    around = (np.abs(np.arange(-AROUND[1], AROUND[1] + 1)) >= AROUND[0]).astype(float)[None]
    total, count = (convolve(values, around, mode="constant") for values in (table, np.ones_like(table)))
    return np.asarray(table - total / np.maximum(count, 1))


def along(table: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(K,) sums of a table (S, T) along its diagonals, t = s + offset."""
    return np.array([float(np.trace(table, int(offset))) for offset in offsets])


def met(music: np.ndarray, motion: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(K,) the share of bursts of motion that meet an onset of music, at offsets (K,) in seconds."""
    onsets, bursts = _peaks(music, MUSIC.index("onset")), _peaks(motion, MOTION.index("acceleration"))
    if not len(onsets) or not len(bursts):
        return np.zeros(len(offsets))
    at = offsets[:, None] + bursts
    after = np.searchsorted(onsets, at).clip(1, max(1, len(onsets) - 1))
    away = np.minimum(np.abs(at - onsets[after - 1]), np.abs(at - onsets[after % len(onsets)]))
    return np.asarray(np.exp(-(away**2) / (2 * CLOSE**2)).mean(1))


def _peaks(values: np.ndarray, column: int) -> np.ndarray:
    """Seconds at which a column of a sequence (T, D) has a peak above its mean."""
    curve = values[:, column].astype(float)
    return prominent(curve, peaks(curve, RATE, REACH, 0.5 / RATE), deviations=0)


def _telling(music: np.ndarray, motion: np.ndarray, offset: int) -> tuple[float, ...]:
    """Seconds of the video at which a strong onset meets the strongest bursts of motion, at most three."""
    start, end = max(0, -offset), min(len(motion), len(music) - offset)
    onset = music[start + offset : end + offset, MUSIC.index("onset")]
    burst = motion[start:end, MOTION.index("acceleration")]
    together = (onset / (onset.std() or 1.0)) * (burst / (burst.std() or 1.0))
    chosen: list[int] = []
    for step in np.argsort(-together):
        if all(abs(int(step) - other) > CONTEXT for other in chosen):
            chosen.append(int(step))
        if len(chosen) == 3:
            break
    return tuple(sorted(round((start + step + 0.5) / RATE, 1) for step in chosen))


def _tempo(music: np.ndarray) -> float:
    beats = moments(music[:, MUSIC.index("beat")])
    return float(60 / np.median(np.diff(beats))) if len(beats) > 2 else 0.0


def reason(best: Suggestion, others: Sequence[Suggestion]) -> str:
    """Why the best is the best, in a sentence."""
    when = ", ".join(f"{moment:.1f}" for moment in best.telling)
    start = (
        f"from {best.offset:.2f} s of the track"
        if best.offset >= 0
        else f"starting {-best.offset:.2f} s into the video"
    )
    tempo = f" at about {best.tempo:.0f} beats per minute" if best.tempo else ""
    ahead = f"; the next track fits {others[0].fit:.2f} in place of {best.fit:.2f}" if others else ""
    return (
        f"{best.track.name}{tempo}, {start}, puts its onsets on the motion at {when} s and scores "
        f"{best.score:.2f}{ahead}."
    )
