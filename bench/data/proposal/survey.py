"""What lies in a folder: tables, media files, arrays. Every file is listed once; no media file is opened."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

import pandas as pd

from bench.data.problems import refuse
from bench.data.reach import reachable
from bench.data.tables import Tables
from bench.errors import DataError, printable

MOST_FILES = 50_000
"""Files looked at, those nearest to the top of the folder first."""
MOST_ENTRIES = 20 * MOST_FILES
"""Files and folders of any kind."""
LARGEST_TABLE = 1 << 30
"""Bytes of a table file beyond which it is left out."""
TABLES = (".csv", ".parquet")
ARRAYS = (".npz", ".npy")
SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    "video": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus"),
}
MODALITY_OF = {suffix: modality for modality, suffixes in SUFFIXES.items() for suffix in suffixes}


@dataclass
class Survey:
    """What a folder holds; paths are relative to it and written with ``/``.

    Attributes:
        root: the folder.
        frames: the tables by path, as `bench.data.tables.Tables` reads them.
        media: media files, path -> modality.
        arrays: .npz and .npy files.
        notes: what was not looked at, and why.
        allow_links: folders outside that links in the folder may lead to.
    """

    root: Path
    allow_links: tuple[Path, ...] = ()
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    media: dict[str, str] = field(default_factory=dict)
    arrays: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether a relative path is a media file of the folder, listed or not."""
        if name in self.media:
            return True
        return os.path.isfile(self.root / name) and reachable(self.root, name, self.allow_links)


def modality_of(name: str) -> str | None:
    """The modality of a media file by its suffix; None for any other file."""
    return MODALITY_OF.get(PurePosixPath(name).suffix.lower())


def survey(folder: Path, allow_links: tuple[Path, ...] = ()) -> Survey:
    """List a folder and read its tables. Raises DataError where there is none, or one cannot be read."""
    shown = printable(str(folder))
    if not folder.is_dir():
        raise DataError(f"{shown} is not a folder; give the one that holds the tables and media.")
    found = Survey(folder, allow_links)
    tables = Tables(folder, refuse, allow_links=allow_links)
    files = list(islice(_files(found), MOST_FILES + 1))
    if len(files) > MOST_FILES:
        found.notes.append(f"only the first {MOST_FILES:,} files were looked at")
    for name in files[:MOST_FILES]:
        suffix = PurePosixPath(name).suffix.lower()
        if name.encode(errors="replace").decode() != name:
            found.notes.append(f"the name of {printable(name)} is not UTF-8; rename it")
        elif suffix in TABLES and (folder / name).stat().st_size > LARGEST_TABLE:
            found.notes.append(f"{name} is larger than 1 GB and was not looked at")
        elif suffix in TABLES:
            found.frames[name] = _checked(folder / name, tables.table(name))
        elif suffix in ARRAYS:
            found.arrays.append(name)
        elif modality := modality_of(name):
            found.media[name] = modality
    if not found.frames:
        raise DataError(
            f"{shown} has no table; put a .csv (separated by commas, UTF-8) or .parquet there "
            "with one row per sample: an id, the number to predict, and what it is to be predicted from."
        )
    return found


def _files(found: Survey) -> Iterator[str]:
    """The files, a folder's own before those of the folders in it, tables first; nothing hidden."""
    root, queue, seen, looked_at = found.root, deque([found.root]), {os.path.realpath(found.root)}, 0
    while queue and looked_at < MOST_ENTRIES:
        folder = queue.popleft()
        try:
            entries = [e for e in os.scandir(folder) if not e.name.startswith(".")]
        except OSError as error:
            found.notes.append(f"{printable(str(folder.relative_to(root)))}: {error.strerror}")
            continue
        looked_at += len(entries)
        entries.sort(key=lambda e: (PurePosixPath(e.name).suffix.lower() not in TABLES, e.name))
        for entry in entries:
            path = Path(entry.path)
            if entry.is_symlink():
                # a link is not followed: nothing outside the folder is ever read, unless that is allowed
                real = os.path.realpath(path)
                if real in seen or not any(Path(real).is_relative_to(d) for d in _real(found.allow_links)):
                    continue
                seen.add(real)
            if entry.is_dir():
                queue.append(path)
            elif entry.is_file():
                yield path.relative_to(root).as_posix()


def _real(folders: tuple[Path, ...]) -> list[str]:
    return [os.path.realpath(folder) for folder in folders]


def _checked(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    header = str(frame.columns[0])
    if len(frame.columns) == 1 and (";" in header or "\t" in header):
        raise DataError(f"{printable(str(path))} is separated by semicolons or tabs; use commas.")
    return frame
