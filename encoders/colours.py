"""Any picture that Pillow opens as 8 bits of red, green and blue: what a viewer shows on a white page."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageCms, ImageOps

from encoders.decoding import CannotDecode

PROFILED = ("L", "RGB", "RGBA", "CMYK")
"""Pillow's modes whose colours are converted if the picture brings a colour profile."""
OF_16_BITS = 257
"""65535 is 255 in 8 bits."""


def rgb(image: Image.Image) -> Image.Image:
    """An opened picture, upright, in sRGB; of an animation the first frame.

    16 bits of grey are scaled (Pillow would clip them). Colours are converted by the picture's own profile.
    What is transparent shows white, as on the pages of shops for which such pictures are cut out; dropping
    the transparency instead would show what the file happens to keep below, often black.

    Raises CannotDecode for numbers of 32 bits, of which nobody can know what is black and what is white.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", "F"):
        raise CannotDecode("its pixels are numbers of 32 bits without a range; save it with 8 or 16 bits")
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray(np.rint(np.asarray(upright) / OF_16_BITS).astype(np.uint8))
    if upright.has_transparency_data:
        upright = _on_white(_converted(upright.convert("RGBA")))
    return _converted(upright).convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    page = Image.new("RGBA", picture.size, "white")
    page.alpha_composite(picture)
    return page.convert("RGB")


def _converted(picture: Image.Image) -> Image.Image:
    """A picture with a colour profile in sRGB; one without, or with a damaged one, as it is."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in PROFILED:
        return picture
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(picture, own, _srgb(), outputMode=mode)
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError):
        return picture
    assert converted is not None  # it is not changed in place
    converted.info.pop("icc_profile", None)
    return converted


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
