"""Precomputed features: vectors or sequences of vectors per row of an entity, from .npz, .npy or .parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.data import arrays
from bench.data.parquet import read_parquet
from bench.data.problems import Problem, Report, rows_where, some
from bench.data.ragged import Ragged
from bench.data.reach import refusal
from bench.data.schema import Features
from bench.data.untrusted import Unreadable

CHUNK = 65_536
"""Vectors looked at together: what has to be in memory of a memory-mapped array."""


class Vectors(NamedTuple):
    """The vectors of one source.

    Attributes:
        rows: ragged, one row per row of the entity's table, of positions in `values`.
        values: (V, D) float; memory-mapped where the file is an .npy.
    """

    rows: Ragged
    values: np.ndarray


class _Fault(Exception):
    """A file that is not what the description says: kind, what, fix."""


def read_vectors(
    root: Path,
    features: Features,
    ids: pd.Series,
    report: Report,
    allow_links: tuple[Path, ...] = (),
) -> Vectors:
    """Read the features of the rows `ids` of an entity's table; every row is empty if that is impossible.

    Links may lead out of the folder `root` into the folders `allow_links` only.
    """
    nothing = Vectors(
        Ragged.from_lengths(np.zeros(0, np.int64), np.zeros(len(ids), np.int64)), np.zeros((0, 1))
    )
    path = root / features.file
    try:
        if refused := refusal(root, features.file, allow_links, missing="missing-features"):
            raise _Fault(*refused)
        rows, values, keys = (
            _parquet(path, features) if path.suffix == ".parquet" else _arrays(path, features)
        )
        if not len(ids):  # of a table that cannot be read something else has been reported
            return nothing
        rows = _aligned(rows, keys, ids, features, report)
    except Unreadable as error:
        fix = "save plain arrays of numbers, or columns of lists of numbers, again"
        fault = "unreadable-features", f"cannot be read ({error})", fix
    except _Fault as error:
        fault = error.args
    else:
        return _without_absent(rows, values, features, report)
    report(Problem(*fault, file=features.file, column=features.array or ""))
    return nothing


def _arrays(path: Path, features: Features) -> tuple[Ragged, np.ndarray, np.ndarray | None]:
    plain = path.suffix == ".npy"
    if arrays.kind_of(path) == ("npz" if plain else "npy"):
        what = f"is {'not an' if plain else 'an'} .npy file, whatever its name says"
        raise _Fault("unreadable-features", what, "rename it, and correct the description")
    if plain:
        values, keys, offsets = arrays.open_npy(path), None, None
    else:
        values = _named(path, features.array or "")
        keys = _named(path, features.key) if features.key else None
        offsets = _named(path, features.offsets) if features.offsets else None
    fits = values.dtype.kind in "iuf" and values.ndim in (2, 3) and values.shape[-1] > 0
    if not fits:
        what = f"has shape {values.shape} of {values.dtype}, not (rows, D) or (rows, L, D) real numbers"
        raise _Fault("unreadable-features", what, "save vectors or sequences of numbers")
    if offsets is not None:
        good = (
            offsets.ndim == 1
            and offsets.dtype.kind in "iu"
            and len(offsets)
            and offsets[0] == 0
            and offsets[-1] == len(values)
        )
        # compared, not subtracted: differences of unsigned numbers are never negative
        if not good or (offsets[1:] < offsets[:-1]).any() or values.ndim != 2:
            what = f"{features.offsets!r} does not cut {len(values)} vectors into rows"
            raise _Fault("bad-offsets", what, "let it rise from 0 to the number of vectors")
        return Ragged(np.arange(len(values)), offsets.astype(np.int64)), values, keys
    lengths = np.full(len(values), values.shape[1] if values.ndim == 3 else 1)
    values = values.reshape(-1, values.shape[-1])
    return Ragged.from_lengths(np.arange(len(values)), lengths), values, keys


def _named(path: Path, name: str) -> np.ndarray:
    names = arrays.names(path)
    if name not in names:
        raise _Fault(
            "missing-array",
            f"has no array {name!r}; it has: {some(names) or 'none'}",
            "correct the description or the file",
        )
    return arrays.read_npz(path, name)


def _parquet(path: Path, features: Features) -> tuple[Ragged, np.ndarray, np.ndarray | None]:
    table = read_parquet(path)
    for column in (features.array, features.key):
        if column and column not in table.columns:
            what = f"has no column {column!r}; it has: {some(map(str, table.columns))}"
            raise _Fault("missing-array", what, "correct the description")
        if column and list(table.columns).count(column) > 1:
            raise _Fault("repeated-column", f"has several columns named {column!r}", "rename all but one")
    rows = [_vectors_of(cell) for cell in table[features.array]]
    widths = {row.shape[1] for row in rows if len(row)}
    if len(widths) > 1:
        what = f"has vectors of different widths ({min(widths)} to {max(widths)})"
        raise _Fault("unreadable-features", what, "give every row vectors of one width")
    lengths = [len(row) for row in rows]
    values = np.concatenate([row for row in rows if len(row)]) if widths else np.zeros((0, 1))
    keys = _texts(table[features.key], features).to_numpy() if features.key else None
    return Ragged.from_lengths(np.arange(len(values)), lengths), values, keys


def _vectors_of(cell: Any) -> np.ndarray:
    """The (L, D) vectors of one parquet cell."""
    if cell is None or (np.isscalar(cell) and pd.isna(cell)):
        return np.zeros((0, 0))
    try:
        if isinstance(cell, np.ndarray) and cell.dtype.kind in "iuf":
            array = cell.astype(np.float32)
        elif any(isinstance(part, str | bytes) for part in (cell, *cell)):  # digits would pass for numbers
            raise TypeError
        else:
            array = np.array([np.asarray(part, dtype=np.float32) for part in cell], dtype=np.float32)
        if array.ndim > 2:
            raise TypeError
    except (TypeError, ValueError, OverflowError):
        what = "holds something that is not a list of numbers"
        raise _Fault("unreadable-features", what, "save lists of numbers, or lists of lists") from None
    if array.size == 0:
        return np.zeros((0, 0))
    return array[None] if array.ndim == 1 else array


def _texts(keys: np.ndarray | pd.Series, features: Features) -> pd.Series:
    try:
        return arrays.as_texts(keys)
    except Unreadable:
        what = f"{features.key!r} does not hold texts or numbers"
        raise _Fault("bad-key", what, "write the ids as the table does") from None


def _aligned(
    rows: Ragged, keys: np.ndarray | None, ids: pd.Series, features: Features, report: Report
) -> Ragged:
    """The same rows in the order of the entity's table."""
    if keys is None:
        if len(rows) != len(ids):
            what = f"has {len(rows)} rows where the table has {len(ids)}"
            raise _Fault("wrong-length", what, "give it one row per row of the table, or a `key`")
        return rows
    texts = _texts(keys, features) if keys.ndim == 1 else pd.Series(dtype="string")
    if len(texts) != len(rows) or texts.duplicated().any():
        raise _Fault("bad-key", f"{features.key!r} does not name every row once", "correct the key")
    index = pd.Index(texts)
    found = index.get_indexer(pd.Index(ids))
    if len(ids) and (found < 0).all():
        what = f"{features.key!r} has none of the table's ids, but {', '.join(map(repr, index[:2]))}"
        raise _Fault("bad-key", what, "write the ids as the table does")
    if (absent := (found < 0) & ids.notna().to_numpy()).any():
        what = f"has no features for {str(ids[absent].iloc[0])!r}"
        fix = "nothing to do if they are missing: the entity counts as absent there"
        report(
            Problem("no-features", what, fix, features.file, features.array or "", rows_where(absent), False)
        )
    padded = rows.positions(found)
    return Ragged.from_lengths(rows.values[padded[padded >= 0]], (padded >= 0).sum(1))


