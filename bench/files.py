"""Folders that are complete or not there, and whose content is what was once written.

A folder is written aside, sealed with the SHA-256 of every file in it, and renamed. Whoever reads it back
asks `damage` first: a file that is missing, cut off, or of which a single bit has changed is found before any
number comes from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_dir

SEAL = "checksums.json"
"""The file in a sealed folder that has the SHA-256 of all others: relative path -> hexadecimal digits."""
LARGEST_SEAL = 64 * 2**20
"""Bytes above which a seal is not even read: it is not ours."""


def cache_dir() -> Path:
    """The cache folder: the environment variable BENCH_CACHE, or the user's cache folder."""
    return Path(os.environ.get("BENCH_CACHE") or user_cache_dir("fusion-bench", appauthor=False)).expanduser()


def content_key(item: str | Path) -> str:
    """SHA-256 of an item's content: of the text, or of the bytes of the file (OSError if it is not there)."""
    if isinstance(item, Path):
        with item.open("rb") as file:
            return hashlib.sha256(b"file\0" + hashlib.file_digest(file, "sha256").digest()).hexdigest()
    return hashlib.sha256(b"text\0" + item.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def written_aside(folder: Path, *, replace: bool = False, sealed: bool = True) -> Iterator[Path]:
    """A new folder to write into, which becomes `folder` when the body has ended, and vanishes if it fails.

    Args:
        folder: the final place; folders above it are made as needed.
        replace: what to do where `folder` is there by then: replace it, or keep it, since another process
            that wrote the same was first.
        sealed: whether the checksums of all files are written, too.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent, folder.name)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)  # of a killed process that had this id
    aside.mkdir()
    try:
        yield aside
        if sealed:
            seal(aside)
        if replace:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            aside.rename(folder)
        except OSError:
            if replace or not folder.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a file aside and rename it: it is the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def seal(folder: Path) -> None:
    """Write the checksums of all files that are in a folder now."""
    sums = {name: _sum(folder / name) for name in _names(folder)}
    write_text(folder / SEAL, json.dumps(sums, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def sealed(folder: Path) -> dict[str, str]:
    """The checksums that a folder was sealed with. Raises ValueError with the reason if it has none."""
    path = folder / SEAL
    try:
        ours = not path.is_symlink() and path.stat().st_size <= LARGEST_SEAL
        sums = json.loads(path.read_bytes()) if ours else None
    except FileNotFoundError:
        raise ValueError(f"{SEAL} is missing") from None
    except (OSError, ValueError, RecursionError):
        raise ValueError(f"{SEAL} is not what was written") from None
    if not isinstance(sums, dict) or not all(isinstance(value, str) for value in sums.values()):
        raise ValueError(f"{SEAL} is not what was written")
    return sums


def damage(folder: Path, *, exact: bool = False) -> str:
    """What is wrong with a folder that was sealed, such as "'metrics.json' is missing"; "" if it is intact.

    Files that came later are not looked at, unless it is to hold `exact`ly what it was sealed with.
    """
    try:
        sums = sealed(folder)
        there = _names(folder)
        if exact and (foreign := there - set(sums)):
            return f"{min(foreign)[:80]!r} does not belong to it"
        for name, expected in sums.items():
            if name not in there:
                return f"{name[:80]!r} is missing"
            if _sum(folder / name) != expected:
                return f"{name!r} is not what was written"
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def sweep(folder: Path, name: str = "") -> None:
    """Remove what killed processes left half-written in a folder, of one name or of all."""
    for leftover in folder.glob(".*.*"):
        stem, _, pid = leftover.name[1:].rpartition(".")
        if pid.isdecimal() and name in ("", stem) and not _alive(int(pid)):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _names(folder: Path) -> frozenset[str]:
    """The regular files below a folder but for the seal, as relative paths; links are not followed."""
    found = set()
    for parent, _, files in os.walk(folder):
        for file in files:
            path = Path(parent, file)
            if path.is_file() and not path.is_symlink():
                found.add(path.relative_to(folder).as_posix())
    return frozenset(found - {SEAL})


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
