"""Pictures: image files as pixels. What embeds them is in classifier.py and the modules that use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from encoders.colours import rgb
from encoders.decoding import CannotDecode, decoding

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the colour channels of ImageNet."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of the formats that are opened (JPEG is MPO too). Others run programs (EPS)."""


def decode(path: Path, size: int) -> np.ndarray:
    """Read an image file as RGB, upright, squeezed to a square: uint8 (size, size, 3); see `colours.rgb`.

    Raises CannotDecode.
    """
    with opened(path) as image:
        image.draft("RGB", (2 * size, 2 * size))  # lets JPEG decode at a fraction of a large size
        return np.asarray(rgb(image).resize((size, size), Image.Resampling.BILINEAR))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file, its header only. Every fault of it, here or in the body, becomes CannotDecode.

    Pillow's limit against decompression bombs stays on: Image.DecompressionBombError is the cause then.
    """
    with decoding(path):
        try:
            image = Image.open(path, formats=FORMATS)
        except UnidentifiedImageError as error:
            raise CannotDecode("it is in no image format that is read here") from error
        with image:
            yield image
