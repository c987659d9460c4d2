"""The phrase of a video: when its music strikes. Its motion follows the strokes, not the beat.

Strokes are about a beat apart, by chance somewhat more or less, as syncopated music has them. So they do not
come again a beat or a bar later, and a motion fits its music at one place only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

APART = 3, 4, 5, 6
"""Sixteenths from a stroke to the next; each equally often."""
MOST = 48
"""Strokes; more than any video has."""


def draw(rng: np.random.Generator) -> NDArray[np.int64]:
    """Sixteenths from the first beat on that have a stroke, (MOST + 1,); the first beat is one."""
    return np.append(0, np.cumsum(rng.choice(APART, MOST)))
