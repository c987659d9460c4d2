"""Which track goes with a video, and from which moment of it: every offset of every track is scored.

At an offset of o seconds the moment o of the track is heard at the start of the video; where o is negative
the track begins later than the video. The evidence of all offsets is a correlation of tokens, so that a track
costs little more than its encoding.

Music repeats itself: a motion fits a track a beat later nearly as well. So the margin counts by how much of
the video a track covers (squared); of offsets that are as good as the best but for TIE of it, the one nearest
to the start of the track is taken. An offset is known up to a beat all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import encoders
from bench.errors import DataError
from bench.sync.beats import vertex
from bench.sync.measure import moments
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
TIE = 0.03
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
        margin: what it is made from.
        tempo: beats per minute of the track; 0 where it has none.
        telling: seconds of the video at which the music fits best.
        second: the score at the best offset that is another beat, or NaN.
    """

    track: Path
    offset: float
    score: float
    margin: float
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
    return sorted(found, key=lambda one: -one.margin), refused


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
    by_network = [offset_evidence(network, music, motion) for network in scorer.networks]
    offsets = by_network[0][0]
    evidence = np.mean([values for _, values in by_network], axis=0)
    curve = margins(evidence)
    shortest = COVERED * len(motion)
    covered = np.minimum(len(motion), len(music) - offsets) - np.maximum(0, -offsets)
    allowed = covered >= min(shortest, covered.max())
    at = _chosen(curve * np.clip(covered / len(motion), 0, 1) ** 2, offsets, allowed)
    inside = 0 < at < len(curve) - 1
    fine = vertex(*curve[at - 1 : at + 2]) if inside else 0.0
    elsewhere = allowed & (np.abs(offsets - offsets[at]) > RATE * 0.2)
    second = float(curve[elsewhere].max()) if elsewhere.any() else np.nan
    return Suggestion(
        track=track,
        offset=float((offsets[at] + fine) / RATE),
        score=float(scorer.probability(curve[at])),
        margin=float(curve[at]),
        tempo=_tempo(music),
        telling=_telling(music, motion, int(offsets[at])),
        second=float(scorer.probability(second)) if np.isfinite(second) else np.nan,
    )


def _chosen(curve: np.ndarray, offsets: np.ndarray, allowed: np.ndarray) -> int:
    """The place of the best offset; of those as good but for TIE, that nearest to the track's start."""
    known = np.where(allowed, curve, -np.inf)
    peak = known >= np.maximum(np.roll(known, 1), np.roll(known, -1))
    best = float(known.max())
    good = np.flatnonzero(peak & (known >= best - TIE * abs(best)))
    return int(good[np.argmin(np.abs(offsets[good]))])


@torch.inference_mode()
def offset_evidence(
    network: SynchronyNetwork, music: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean evidence of both directions at every offset of music (T, 43) under motion (S, 24).

    Returns:
        Offsets in steps (K,), and the evidence (K,).
    """
    heard, seen = (
        stream(values, present(lengths, values.shape[1]))
        for stream, (values, lengths) in (
            (network.music, padded([music])),
            (network.motion, padded([motion])),
        )
    )
    table = network.ask_motion(seen[0]) @ network.answer_music(heard[0]).T
    table = (table + network.answer_motion(seen[0]) @ network.ask_music(heard[0]).T) / 2
    values = table.numpy() * network.dim**-0.5  # (S', T')
    offsets = np.arange(-len(values) + 1, values.shape[1])
    sums = np.array([np.trace(values, int(offset)) for offset in offsets])
    counts = np.minimum(len(values), values.shape[1] - offsets) - np.maximum(0, -offsets)
    return offsets, np.asarray(sums / counts)


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
    ahead = f"; the next track reaches {others[0].score:.2f}" if others else ""
    return (
        f"{best.track.name}{tempo}, {start}, puts its onsets on the motion at {when} s and scores "
        f"{best.score:.2f}{ahead}."
    )
