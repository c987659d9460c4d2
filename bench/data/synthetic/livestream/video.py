"""Short clips whose level is the colour of the background and the speed of a disc."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SIDE = 64
FRAMES = 16
FRAMES_PER_SECOND = 8
SLOW_COLOUR = np.array([70.0, 60.0, 130.0])
FAST_COLOUR = np.array([110.0, 190.0, 80.0])
TOP_LEVEL = 6


def render(level: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Frames (16, 64, 64, 3): a light disc crosses the picture at 0.5 to 6.5 pixels a frame."""
    colour = SLOW_COLOUR + (FAST_COLOUR - SLOW_COLOUR) * level / TOP_LEVEL
    angle = rng.uniform(0, 2 * np.pi)
    speed = (0.5 + level) * rng.uniform(0.92, 1.08)
    start = rng.uniform(0, SIDE, size=2)
    step = speed * np.array([np.sin(angle), np.cos(angle)])
    centres = start + step * np.arange(FRAMES)[:, None]
    # Distances on a torus: the disc is whole in every frame, so its place does not move the mean colour.
    grid = np.arange(SIDE)[None, :, None]
    offsets = abs((grid - centres[:, None, :] + SIDE / 2) % SIDE - SIDE / 2)
    disc = np.hypot(offsets[:, :, None, 0], offsets[:, None, :, 1]) < 9
    noise = rng.normal(0, 3, size=(SIDE, SIDE, 1))
    around, inside = (
        np.clip(np.rint(shade + noise), 0, 255).astype(np.uint8) for shade in (colour, colour + 60.0)
    )
    pixels: NDArray[np.uint8] = np.where(disc[..., None], inside, around)
    return pixels


def write(path: Path, level: int, rng: np.random.Generator) -> None:
    """Write a clip as MP4 (MPEG-4 part 2, on one thread: the same bytes every time)."""
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=FRAMES_PER_SECOND, options={"threads": "1"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 300_000
        for picture in render(level, rng):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
