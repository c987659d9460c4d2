"""What every column of a table is: numbers, text, media, a key, a date, a split, or nothing to learn from."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from bench.data.names import is_key, words
from bench.data.problems import Problem
from bench.data.proposal.survey import Survey, modality_of
from bench.data.schema import SEPARATOR
from bench.data.splits import OFFICIAL
from bench.data.tables import Tables

HEAD = 100
"""Cells by which media and dates are told; all cells are read for numbers, keys and splits."""
FEW_BAD = 0.05
"""Share of cells that are no number up to which a column is numbers with faults, and not text."""
SPLITS = {*OFFICIAL, "val", "valid", "dev", "training", "testing", "development", "eval"}
CODES = {"zip", "zipcode", "postcode", "postal", "isbn", "phone"}
DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([ T].*)?")


@dataclass(frozen=True)
class Column:
    """A column and what it is taken for.

    Attributes:
        name: its header.
        kind: number, text, image, video, audio, key, date, split, vectors or unused.
        cells: its texts, missing where empty.
        why: why it is taken for that, where that is not plain; for a key or an unused column, what it is.
        numbers: (R,) float64, NaN where missing; of a number.
        path: of media, what to write for it: its name, or a path pattern.
    """

    name: str
    kind: str
    cells: pd.Series
    why: str = ""
    numbers: np.ndarray | None = None
    path: str = ""

    @property
    def complete(self) -> bool:
        """Whether every row has a value."""
        return bool(self.cells.notna().all())

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.complete and not self.cells.duplicated().any()


@dataclass(frozen=True)
class Table:
    """A table file and its columns."""

    file: str
    columns: dict[str, Column]
    rows: int

    def of_kind(self, *kinds: str) -> list[Column]:
        """The columns of some kinds, in the order of the file."""
        return [c for c in self.columns.values() if c.kind in kinds]


def read_columns(file: str, found: Survey) -> Table:
    """Judge every column of a table."""
    frame = found.frames[file]
    columns = {str(name): _judge(file, str(name), found) for name in frame.columns}
    return Table(file, columns, len(frame))


def _judge(file: str, name: str, found: Survey) -> Column:
    raw = found.frames[file][name]
    if nested := _nested(name, raw):
        return nested
    problems: list[Problem] = []
    table = Tables(found.root, problems.append, {file: found.frames[file][[name]]})
    cells = table.column(file, name)
    present = cells.dropna()
    if unused := _unused(name, present):
        return Column(name, "unused", cells, unused)
    if media := _media(name, cells, found):
        return media
    if set(present.unique()) <= SPLITS:
        return Column(name, "split", cells)
    if words(name)[-1:] == ["group"] and pd.to_numeric(present, errors="coerce").notna().all():
        return Column(name, "key", cells, "names groups")
    if is_key(name):
        return Column(name, "key", cells, "an id or key")
    numbers = table.numbers(file, name)
    bad = sum(len(problem.rows) for problem in problems)
    if bad == 0:
        return _number(name, cells, numbers)
    if bad <= FEW_BAD * len(present):
        return Column(
            name, "unused", cells, f"numbers but for row {problems[0].rows[0]}: mend or empty the cell"
        )
    if present.iloc[:HEAD].str.fullmatch(DATE).all():
        return Column(name, "date", cells, "a date")
    return Column(name, "text", cells)


def _nested(name: str, raw: pd.Series) -> Column | None:
    """A parquet column of lists, mappings or bytes."""
    first = next((cell for cell in raw if cell is not None), None) if raw.dtype == object else None
    if not isinstance(first, (np.ndarray, list, tuple, dict, bytes)):
        return None
    missing = pd.Series(pd.NA, index=raw.index, dtype="string")
    inner = np.asarray(first[0] if isinstance(first, np.ndarray) and len(first) else first)
    if isinstance(first, np.ndarray) and inner.dtype.kind == "f":
        return Column(name, "vectors", missing, "lists of numbers")
    return Column(name, "unused", missing, "neither numbers nor text")


def _unused(name: str, present: pd.Series) -> str:
    """Why nothing can be learned from a column; empty if something can."""
    if present.empty:
        return "empty in every row"
    if not name.strip():
        return "without a name in the header"
    if "{" in name:
        return "a brace in its name would make it a path pattern"
    values = present.unique()
    return f"always {values[0][:40]!r}" if len(values) == 1 else ""


def _number(name: str, cells: pd.Series, numbers: np.ndarray) -> Column:
    said = set(words(name))
    if cells.str.match(r"0\d").any():
        return Column(name, "text", cells, "its digits begin with 0, so they are a code")
    if said & CODES:
        return Column(name, "text", cells, "its name says that the digits are a code")
    start = np.arange(len(numbers))
    if len(numbers) > 2 and any(np.array_equal(numbers, start + first) for first in (0, 1)):
        return Column(name, "key", cells, "numbers the rows", numbers)
    if said & {"timestamp", "date", "datetime"} or said == {"time"}:
        return Column(name, "date", cells, "a time", numbers)
    return Column(name, "number", cells, numbers=numbers)


def _media(name: str, cells: pd.Series, found: Survey) -> Column | None:
    """A column of paths of media files; None if the cells are something else."""
    parts = _parts(cells.dropna().iloc[:HEAD])
    kinds = {modality_of(part) for part in parts}
    if None in kinds or not kinds:
        return None
    if len(kinds) > 1:
        return Column(name, "unused", cells, f"files of several kinds ({', '.join(sorted(map(str, kinds)))})")
    kind = str(kinds.pop())
    everything = _parts(cells.dropna())
    if any("://" in part for part in parts):
        return Column(name, "unused", cells, "web addresses; download the files and name them here")
    if any(part.startswith("/") or ".." in part.split("/") for part in everything):
        return Column(name, "unused", cells, "names files outside the folder; copy them into it")
    here = sum(found.has(part) for part in parts)
    if here:
        missing = f"{len(parts) - here} of the first {len(parts)} files are not there"
        return Column(name, kind, cells, missing if here < len(parts) else "", path=name)
    folder = _folder_of(parts, found)
    if folder and not cells.str.contains(SEPARATOR, regex=False).any():
        return Column(name, kind, cells, f"the files are in {folder}", path=f"{folder}/{{{name}}}")
    return Column(name, "unused", cells, f"names {kind} files that are not in the folder")


def _parts(cells: pd.Series) -> list[str]:
    entries = cells.str.split(SEPARATOR, regex=False).explode().str.strip()
    return entries[entries != ""].tolist()


def _folder_of(parts: list[str], found: Survey) -> str:
    """The one folder under which the files are, where the cells leave it out."""
    asked = set(parts)
    hits: Counter[str] = Counter()
    for path in found.media:
        for parent in PurePosixPath(path).parents:
            if str(parent) != "." and PurePosixPath(path).relative_to(parent).as_posix() in asked:
                hits[str(parent)] += 1
    return hits.most_common(1)[0][0] if hits else ""


def referenced(tables: list[Table]) -> set[str]:
    """The files that cells of media columns name."""
    named: set[str] = set()
    for table in tables:
        for column in table.of_kind("image", "video", "audio"):
            prefix = column.path[: column.path.index("{")] if "{" in column.path else ""
            named |= {prefix + part for part in _parts(column.cells.dropna())}
    return named
