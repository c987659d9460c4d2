"""The phrase of a video: which moments are accented, and how strongly. It governs music and motion both.

Music is not a row of equal beats: accents come early or not at all, a bar calls and the next answers, bars
end in fills, and who dances to it makes the largest movements on the strongest accents. A phrase is one bar
of half beats after the other, each another of PATTERNS, in random order, so that no moment of a video is
like the one a beat or a bar later.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

BAR = 4
"""Beats."""
PATTERNS = (
    "9.678...",
    "....6798",  # a fill at its end
    "98.6....",
    "....9.68",
    "6789....",
    "..7.986.",
    "9.6.87..",
    "..8.6.98",
    "9.68....",
    "..8.96..",
    "896.8...",
)
"""Bars of eight half beats: strengths in tenths, a point where nothing is accented."""
SPREAD = 0.15
"""Share by which a strength departs from its pattern at most: nobody plays a bar twice alike."""
STRONG = 0.8
"""Strength from which on pictures cut, and cymbals crash."""


class Phrase(NamedTuple):
    """The accents of a video, longer than any video is.

    Attributes:
        start: on which beat of a bar the video's first beat is, 0 .. 3.
        strengths: (H,) of every half beat from the first beat on; 0 where there is no accent.
    """

    start: int
    strengths: Values


def draw(rng: np.random.Generator) -> Phrase:
    """A phrase in which no bar comes twice."""
    start = int(rng.integers(BAR))
    bars = "".join(PATTERNS[bar] for bar in rng.permutation(len(PATTERNS)))
    played = np.array([int(mark) / 10 if mark.isdigit() else 0.0 for mark in bars[2 * start :]])
    return Phrase(start, played * rng.uniform(1 - SPREAD, 1 + SPREAD, len(played)))
