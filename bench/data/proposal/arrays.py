"""Precomputed features: float arrays, and parquet columns of lists, with one entry per row of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from bench.data.arrays import Header, as_texts, headers, read_npz
from bench.data.names import words
from bench.data.proposal.columns import Table
from bench.data.proposal.links import MOSTLY
from bench.data.proposal.survey import Survey
from bench.data.schema import Features
from bench.data.untrusted import Unreadable
from bench.errors import DataError, printable

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
class _Array:
    file: str
    header: Header

    @property
    def what(self) -> str:
        name, shape, dtype = self.header
        where = f"{name!r} of {self.file}" if name else self.file
        return f"{where}, {' x '.join(map(str, shape))} {dtype}"


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
        arrays = _arrays(found.root, file)
        for array in arrays:
            if why_not := _unfit(array.header):
                results.append(Found(array.what, why_not=why_not))
            else:
                results.append(_fit(found.root, array, arrays, tables))
    return results


def _vectors(table: Table, column: str) -> Found:
    features = Features(file=table.file, array=column)
    return Found(f"column {column!r} of {table.file}", table.file, _modality(column, table.file), features)


def _arrays(root: Path, file: str) -> list[_Array]:
    """What is in a file; no array is loaded, no object ever."""
    try:
        return [_Array(file, header) for header in headers(root / file)]
    except Unreadable as error:
        raise _damaged(root / file, error) from None


def _damaged(path: Path, error: Unreadable) -> DataError:
    return DataError(printable(f"{path} cannot be read ({error}); save the arrays again, or take it out."))


def _unfit(header: Header) -> str:
    if header.dtype.hasobject:
        return "Python objects are never loaded; save it as numbers"
    if header.dtype.kind != "f":
        return f"{header.dtype} is no floating-point type"
    if len(header.shape) not in (2, 3):
        return "features are (rows, D) vectors or (rows, L, D) sequences"
    return ""


def _fit(root: Path, array: _Array, others: list[_Array], tables: list[tuple[Table, str]]) -> Found:
    """The table whose rows an array follows; the others are those of its file."""
    name, shape, _ = array.header
    modality = _modality(name, array.file)
    keys = [o for o in others if o.header.dtype.kind in "Uiu" and o.header.shape == shape[:1]]
    offsets = [o for o in others if o.header.dtype.kind in "iu" and len(o.header.shape) == 1]
    for table, id_column in tables:
        ids = table.columns[id_column].cells
        for key in keys:
            values = _keys(root, key)
            if not values.duplicated().any() and ids.isin(values).mean() >= MOSTLY:
                same = len(values) == len(ids) and (values.to_numpy() == ids.to_numpy()).all()
                by = None if same else key.header.name
                return Found(array.what, table.file, modality, Features(file=array.file, array=name, key=by))
    for table, _ in tables:
        if shape[0] == table.rows:
            return Found(array.what, table.file, modality, Features(file=array.file, array=name or None))
        for cut in offsets:
            if len(shape) == 2 and cut.header.shape == (table.rows + 1,) and _cuts(_load(root, cut), shape):
                features = Features(file=array.file, array=name, offsets=cut.header.name)
                return Found(array.what, table.file, modality, features)
    counts = ", ".join(f"{table.file} {table.rows}" for table, _ in tables)
    return Found(array.what, why_not=f"as many rows as no table ({counts})")


def _load(root: Path, array: _Array) -> np.ndarray:
    try:
        return read_npz(root / array.file, array.header.name)
    except Unreadable as error:
        raise _damaged(root / array.file, error) from None


def _keys(root: Path, array: _Array) -> pd.Series:
    """An array as keys; no keys where it does not hold texts."""
    try:
        return as_texts(_load(root, array))
    except Unreadable:
        return pd.Series(dtype="string")


def _cuts(offsets: np.ndarray, shape: tuple[int, ...]) -> bool:
    return bool(offsets[0] == 0 and offsets[-1] == shape[0] and (offsets[1:] >= offsets[:-1]).all())


def _modality(name: str, file: str) -> str:
    """The modality that the names of array, file or folder tell, in this order."""
    path = PurePosixPath(file)
    for said in (name, path.stem, path.parent.name):
        for modality, known in WORDS.items():
            if set(words(said)) & set(known):
                return modality
    return ""
