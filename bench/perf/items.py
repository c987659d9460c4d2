"""Real items to measure encoders on, unlike each other: texts; JPEG, MP4 and WAV files of common sizes."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image

from encoders import Item

LETTERS = [chr(0x4E00 + i) for i in range(2000)]
"""Chinese characters, of each of which every tokenizer makes one token."""
SHORTEST, LONGEST = 4, 60
"""Characters of a text: from a name to a description."""
PICTURE = 1280, 960
FRAME, FRAMES, FRAMES_PER_SECOND = (640, 360), 250, 25
SECONDS, RATE = 10, 44_100


def make_items(modality: str, count: int, folder: Path) -> list[Item]:
    """`count` items of a modality, always the same ones; files are written into `folder`."""
    rng = np.random.default_rng(0)
    if modality == "text":
        lengths = np.linspace(SHORTEST, LONGEST, count).round().astype(int)
        return ["".join(rng.choice(LETTERS, length)) for length in lengths]
    suffix, write = WRITERS[modality]
    paths: list[Item] = []
    for number in range(count):
        path = folder / f"{modality}-{number}.{suffix}"
        write(path, rng)
        paths.append(path)
    return paths


def _cloudy(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A picture of coarse and fine detail."""
    coarse = Image.fromarray(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8))
    fine = rng.integers(-12, 12, (size[1], size[0], 1))
    soft = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(np.clip(soft + fine, 0, 255).astype(np.uint8))


def _write_picture(path: Path, rng: np.random.Generator) -> None:
    _cloudy(PICTURE, rng).save(path, quality=90)


def _write_video(path: Path, rng: np.random.Generator) -> None:
    """A picture that moves sideways."""
    pixels = np.asarray(_cloudy(FRAME, rng))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FRAMES_PER_SECOND)
        stream.width, stream.height = FRAME
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            moved = np.ascontiguousarray(np.roll(pixels, 3 * number, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))


def _write_sound(path: Path, rng: np.random.Generator) -> None:
    """Noise in stereo."""
    samples = rng.normal(0, 3000, (SECONDS * RATE, 2)).clip(-32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setparams((2, 2, RATE, 0, "NONE", "not compressed"))
        out.writeframes(samples.tobytes())


WRITERS: dict[str, tuple[str, Callable[[Path, np.random.Generator], None]]] = {
    "image": ("jpg", _write_picture),
    "video": ("mp4", _write_video),
    "audio": ("wav", _write_sound),
}
"""Modality -> the ending of its files and what writes one."""
