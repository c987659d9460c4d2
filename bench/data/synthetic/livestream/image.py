"""Still images whose mean colour is their level."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96
COLD = np.array([50.0, 80.0, 130.0])
WARM = np.array([220.0, 175.0, 110.0])
TOP_LEVEL = 6

Pixels = NDArray[np.float64]


def _shape(entity: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A mask (96, 96) wholly inside the picture: disc (anchor), box (commodity) or band (room)."""
    radius = 14
    centre = rng.integers(radius, SIDE - radius, size=2)
    down, across = np.arange(SIDE) - centre[:, None]
    if entity == "anchor":
        inside: NDArray[np.bool_] = np.hypot(down[:, None], across) < radius
    elif entity == "commodity":
        inside = (abs(down) < radius)[:, None] & (abs(across) < radius)
    else:
        inside = np.repeat((abs(down) < radius // 2)[:, None], SIDE, axis=1)
    return inside


def render(entity: str, level: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture (96, 96, 3). Its mean is the level's colour, whatever the shapes, but for rounding."""
    canvas = np.tile(COLD + (WARM - COLD) * level / TOP_LEVEL, (SIDE, SIDE, 1))
    slant: Pixels = np.linspace(-1, 1, SIDE) * rng.uniform(-10, 10)
    canvas += slant[:, None, None] if rng.random() < 0.5 else slant[None, :, None]
    for _ in range(2):
        # One shape lighter and an equal one darker: the mean, which is the signal, stays.
        contrast = rng.uniform(-32, 32, size=3)
        canvas[_shape(entity, rng)] += contrast
        canvas[_shape(entity, rng)] -= contrast
    canvas += rng.normal(0, 4, size=(SIDE, SIDE, 1))
    pixels: NDArray[np.uint8] = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    return pixels


def write(path: Path, entity: str, level: int, rng: np.random.Generator) -> None:
    """Write a picture as JPEG."""
    Image.fromarray(render(entity, level, rng)).save(path, quality=85, subsampling=0)
