"""A small sound dataset, and ways to break it."""

from __future__ import annotations

import csv
import io
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from bench.data.synthetic.livestream import audio, image, video

N = 24
DESCRIPTION = """\
name = "shops"
[target]
column = "sales"
transform = "log10"
unit = "yuan"
[samples]
time = "opened"
group = "chain"
[entities.shop]
text = ["title"]
image = ["photo"]
numeric = ["area", "visits"]
log = ["visits"]
[entities.product]
table = "products.csv"
key = "product_ids"
many = true
text = ["name"]
image = ["picture"]
numeric = ["price"]
[entities.clip]
video = ["clip"]
audio = ["sound"]
[entities.mood.features.audio]
file = "mood.npz"
array = "x"
key = "id"
"""


def build(folder: Path) -> None:
    """Write the sound dataset."""
    rng = np.random.default_rng(7)
    for name in ("images", "media"):
        (folder / name).mkdir(parents=True)
    (folder / "dataset.toml").write_text(DESCRIPTION, encoding="utf-8")
    for i in range(N):
        Image.fromarray(image.render("room", i % 7, rng)[:48, :48]).save(folder / f"images/s{i}.jpg")
        audio.write(folder / f"media/s{i}.wav", i % 7, rng)
    for i in range(6):
        Image.fromarray(image.render("commodity", i, rng)[:48, :48]).save(folder / f"images/p{i}.png")
        video.write(folder / f"media/c{i}.mp4", i, rng)
    samples = pd.DataFrame({
        "id": [f"s{i}" for i in range(N)],
        "sales": np.round(10 ** rng.uniform(1, 4, N), 2),
        "opened": pd.date_range("2024-01-01", periods=N, freq="3D").strftime("%Y-%m-%d"),
        "chain": [f"g{i // 2}" for i in range(N)],
        "title": [f"店铺 {w} no. {i}" for i, w in enumerate(rng.choice(["silk", "tea", "toys"], N))],
        "photo": [f"images/s{i}.jpg" for i in range(N)],
        "area": np.round(rng.uniform(10, 90, N), 1),
        "visits": rng.integers(1, 900, N),
        "product_ids": ["|".join(rng.permutation([f"p{j}" for j in range(6)])[:2]) for _ in range(N)],
        "clip": [f"media/c{i % 6}.mp4" for i in range(N)],
        "sound": [f"media/s{i}.wav" for i in range(N)],
    })  # fmt: skip
    products = pd.DataFrame({
        "id": [f"p{i}" for i in range(6)], "name": ["scarf", "pot", "robot", "cup", "kite", "shawl"],
        "picture": [f"images/p{i}.png" for i in range(6)], "price": [3.5, 20, 19, 7, 4, 30],
    })  # fmt: skip
    samples.to_csv(folder / "samples.csv", index=False)
    products.to_csv(folder / "products.csv", index=False)
    np.savez(folder / "mood.npz", x=rng.normal(size=(N, 4)), id=samples["id"].to_numpy(dtype=str))


Break = Callable[[Path], None]


class Fault(NamedTuple):
    """How to break the dataset, and the problem that must be found.

    Attributes:
        row: the first row of the problem; 0 where it has none.
        stops: whether `bench run` refuses the dataset.
        deep: whether the problem is only found when the media are decoded.
    """

    breaks: Break
    kind: str
    file: str
    row: int = 0
    column: str = ""
    stops: bool = True
    deep: bool = False


# -- ways to break ------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows(rows)


def cell(row: int, column: str, value: str, file: str = "samples.csv") -> Break:
    """Put `value` into a cell; the header is row 1."""

    def breaks(folder: Path) -> None:
        rows = rows_of(folder / file)
        rows[row - 1][rows[0].index(column)] = value
        write_rows(folder / file, rows)

    return breaks


