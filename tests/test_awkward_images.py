"""Pictures of every awkward kind look as the plain one of the same content does, or are refused by name."""

import io

import cv2
import numpy as np
import pytest
from media import one
from PIL import Image, ImageCms
from strangers import ENCODERS

from bench.data.checks.files import look
from encoders import Feature, Undecodable
from encoders.image import decode

SIZE = 48
ROUNDING, LOSSY = 1.0, 6.0
"""Levels of 255 by which pixels may differ in the mean: by rounding alone, or by lossy compression."""


def ramp() -> np.ndarray:
    """Smooth colours in 16 bits (48, 64, 3) that no turning or mirroring leaves as they are."""
    down, across = np.meshgrid(np.linspace(0, 1, SIZE), np.linspace(0, 1, 64), indexing="ij")
    waves = np.stack([across, down * across, 0.5 + 0.5 * np.sin(3 * down + across)], axis=-1)
    return np.rint(waves * 65535).astype(np.uint16)


DEEP = ramp()
PLAIN = np.rint(DEEP / 257).astype(np.uint8)
GREY = PLAIN[..., 0]
ALPHA = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None], SIZE, axis=0)
PICTURE = Image.fromarray(PLAIN)


def on_white(pixels: np.ndarray, alpha: np.ndarray = ALPHA) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.rint(pixels * share + 255 * (1 - share)).astype(np.uint8)


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=-1)


def save(picture: Image.Image, **options):
    return lambda path: picture.save(path, **options)


def save_deep(alpha: np.ndarray | None = None):
    """Write 16 bits a channel, which Pillow cannot; OpenCV puts blue first."""
    pixels = DEEP[..., ::-1] if alpha is None else np.dstack([DEEP[..., ::-1], alpha.astype(np.uint16) * 257])
    return lambda path: cv2.imwrite(str(path), pixels)


