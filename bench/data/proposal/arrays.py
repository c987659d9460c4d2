"""Precomputed features: float arrays, and parquet columns of lists, with one entry per row of a table."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import pandas as pd

from bench.data.proposal.columns import Table
from bench.data.proposal.links import MOSTLY
from bench.data.proposal.names import words
from bench.data.proposal.survey import Survey
from bench.data.schema import Features
from bench.errors import DataError

WORDS = {
    "text": ("text", "language", "transcript", "words", "bert", "glove", "title"),
    "image": ("image", "images", "photo", "photos", "picture", "poster", "visual"),
    "video": ("video", "videos", "vision", "face", "facial", "frames"),
    "audio": ("audio", "acoustic", "speech", "voice", "sound", "covarep"),
}
"""Words in names of arrays and files that tell the modality."""


@dataclass(frozen=True)
class Found:
    """Features that fit a table; without `features`, an array that is not used.

    Attributes:
        what: the array and its shape, in words.
        table: the file of the table whose rows it follows.
        modality: text, image, video or audio; "" where the names do not tell.
        features: what to write.
        why_not: why it is not used.
    """

    what: str
    table: str = ""
    modality: str = ""
    features: Features | None = None
    why_not: str = ""


@dataclass(frozen=True)
class _Header:
    file: str
    name: str | None
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def what(self) -> str:
        name = f"{self.name!r} of {self.file}" if self.name else self.file
        return f"{name}, {' x '.join(map(str, self.shape))} {self.dtype}"


def find_features(found: Survey, tables: list[tuple[Table, str]]) -> list[Found]:
    """The features in .npz, .npy and parquet files.

    Args:
        found: the folder.
        tables: the tables that entities have, the samples first, each with its id column.

    Raises:
        DataError: an array file is damaged.
    """
    results = [_vectors(table, column.name) for table, _ in tables for column in table.of_kind("vectors")]
    for file in found.arrays:
        headers = list(_headers(found.root, file))
        offsets = [h for h in headers if h.dtype.kind in "iu" and len(h.shape) == 1]
        for header in headers:
            if why_not := _unfit(header):
                results.append(Found(header.what, why_not=why_not))
            else:
                results.append(_fit(found.root, header, offsets, _key_headers(headers, header), tables))
    return results


def _vectors(table: Table, column: str) -> Found:
    features = Features(file=table.file, array=column)
    return Found(f"column {column!r} of {table.file}", table.file, _modality(column, table.file), features)


def _headers(root: Path, file: str) -> Iterator[_Header]:
    """Name, shape and type of every array of a file; no array is loaded, no object ever."""
    path = root / file
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as stream:
                yield _Header(file, None, *_shape(stream))
            return
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    yield _Header(file, member.removesuffix(".npy"), *_shape(stream))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}); save the arrays again, or take it out.") from None


def _shape(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def _unfit(header: _Header) -> str:
    if header.dtype.hasobject:
        return "Python objects are never loaded; save it as numbers"
    if header.dtype.kind != "f":
        return f"{header.dtype} is no floating-point type"
    if len(header.shape) not in (2, 3):
        return "features are (rows, D) vectors or (rows, L, D) sequences"
    return ""


def _key_headers(headers: list[_Header], array: _Header) -> list[_Header]:
    """The arrays of the same file that may name the rows of `array`."""
    return [h for h in headers if h.dtype.kind in "Uiu" and h.shape == array.shape[:1]]


def _fit(
    root: Path, array: _Header, offsets: list[_Header], keys: list[_Header], tables: list[tuple[Table, str]]
) -> Found:
    """The table whose rows an array follows."""
    modality = _modality(array.name or "", array.file)
    for table, id_column in tables:
        ids = table.columns[id_column].cells
        for key in keys:
            values = pd.Series(_load(root, key)).astype("string")
            if not values.duplicated().any() and ids.isin(values).mean() >= MOSTLY:
                same = len(values) == len(ids) and (values.to_numpy() == ids.to_numpy()).all()
                features = Features(file=array.file, array=array.name, key=None if same else key.name)
                return Found(array.what, table.file, modality, features)
    for table, _ in tables:
        if array.shape[0] == table.rows:
            return Found(array.what, table.file, modality, Features(file=array.file, array=array.name))
        for cut in offsets:
            if len(array.shape) == 2 and cut.shape == (table.rows + 1,) and _cuts(_load(root, cut), array):
                features = Features(file=array.file, array=array.name, offsets=cut.name)
                return Found(array.what, table.file, modality, features)
    counts = ", ".join(f"{table.file} {table.rows}" for table, _ in tables)
    return Found(array.what, why_not=f"as many rows as no table ({counts})")


def _load(root: Path, header: _Header) -> np.ndarray:
    with np.load(root / header.file, allow_pickle=False) as file:
        return file[str(header.name)]


def _cuts(offsets: np.ndarray, array: _Header) -> bool:
    return bool(offsets[0] == 0 and offsets[-1] == array.shape[0] and (np.diff(offsets) >= 0).all())


def _modality(name: str, file: str) -> str:
    """The modality that the names of array, file or folder tell, in this order."""
    path = PurePosixPath(file)
    for said in (name, path.stem, path.parent.name):
        for modality, known in WORDS.items():
            if set(words(said)) & set(known):
                return modality
    return ""
