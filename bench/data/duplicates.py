"""Samples with the same attributes, and such pairs on both sides of a split."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.data.dataset import Dataset
from bench.data.splits import OFFICIAL, Parts
from bench.files import content_key
from fusions import Source

DIGITS = 3
"""Significant digits in which numbers must agree."""


def across_parts(dataset: Dataset, parts: Parts) -> pd.DataFrame:
    """Validation and test samples whose attributes an earlier part has too.

    Texts are compared without case, blanks and punctuation, numbers in three digits, media by content.

    Returns:
        A row per such sample: `copy` and `row` of the table (the header is row 1), `part` and `part_of_row`.
    """
    frame = pd.concat(
        pd.DataFrame({"row": rows, "part": name}) for name, rows in zip(OFFICIAL, parts, strict=True)
    )
    marks, filled = signatures(dataset)
    frame["mark"] = marks[frame["row"]]
    frame = frame[filled[frame["row"]]]
    first = frame.drop_duplicates("mark").set_index("mark")  # parts come in order: train first
    origin = first.loc[frame["mark"]]
    copies = (frame["part"].to_numpy() != origin["part"].to_numpy()).astype(bool)
    return pd.DataFrame({
        "copy": frame["row"].to_numpy()[copies] + 2, "part": frame["part"].to_numpy()[copies],
        "row": origin["row"].to_numpy()[copies] + 2, "part_of_row": origin["part"].to_numpy()[copies],
    })  # fmt: skip


def signatures(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """A hash (N,) uint64 of the attributes of every sample, and (N,) bool whether it has any."""
    marks = np.zeros(len(dataset), dtype=np.uint64)
    filled = np.zeros(len(dataset), dtype=bool)
    for number, source in enumerate(dataset.schema.sources):
        items = dataset.items[source.entity]
        sample = np.repeat(np.arange(len(items)), np.diff(items.offsets))
        row_marks, row_filled = _row_signatures(dataset, source)
        # sums wrap around and do not depend on the order of items
        np.add.at(marks, sample, _mixed(row_marks, number)[items.values])
        filled[sample[row_filled[items.values]]] = True
    return marks, filled


def _row_signatures(dataset: Dataset, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """The same of the rows of an entity's table, for one source."""
    if source.modality == "numeric":
        numbers = dataset.numeric(source).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(numbers))))
            rounded = np.where(numbers == 0, 0, np.round(numbers * scale) / scale)
        marks = np.zeros(len(numbers), dtype=np.uint64)
        for slot in range(numbers.shape[1]):
            marks += _mixed(_hashed(rounded[:, slot]), slot)
        return marks, np.asarray(np.isfinite(numbers).any(1))
    if dataset.schema.precomputed(source):
        rows, values = dataset.vectors(source)
        # a fixed projection: equal vectors agree, others do not
        direction = np.random.default_rng(0).normal(size=values.shape[1])
        items, slots = _hashed(np.round(values @ direction, DIGITS)), np.zeros(1, dtype=np.int64)
    else:
        raw = dataset.raw(source)
        rows, slots = raw.rows, raw.slots
        items = _signed(raw.items)
    row = np.repeat(np.arange(len(rows)), np.diff(rows.offsets))
    marks = np.zeros(len(rows), dtype=np.uint64)
    if len(row):
        np.add.at(marks, row, _mixed(items[rows.values], slots))
    return marks, np.diff(rows.offsets) > 0


def _signed(items: Sequence[str | Path]) -> np.ndarray:
    """Hashes of texts, or of the content of files; a source has one or the other."""
    texts = [item for item in items if isinstance(item, str)]
    return _texts(texts) if texts else _files([item for item in items if isinstance(item, Path)])


def _texts(items: list[str]) -> np.ndarray:
    plain = [re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).casefold()).strip() for text in items]
    return _hashed(np.array(plain, dtype=object))


def _files(items: list[Path]) -> np.ndarray:
    """By content, which is read only where another file has the same size."""
    sizes = [path.stat().st_size if path.is_file() else -1 for path in items]
    count = Counter(sizes)
    names = [
        content_key(path) if size >= 0 and count[size] > 1 else ascii(path)  # a name may be no UTF-8
        for path, size in zip(items, sizes, strict=True)
    ]
    return _hashed(np.array(names, dtype=object))


def _hashed(values: np.ndarray) -> np.ndarray:
    return pd.util.hash_array(values) if len(values) else np.zeros(0, dtype=np.uint64)


def _mixed(marks: np.ndarray, number: int | np.ndarray) -> np.ndarray:
    """Hashes made different for every source, or slot, so that equal values in two of them differ."""
    # of arrays, the product wraps around in silence
    salt = np.uint64(0x9E3779B97F4A7C15) * (np.atleast_1d(number).astype(np.uint64) + np.uint64(1))
    mixed = (marks ^ salt) * np.uint64(0xFF51AFD7ED558CCD)
    final: np.ndarray = mixed ^ (mixed >> np.uint64(33))
    return final