def turned(orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lies = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # what the viewer undoes
    return save(PICTURE.transpose(Image.Transpose(lies)), exif=exif)


def swapped_profile() -> bytes:
    """A colour profile whose red is sRGB's blue, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"rxyz").replace(b"bXYZ", b"rXYZ").replace(b"rxyz", b"bXYZ")


def hidden_below() -> Image.Image:
    """A palette one colour of which, a glaring one, is transparent everywhere that it shows."""
    indexed = Image.new("P", (64, SIZE), 0)
    indexed.putpalette([255, 0, 255, *[10, 200, 30]])
    indexed.paste(1, (0, 0, 32, SIZE))
    return indexed


HALF_GREEN = np.full((SIZE, 64, 3), 255, np.uint8)
HALF_GREEN[:, :32] = 10, 200, 30
COLOURED = Image.fromarray(np.dstack([PLAIN, ALPHA]))
OTHERS = [PICTURE.rotate(180), PICTURE.rotate(90)]
WIDE = np.tile(PLAIN[:1, :, :], (1, 400, 1))

RIGHT = {
    **{f"exif-{n}.jpg": (turned(n), PLAIN, LOSSY) for n in range(2, 9)},
    "exif-6.png": (turned(6), PLAIN, 0),
    "exif-8.webp": (turned(8), PLAIN, LOSSY),
    "exif-5.tif": (turned(5), PLAIN, 0),
    "cmyk.jpg": (save(PICTURE.convert("CMYK"), quality=95), PLAIN, LOSSY),
    "cmyk.tif": (save(PICTURE.convert("CMYK")), PLAIN, ROUNDING),
    "palette.png": (save(PICTURE.quantize(256)), PLAIN, LOSSY),
    "palette-transparent.png": (save(hidden_below(), transparency=0), HALF_GREEN, 0),
    "palette-transparent.gif": (save(hidden_below(), transparency=0), HALF_GREEN, 0),
    "rgba.png": (save(COLOURED), on_white(PLAIN), ROUNDING),
    "rgba.webp": (save(COLOURED, lossless=True, exact=True), on_white(PLAIN), ROUNDING),
    "rgba.avif": (save(COLOURED, quality=95), on_white(PLAIN), LOSSY),
    "grey-alpha.png": (
        save(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])),
        on_white(three(GREY)),
        ROUNDING,
    ),
    "key-colour.png": (save(hidden_below().convert("RGB"), transparency=(255, 0, 255)), HALF_GREEN, 0),
    "grey.jpg": (save(Image.fromarray(GREY), quality=95), three(GREY), LOSSY),
    "black-and-white.png": (save(Image.fromarray(GREY > 99)), three(np.where(GREY > 99, 255, 0)), 0),
    "grey-16.png": (save(Image.fromarray(DEEP[..., 0])), three(GREY), ROUNDING),
    "grey-16.tif": (save(Image.fromarray(DEEP[..., 0])), three(GREY), ROUNDING),
    "grey-16-big-endian.tif": (
        save(Image.frombytes("I;16B", (64, SIZE), DEEP[..., 0].astype(">u2").tobytes())),
        three(GREY),
        ROUNDING,
    ),
    "rgb-16.png": (save_deep(), PLAIN, ROUNDING),
    "rgb-16.tif": (save_deep(), PLAIN, ROUNDING),
    "rgba-16.png": (save_deep(ALPHA), on_white(PLAIN), ROUNDING),
    "animated.gif": (save(PICTURE, save_all=True, append_images=OTHERS, loop=0), PLAIN, LOSSY),
    "animated.webp": (save(PICTURE, save_all=True, append_images=OTHERS, lossless=True), PLAIN, 0),
    "animated.png": (save(PICTURE, save_all=True, append_images=OTHERS), PLAIN, 0),
    "pages.tif": (save(PICTURE, save_all=True, append_images=OTHERS), PLAIN, 0),
    "two.mpo": (save(PICTURE, save_all=True, append_images=OTHERS, quality=95), PLAIN, LOSSY),
    "picture.avif": (save(PICTURE, quality=90), PLAIN, LOSSY),
    "lossy.webp": (save(PICTURE, quality=90), PLAIN, LOSSY),
    "progressive.jpg": (save(PICTURE, progressive=True, quality=95), PLAIN, LOSSY),
    "subsampled.jpg": (save(PICTURE, subsampling="4:2:0", quality=95), PLAIN, LOSSY),
    "profile.png": (save(PICTURE, icc_profile=swapped_profile()), PLAIN[..., ::-1], ROUNDING),
    "profile.jpg": (save(PICTURE, icc_profile=swapped_profile(), quality=95), PLAIN[..., ::-1], LOSSY),
    "damaged-profile.png": (save(PICTURE, icc_profile=b"no profile" * 20), PLAIN, 0),
    "one-pixel.png": (save(PICTURE.crop((3, 3, 4, 4))), PLAIN[3:4, 3:4], 0),
    "wide.png": (save(Image.fromarray(WIDE)), np.tile(WIDE.mean(axis=(0, 1)), (1, 1, 1)), LOSSY),
    "lab.tif": (save(PICTURE.convert("LAB")), PLAIN, LOSSY),
    "a-png.jpg": (save(PICTURE, format="PNG"), PLAIN, 0),
    "a-jpeg.tif": (save(PICTURE, format="JPEG", quality=95), PLAIN, LOSSY),
}
"""File -> how it is written, the pixels that it shows, and by how much they may differ in the mean."""


def truncated(path):
    PICTURE.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bomb(path):
    Image.new("1", (40000, 40000)).save(path)


NUMBERS = Image.fromarray((DEEP[..., 0] / 65535).astype(np.float32))
REFUSED = {
    "truncated.jpg": (truncated, "truncated"),
    "truncated.png": (truncated, "truncated"),
    "truncated.tif": (truncated, ""),
    "float.tif": (save(NUMBERS), "32 bits without a range"),
    "whole-numbers.tif": (save(NUMBERS.convert("I")), "32 bits without a range"),
    "bomb.png": (bomb, "decompression bomb"),
    "empty.png": (lambda path: path.touch(), "no image format"),
}
"""File -> how it is written, and what the reason says."""


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """A picture as the encoders see it: squeezed to a square."""
    return np.asarray(Image.fromarray(pixels.astype(np.uint8)).resize((32, 32), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("name", RIGHT)
def test_an_awkward_picture_shows_what_it_is(tmp_path, recwarn, name):
    write, expected, tolerance = RIGHT[name]
    write(tmp_path / name)
    seen = decode(tmp_path / name, 32)
    assert seen.dtype == np.uint8
    assert np.abs(seen.astype(float) - shrunk(expected)).mean() <= tolerance
    assert isinstance(one(ENCODERS["image"], tmp_path / name), Feature)
    finding = look(tmp_path / name, "image")
    assert finding is None or (name.startswith("a-") and finding[0] == "wrong-suffix")
    assert not recwarn.list


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_by_name(tmp_path, recwarn, name):
    write, reason = REFUSED[name]
    write(tmp_path / name)
    result = one(ENCODERS["image"], tmp_path / name)
    assert isinstance(result, Undecodable)
    assert reason in result.reason.lower()
    assert name not in result.reason
    assert not recwarn.list


def test_the_pixels_of_ordinary_pictures_stay_as_they_were(tmp_path):
    """RGB without a profile or transparency goes through nothing but Pillow's own resizing."""
    for name in ("a.jpg", "a.png", "a.bmp", "a.webp"):
        PICTURE.save(tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(decode(tmp_path / name, 32), shrunk(np.asarray(image)))


def test_a_standard_profile_changes_nothing(tmp_path):
    stream = io.BytesIO()
    standard = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    PICTURE.save(stream, "PNG", icc_profile=standard)
    (tmp_path / "a.png").write_bytes(stream.getvalue())
    assert np.array_equal(decode(tmp_path / "a.png", 32), shrunk(PLAIN))