def column(name: str, value: Callable[[int, dict[str, str]], str], file: str = "samples.csv") -> Break:
    """Compute a whole column from the number of the row (from 0) and its cells."""

    def breaks(folder: Path) -> None:
        header, *rows = rows_of(folder / file)
        for i, row in enumerate(rows):
            row[header.index(name)] = value(i, dict(zip(header, row, strict=True)))
        write_rows(folder / file, [header, *rows])

    return breaks


def text(old: str, new: str, file: str = "dataset.toml") -> Break:
    """Replace text, once."""

    def breaks(folder: Path) -> None:
        content = (folder / file).read_text(encoding="utf-8")
        assert old in content
        (folder / file).write_text(content.replace(old, new, 1), encoding="utf-8")

    return breaks


def line(row: int, change: Callable[[str], str], file: str = "samples.csv") -> Break:
    """Change a line of a file as text."""

    def breaks(folder: Path) -> None:
        lines = (folder / file).read_text(encoding="utf-8").split("\n")
        lines[row - 1] = change(lines[row - 1])
        (folder / file).write_text("\n".join(lines), encoding="utf-8")

    return breaks


def content(file: str, change: Callable[[bytes], bytes]) -> Break:
    """Change the bytes of a file."""
    return lambda folder: (folder / file).write_bytes(change((folder / file).read_bytes())) and None


def gone(file: str) -> Break:
    return lambda folder: (folder / file).unlink()


def both(*breaks: Break) -> Break:
    return lambda folder: [b(folder) for b in breaks] and None


def mood(**arrays: object) -> Break:
    """Write other features, by row: ``x`` from the sound ones, unless given."""

    def breaks(folder: Path) -> None:
        with np.load(folder / "mood.npz") as file:
            sound = {"x": file["x"], "id": file["id"]}
        made = {k: v(sound[k]) if callable(v) else v for k, v in arrays.items()}
        np.savez(folder / "mood.npz", **{**sound, **made})

    return breaks


def with_nan(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[4, 1] = np.nan
    return x


def bomb_png() -> bytes:
    """A PNG of 30,000 x 30,000 pixels by its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


def lying_array() -> bytes:
    """An .npz whose header claims 146 TiB."""
    header, archive = io.BytesIO(), io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (2, 10**13)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.npy", header.getvalue())
    return archive.getvalue()


def link(file: str, to: Path | str) -> Break:
    def breaks(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        (folder / file).symlink_to(to)

    return breaks


def link_out(folder: Path) -> None:
    """A folder `linked` that is a link to a copy of the images outside."""
    outside = shutil.copytree(folder / "images", folder.parent / "outside")
    (folder / "linked").symlink_to(outside)


def silent_wav(samples: int) -> bytes:
    """A WAVE file that holds `samples` samples."""
    data = b"\0\0" * samples
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def official(rows: Callable[[int], str]) -> Break:
    """An official split, as a new column."""

    def breaks(folder: Path) -> None:
        header, *body = rows_of(folder / "samples.csv")
        write_rows(folder / "samples.csv", [[*header, "part"], *([*r, rows(i)] for i, r in enumerate(body))])
        text("[samples]", '[samples]\nsplit = "part"')(folder)

    return breaks


def copied_sample(folder: Path) -> None:
    """Row 4 gets, but for case and rounding, the attributes of row 20, in another part of the split."""
    official(lambda i: "test" if i < 6 else "train")(folder)
    rows = rows_of(folder / "samples.csv")
    header, source, copy = rows[0], rows[19], rows[3]
    for name in ("title", "photo", "area", "visits", "product_ids", "clip", "sound"):
        copy[header.index(name)] = source[header.index(name)]
    copy[header.index("title")] = source[header.index("title")].upper() + "!"
    write_rows(folder / "samples.csv", rows)
    mood(x=lambda x: np.concatenate([x[:2], x[18:19], x[3:]]))(folder)


S, P, T, M = "samples.csv", "products.csv", "dataset.toml", "mood.npz"
