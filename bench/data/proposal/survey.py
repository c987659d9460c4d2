"""What lies in a folder: tables, what their columns are and name, arrays of features, media files."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from bench.data.arrays import Header, headers
from bench.data.checks.files import modality_of
from bench.data.names import is_code, is_key, modality_by_suffix, subject, words
from bench.data.patterns import paths_of
from bench.data.problems import Problem, refuse
from bench.data.schema import MEDIA
from bench.data.splits import OFFICIAL
from bench.data.tables import Tables
from bench.data.untrusted import Unreadable
from bench.data.walk import readable
from bench.errors import DataError, printable

FEW_BAD = 0.05
"""Share of cells that are not numbers up to which a column is numbers with faults, and not text."""
MOSTLY = 0.8
"""Share of a column's keys that must be known for them to refer to another table."""
LONG_TAIL = 10.0
"""Largest over smallest positive value from which a skewed number is taken as its logarithm."""
SPLITS = {*OFFICIAL, "val", "valid", "dev", "training", "testing", "development", "eval"}
DATE = r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T].*)?"
IDS = ("key", "text", *MEDIA, "row number")
"""Kinds of columns that can name the rows of a table, the likeliest first."""


class Survey:
    """What a folder holds, by relative path. Raises DataError where there is no table, or one cannot be read.

    Attributes:
        frames: the tables, as the bench reads them.
        tables: what reads their columns, silent on faults.
        kinds: table -> column -> a modality, key, row number, time, split, vectors, or why it is not used.
        ids: table -> the column that names every row once, where there is one.
        links: table -> the columns whose cells are mostly ids of another table, and that table.
        arrays: .npz and .npy files -> the headers of their arrays.
        media: media files -> modality.
        refused: (file, column, path pattern, array or "") -> why it is not used; grows with every check.
    """

    def __init__(self, root: Path, allow_links: tuple[Path, ...]) -> None:
        self.root, self.refused = root, dict[tuple[str, str], str]()
        self.frames, self.arrays = dict[str, pd.DataFrame](), dict[str, list[Header]]()
        self.media = dict[str, str]()
        strict = Tables(root, refuse, allow_links=allow_links)
        for name in readable(root, allow_links):
            suffix = Path(name).suffix.lower()
            if name.encode(errors="replace").decode() != name:
                self.refused[name, ""] = f"the name of {printable(name)} is not UTF-8; rename it"
            elif suffix in (".csv", ".parquet"):
                self.frames[name] = strict.table(name)
            elif suffix in (".npz", ".npy"):
                try:
                    self.arrays[name] = headers(root / name)
                except Unreadable as error:
                    fix = "save the arrays again, or take it out"
                    refuse(Problem("unreadable-features", f"cannot be read ({error})", fix, name))
            elif modality := modality_of(root / name):
                self.media[name] = modality
        if not self.frames:
            fix = "put a .csv (separated by commas, UTF-8) or .parquet there with one row per sample"
            raise DataError(printable(f"{root} has no table; {fix}: an id, what to predict, and from what."))
        self.tables = Tables(root, lambda problem: None, self.frames)
        self.kinds = {f: {str(c): self._kind(f, str(c)) for c in t.columns} for f, t in self.frames.items()}
        self.ids = {file: column for file in self.frames if (column := self._id(file)) is not None}
        self.links: dict[str, list[tuple[str, str]]] = {table: [] for table in self.frames}
        for table, other in permutations(self.frames, 2):
            columns = self.of_kind(table, "key", "text", "numeric") if other in self.ids else []
            here = [(column, other) for column in columns if self._refers(table, column, other)]
            # two ids that are alike are chance where another column is the key
            self.links[table] += [link for link in here if link[0] != self.ids.get(table)] or here

    def of_kind(self, file: str, *kinds: str) -> list[str]:
        """The columns of some kinds, in the order of the file."""
        return [column for column, kind in self.kinds[file].items() if kind in kinds]

    def is_list(self, file: str, column: str) -> bool:
        """Whether a cell holds several entries."""
        return len(self.tables.keys(file, column, many=True)) > int(self.tables.column(file, column).count())

    def long_tailed(self, file: str, column: str) -> bool:
        """Whether numbers are never negative, skewed, and from a value to a multiple of it, zeros aside."""
        known = pd.Series(self.tables.numbers(file, column)).dropna()
        positive = known[known > 0]
        return bool(known.min() >= 0 and positive.max() >= LONG_TAIL * positive.min() and known.skew() >= 1)

    def path(self, file: str, column: str) -> str:
        """What to write for a column: its name, or a path pattern where its cells leave out a folder."""
        if self.kinds[file][column] not in MEDIA:
            return column
        parts = self.tables.keys(file, column, many=True).iloc[:100]
        if not self.media.keys().isdisjoint(parts):
            return column
        fitting = ((path, part) for part in parts for path in self.media if path.endswith(f"/{part}"))
        return next((f"{path.removesuffix(part)}{{{column}}}" for path, part in fitting), column)

    def named(self, file: str) -> set[str]:
        """The media files that cells of a table name."""
        named = set[str]()
        for column in self.of_kind(file, *MEDIA):
            cells, path = self.tables.keys(file, column, many=True), self.path(file, column)
            named.update(cells if column == path else paths_of(self.tables, file, path))
        return named

    def _kind(self, file: str, column: str) -> str:
        raw, cells = self.frames[file][column].dropna(), self.tables.column(file, column)
        present, said = cells.dropna(), set(words(column))
        if present.empty:
            nested = "vectors" if len(raw) and isinstance(raw.iloc[0], np.ndarray) else "not texts or numbers"
            return nested if len(raw) else "empty in every row"
        if set("{}") & set(column) or not column.strip():
            return "a brace in its name would make it a path pattern" if column.strip() else "without a name"
        if set(present) <= SPLITS:
            return "split"
        parts = self.tables.keys(file, column, many=True).iloc[:100]
        if len(kinds := {self.media.get(p) or modality_by_suffix(p) for p in parts}) == 1 and "" not in kinds:
            return kinds.pop()
        if is_key(column) or words(column)[-1:] == ["group"]:
            return "key"
        numbers = self.tables.numbers(file, column)
        text = np.isnan(numbers).sum() - cells.isna().sum() > FEW_BAD * len(present)
        if said & {"timestamp", "date", "datetime"} or (text and present.str.fullmatch(DATE).all()):
            return "time"
        if text or is_code(column) or present.str.match(r"0\d").any():
            return "text"
        counts = len(numbers) > 2 and numbers[0] in (0, 1) and (np.diff(numbers) == 1).all()
        return "row number" if counts else "numeric"

    def _id(self, file: str) -> str | None:
        """A key before texts without blanks, files and row numbers; of keys rather the one called id."""

        def names_rows(column: str) -> bool:
            cells = self.tables.column(file, column)
            code = self.kinds[file][column] != "text" or cells.str.fullmatch(r"\S{1,64}").all()
            return code and cells.notna().all() and cells.is_unique and not self.is_list(file, column)

        unique = filter(names_rows, self.of_kind(file, *IDS))
        return min(unique, key=lambda c: (IDS.index(self.kinds[file][c]), words(c) != ["id"]), default=None)

    def _refers(self, table: str, column: str, other: str) -> bool:
        """Whether cells are ids of another table; numbers say so only with their name, or if they are all."""
        ids = self.tables.column(other, self.ids[other])
        keys, known = set(self.tables.keys(table, column, many=True)), set(ids)
        if len(keys & known) < MOSTLY * len(keys):
            return False
        thing = subject(self.ids[other]) or subject(PurePosixPath(other).stem).split("_")[-1]
        codes = pd.to_numeric(ids, errors="coerce").isna().any()
        return codes or thing in subject(column).split("_") or (column == self.ids[other] and keys == known)