def _without_absent(rows: Ragged, values: np.ndarray, features: Features, report: Report) -> Vectors:
    """Leave out vectors of nothing but NaN; report vectors that have some, or infinite numbers."""
    absent, broken = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        absent[start : start + CHUNK] = np.isnan(part).all(1)
        # features are 32-bit numbers; what does not fit would become infinite
        with np.errstate(over="ignore"):
            broken[start : start + CHUNK] = ~np.isfinite(part.astype(np.float32)).all(1)
    row_of = np.repeat(np.arange(len(rows)), np.diff(rows.offsets))
    used = np.zeros(len(values), dtype=bool)
    used[rows.values] = True
    broken &= used & ~absent
    if broken.any():
        hit = np.bincount(row_of[broken[rows.values]], minlength=len(rows)) > 0
        what, fix = (
            "a vector has NaN or infinite numbers",
            "make every number finite, or all NaN where absent",
        )
        report(
            Problem("features-not-finite", what, fix, features.file, features.array or "", rows_where(hit))
        )
    keep = ~(absent | broken)[rows.values]
    if len(rows) and not keep.any() and not broken.any():
        fix = "repair the file, or take it out of the description"
        report(Problem("no-features", "every vector is absent", fix, features.file, features.array or ""))
    lengths = np.bincount(row_of[keep], minlength=len(rows))
    return Vectors(Ragged.from_lengths(rows.values[keep], lengths), values)
