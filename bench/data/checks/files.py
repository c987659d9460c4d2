"""Media files that are missing, empty, huge, or something else than their column or name says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from bench.data.dataset import Dataset
from bench.data.names import modality_by_suffix
from bench.data.problems import Problem, Report
from bench.data.schema import MEDIA
from encoders.decoding import CannotDecode
from encoders.image import opened
from fusions import Source

HARMLESS = ("wrong-suffix",)
"""Findings with which a file is decoded all the same."""
FIX = {
    "missing-file": "put the file there or empty the cell",
    "unreadable-file": "fix its permissions",
    "empty-file": "get the file again or empty the cell",
    "other-modality": "put the right file there or empty the cell",
    "huge-image": "scale it down",
    "wrong-suffix": "rename it",
    "undecodable": "get the file again or empty the cell",
}
"""Kind of finding -> what to do."""

Finding = tuple[str, str]
"""Kind, and what is wrong with the file."""


Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""


class Depth(TypedDict, total=False):
    """How thoroughly media files are looked at, as `check` takes it.

    Attributes:
        deep: decode every one of them, as the encoders do, too.
        jobs: processes that decode.
        executor: where (`bench.executors`).
        progress: called with how far decoding is.
    """

    deep: bool
    jobs: int
    executor: str
    progress: Progress


class Format(NamedTuple):
    """A file format: its name, the bytes at an offset that tell it, modalities it serves, its suffixes."""

    name: str
    offset: int
    signature: bytes
    modalities: tuple[str, ...]
    suffixes: tuple[str, ...]


FORMATS = (
    Format("a JPEG image", 0, b"\xff\xd8\xff", ("image",), (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    Format("a PNG image", 0, b"\x89PNG\r\n\x1a\n", ("image",), (".png", ".apng")),
    Format("a GIF image", 0, b"GIF8", ("image", "video"), (".gif",)),
    Format("a WebP image", 8, b"WEBP", ("image",), (".webp",)),
    Format("a WAVE sound", 8, b"WAVE", ("audio",), (".wav", ".wave")),
    Format("an AVI video", 8, b"AVI ", ("video", "audio"), (".avi",)),
    Format("a FLAC sound", 0, b"fLaC", ("audio",), (".flac",)),
    Format("an MP3 sound", 0, b"ID3", ("audio",), (".mp3",)),
    Format("an AVIF image", 4, b"ftypavif", ("image",), (".avif",)),
    Format("a HEIC image", 4, b"ftyphei", ("image",), (".heic", ".heif")),
    Format("an MP4 file", 4, b"ftyp", ("video", "audio"), (".mp4", ".m4a", ".m4v", ".mov", ".3gp")),
    Format("an Ogg file", 0, b"OggS", ("video", "audio"), (".ogg", ".oga", ".ogv", ".opus")),
    Format("a Matroska file", 0, b"\x1aE\xdf\xa3", ("video", "audio"), (".mkv", ".mka", ".webm")),
    Format("a PDF", 0, b"%PDF", (), (".pdf",)),
    Format("a ZIP archive", 0, b"PK\x03\x04", (), (".zip",)),
    Format("a gzip archive", 0, b"\x1f\x8b", (), (".gz",)),
    Format("a web page", 0, b"<!DOCTYPE", (), (".html",)),
    Format("a web page", 0, b"<html", (), (".html",)),
    Format("a playlist", 0, b"#EXTM3U", (), (".m3u", ".m3u8")),
)
SUFFIXES = frozenset(suffix for f in FORMATS for suffix in f.suffixes)
HEAD = 64
"""Bytes by which a format is recognised."""


def modality_of(path: Path) -> str:
    """What a file is by its first bytes; where they leave that open, by its suffix; or ""."""
    named = modality_by_suffix(path.name)
    try:
        with path.open("rb") as file:
            is_ = _format_of(file.read(HEAD))
    except OSError:
        return named
    if is_ is None or named in is_.modalities:
        return named
    return next(iter(is_.modalities), "")


def check(
    dataset: Dataset,
    report: Report,
    *,
    deep: bool = False,
    jobs: int = 1,
    executor: str = "local",
    progress: Progress = lambda what, done, total: None,
) -> None:
    """Look at every media file once, with `deep` decode those that look right; report by column."""
    named = {
        (s.modality, path): None
        for s in dataset.schema.sources
        if s.modality in MEDIA and not dataset.schema.precomputed(s)
        for path in _paths(dataset, s)
    }
    findings = {key: finding for key in named if (finding := look(key[1], key[0]))}
    if deep:
        from bench.data.checks.media import undecodable  # loads torch

        sound = [key for key in named if key not in findings or findings[key][0] in HARMLESS]
        faults = undecodable(sound, jobs=jobs, executor=executor, progress=progress)
        findings |= {key: ("undecodable", f"cannot be decoded ({why})") for key, why in faults.items()}
    for source in dict.fromkeys(s for s in dataset.schema.sources if s.modality in MEDIA):
        if not dataset.schema.precomputed(source):
            _tell(dataset, source, findings, report)


def _paths(dataset: Dataset, source: Source) -> list[Path]:
    return [path for path in dataset.raw(source).items if isinstance(path, Path)]


def look(path: Path, modality: str) -> Finding | None:
    """What is wrong with a file, as far as its first bytes tell."""
    try:
        if not path.is_file():
            return "missing-file", "does not exist" if not path.exists() else "is not a file"
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        return "unreadable-file", f"cannot be opened ({error.strerror})"
    if not head:
        return "empty-file", "is empty"
    is_ = _format_of(head)
    if is_ and modality not in is_.modalities:
        return "other-modality", f"is {is_.name}"
    if modality == "image" and (finding := _image(path)):
        return finding
    suffix = path.suffix.lower()
    if is_ and suffix in SUFFIXES and suffix not in is_.suffixes:
        return "wrong-suffix", f"is {is_.name}, whatever its name says"
    return None


def _format_of(head: bytes) -> Format | None:
    return next((f for f in FORMATS if head[f.offset :].startswith(f.signature)), None)


def _image(path: Path) -> Finding | None:
    """What opening an image as the encoders do says of its header."""
    try:
        with opened(path):
            return None
    except CannotDecode as error:
        if isinstance(error.__cause__, Image.DecompressionBombError):
            return "huge-image", f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
        if isinstance(error.__cause__, UnidentifiedImageError):
            return "other-modality", "is not an image of a format that is read here"
        return "undecodable", f"cannot be decoded ({error})"


def _tell(
    dataset: Dataset, source: Source, findings: Mapping[tuple[str, Path], Finding], report: Report
) -> None:
    """Report the findings of one source: one problem for all rows of a column with the same kind."""
    raw, paths = dataset.raw(source), _paths(dataset, source)
    found = [findings.get((source.modality, path)) for path in paths]
    if not any(found):
        return
    # a run refuses a source of which nothing can be decoded
    stops = all(f is not None and f[0] not in HARMLESS for f in found)
    rows = np.repeat(np.arange(len(raw.rows)), np.diff(raw.rows.offsets))
    tokens = pd.DataFrame({"row": rows, "slot": raw.slots, "item": raw.rows.values})
    kinds = pd.array([f[0] if f else None for f in found], dtype="string")
    tokens["kind"] = kinds[raw.rows.values]
    file, columns = dataset.table_of(source.entity), dataset.schema.entities[source.entity]
    for (kind, slot), cells in tokens.dropna().groupby(["kind", "slot"], sort=False):
        item = int(cells["item"].iloc[0])
        what = f"{paths[item].relative_to(dataset.root)} {findings[source.modality, paths[item]][1]}"
        numbers = tuple(dict.fromkeys((cells["row"] + 2).tolist()))
        column = columns.columns(source.modality)[slot]
        report(Problem(kind, what, FIX[kind], file, column, numbers, stops and kind not in HARMLESS))
