"""The one place where .npy and .npz files of others are opened: no pickle is loaded, no header believed."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from bench.data.untrusted import Unreadable, reading

LONGEST_HEADER = 10_000
"""Bytes, as NumPy has it."""
LARGEST_UNPACKED = 1 << 30
MOST_PACKED = 100
"""A member that is larger than LARGEST_UNPACKED bytes and has shrunk to a MOST_PACKED-th is a zip bomb."""
MOST_EMPTY = 10_000_000
"""Rows of an array without any number."""

T = TypeVar("T")


class Header(NamedTuple):
    """What an array says of itself: its name ("" in an .npy), shape and type."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype


def kind_of(path: Path) -> str:
    """What a file is, whatever its name says: npy, npz, or "" for something else. Raises Unreadable."""
    with reading(path), path.open("rb") as stream:
        if stream.read(6) == b"\x93NUMPY":
            return "npy"
        return "npz" if zipfile.is_zipfile(stream) else ""


def headers(path: Path) -> list[Header]:
    """The headers of all arrays in a file; nothing else is read. Raises Unreadable."""
    if path.suffix.lower() == ".npz":
        with reading(path), zipfile.ZipFile(path) as archive:
            return [_in_member(archive, member, lambda _, header: header) for member in archive.namelist()]
    with reading(path), path.open("rb") as stream:
        return [_header(stream, "", path.stat().st_size)]


def open_npy(path: Path) -> np.ndarray:
    """The array of an .npy file, memory-mapped. Raises Unreadable."""
    with reading(path):
        with path.open("rb") as stream:
            _header(stream, "", path.stat().st_size)
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array


def names(path: Path) -> list[str]:
    """The names of the arrays of an .npz file. Raises Unreadable."""
    with reading(path), zipfile.ZipFile(path) as archive:
        return list(_members(archive))


def read_npz(path: Path, name: str) -> np.ndarray:
    """One array of an .npz file, of a name that it has. Raises Unreadable."""
    with reading(path), zipfile.ZipFile(path) as archive:
        return _in_member(
            archive,
            _members(archive)[name],
            lambda stream, _: np.lib.format.read_array(stream, allow_pickle=False),
        )


def as_texts(keys: np.ndarray | pd.Series) -> pd.Series:
    """Keys as texts. Raises Unreadable for half a character, records, and what else arrays can hold."""
    with reading():
        if keys.dtype.kind == "S":
            keys = np.char.decode(keys, "utf-8", "replace")
        return pd.Series(keys).astype("string")


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Name of array -> name of the member."""
    return {member.removesuffix(".npy"): member for member in archive.namelist()}


def _in_member(archive: zipfile.ZipFile, member: str, read: Callable[[IO[bytes], Header], T]) -> T:
    info = archive.getinfo(member)
    if info.file_size > max(LARGEST_UNPACKED, MOST_PACKED * info.compress_size):
        raise Unreadable(f"{member!r} would unpack from {info.compress_size:,} to {info.file_size:,} bytes")
    with archive.open(member) as stream:
        header = _header(stream, member.removesuffix(".npy"), info.file_size)
    with archive.open(member) as stream:
        return read(stream, header)


def _header(stream: IO[bytes], name: str, size: int) -> Header:
    """The header at the beginning of a stream of `size` bytes, held against what is there."""
    head = io.BytesIO(stream.read(LONGEST_HEADER + 16))
    version = np.lib.format.read_magic(head)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise Unreadable(f"version {version[0]}.{version[1]} of the format is unknown")
    v1 = np.lib.format.read_array_header_1_0
    shape, _, dtype = (v1 if version == (1, 0) else np.lib.format.read_array_header_2_0)(head)
    if dtype.hasobject:
        return Header(name, shape, dtype)  # refused when it is read
    if any(n < 0 for n in shape):
        raise Unreadable(f"the shape {_shown(shape)} is negative")
    claimed, there = math.prod(shape) * dtype.itemsize, size - head.tell()
    if claimed > there:
        raise Unreadable(f"its header claims {_shown(shape)} {dtype}, but there are {there:,} bytes")
    if claimed == 0 and max(shape, default=0) > MOST_EMPTY:
        raise Unreadable(f"its header claims {_shown(shape)} {dtype}, which is nothing at all")
    return Header(name, shape, dtype)


def _shown(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{n:,}" if n < 10**15 else f"{n:.0e}" if n < 10**300 else "1e300" for n in shape[:8])
