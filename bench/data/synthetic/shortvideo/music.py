"""Music of a genre: drums, bass and chords on a grid of sixteenths, with swing and quiet intros.

On the strokes of a phrase all drums play, whatever the genre, and all is louder than between them. How loud
exactly means nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]

RATE = 44100
TABLE = 2048
SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Semitones of the major scale."""
PROGRESSIONS = ((0, 4, 5, 3), (5, 3, 0, 4), (0, 3, 4, 0), (1, 4, 0, 5))
"""Steps of the scale on which the chords of four bars stand."""
QUIET, WEAK = 0.12, 0.5
"""How loud an intro is, and what sounds between strokes."""


class Genre(NamedTuple):
    """A bar of sixteen sixteenths, x for a stroke, and amplitudes of the chord's overtones."""

    kick: str
    snare: str
    hat: str
    bass: str
    chord: str
    overtones: tuple[float, ...]
    length: float
    """Seconds that a chord sounds."""
    on_beat: bool = True
    """Whether chords between strokes are weak, as all else is."""


GENRES = {
    "electronic": Genre(
        "x...x...x...x...", "....x.......x...", "..x...x...x...x.", "..xx..xx..xx..xx", "x.....x.....x...",
        (1, 0.5, 0.33, 0.25, 0.2, 0.17, 0.14, 0.12), 0.5,
    ),
    "pop": Genre(
        "x.......x.x.....", "....x.......x...", "x.x.x.x.x.x.x.x.", "x.......x.x.....", "x.......x.......",
        (1, 0, 0.33, 0, 0.2), 0.9,
    ),
    "hiphop": Genre(
        "x..x......x.....", "....x.......x...", "x.x.x.x.x.xxx.x.", "x..x......x.....", "x...............",
        (1, 0.2, 0.05), 1.5,
    ),
    "rock": Genre(
        "x.x.....x.x.....", "....x.......x...", "x.x.x.x.x.x.x.x.", "x.x.x.x.x.x.x.x.", "x.x.x.x.x.x.x.x.",
        (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3), 0.25,
    ),
    "jazz": Genre(
        "x...............", "................", "x...x.x.x...x.x.", "x...x...x...x...", "......x.......x.",
        (1, 0.6, 0.1, 0.3), 0.35,
    ),
    "reggae": Genre(
        "........x.......", "........x.......", "x.x.x.x.x.x.x.x.", "x.....x...x.x...", "..x...x...x...x.",
        (1, 0.4, 0.4, 0.1), 0.12, on_beat=False,
    ),
}  # fmt: skip
"""By name; in reggae the chords are off the beat, and the first beat of a bar has no drum."""


class Track(NamedTuple):
    """What is to be played; times in seconds, the intro in beats, swing as a share of half a beat."""

    genre: str
    tempo: float
    first: float
    seconds: float
    swing: float
    intro: int
    strokes: frozenset[int]
    """Sixteenths from the first beat on."""


def render(track: Track, rng: np.random.Generator) -> NDArray[np.float32]:
    """The track in stereo, (2, samples) in -1 .. 1; its beats are at first + k 60 / tempo."""
    genre, beat = GENRES[track.genre], 60 / track.tempo
    both = np.zeros((2, int(track.seconds * RATE) + 2 * RATE))
    key, progression = 45 + int(rng.integers(12)), PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    kick, snare, hat = _kick(rng), _snare(rng), _hat(rng)
    lead = _table(genre.overtones)
    start = int(rng.integers(4)) * 4  # the video begins anywhere in a bar
    for sixteenth in range(-4, int((track.seconds - track.first) / beat * 4) + 1):
        late = track.swing / 2 if sixteenth % 4 >= 2 else 0.0
        at = track.first + (sixteenth / 4 + late) * beat
        if at < 0:
            continue
        step = (start + sixteenth) % 16
        root = progression[(start + sixteenth) // 16 % 4]
        level = QUIET if sixteenth < 4 * track.intro else 1.0
        level *= rng.uniform(0.5, 1)
        strong, level = level, level * (1.0 if sixteenth in track.strokes else WEAK)
        drums = [(genre.kick, kick, 0.9, 0.9), (genre.snare, snare, 0.5, 0.6), (genre.hat, hat, 0.08, 0.15)]
        for pattern, sound, left, right in drums:
            if pattern[step] == "x" or sixteenth in track.strokes:
                _add(both, at, level * sound, left, right)
        if genre.bass[step] == "x":
            _add(both, at, level * _note(_table((1, 0.4, 0.1)), _pitch(key - 12, root), 0.25), 0.5, 0.5)
        if genre.chord[step] == "x":
            notes = [_note(lead, _pitch(key + 12, root + third), genre.length) for third in (0, 2, 4)]
            _add(both, at, (level if genre.on_beat else strong) * np.sum(notes, axis=0), 0.16, 0.12)
    both = both[:, : int(track.seconds * RATE)]
    both += rng.normal(0, 0.001, both.shape)
    loudness = rng.uniform(0.5, 0.95)
    clipped: NDArray[np.float32] = np.tanh(1.2 * loudness * both / np.abs(both).max()).astype(np.float32)
    return clipped


def _add(both: Wave, at: float, sound: Wave, left: float, right: float) -> None:
    start = int(at * RATE)
    room = both[:, start : start + len(sound)]
    room += np.array([[left], [right]]) * sound[: room.shape[1]]


def _table(overtones: tuple[float, ...]) -> Wave:
    """One period of a tone."""
    turns = 2 * np.pi * np.arange(TABLE) / TABLE
    return np.asarray(np.array(overtones) @ np.sin(np.arange(1, len(overtones) + 1)[:, None] * turns))


def _pitch(key: int, step: int) -> float:
    """Hz of a step of the scale above a MIDI note."""
    return float(440 * 2 ** ((key + SCALE[step % 7] + 12 * (step // 7) - 69) / 12))


def _note(table: Wave, hertz: float, length: float) -> Wave:
    seconds = np.arange(int(length * RATE)) / RATE
    envelope = np.minimum(seconds / 0.004, 1) * np.exp(-3 * seconds / length)
    return np.asarray(envelope * table[(hertz * seconds * TABLE).astype(np.int64) % TABLE])


def _kick(rng: np.random.Generator) -> Wave:
    seconds = np.arange(int(0.25 * RATE)) / RATE
    falling = rng.uniform(45, 60) * seconds + 4 * (1 - np.exp(-seconds / 0.025))
    return np.asarray(np.sin(2 * np.pi * falling) * np.exp(-seconds / 0.07))


def _snare(rng: np.random.Generator) -> Wave:
    seconds = np.arange(int(0.18 * RATE)) / RATE
    body = 0.5 * np.sin(2 * np.pi * rng.uniform(170, 210) * seconds)
    return np.asarray((body + rng.normal(0, 0.5, len(seconds))) * np.exp(-seconds / 0.045))


def _hat(rng: np.random.Generator) -> Wave:
    seconds = np.arange(int(0.05 * RATE)) / RATE
    return np.asarray(np.diff(rng.normal(0, 0.7, len(seconds) + 1)) * np.exp(-seconds / 0.012))
