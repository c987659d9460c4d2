"""Tables of a dataset, column by column: what a cell may hold, and what is reported if it does not.

Reading never stops by itself: a fault is reported, and if the report returns, the cell counts as empty.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bench.data.parquet import read_parquet
from bench.data.problems import Problem, Report, rows_where, some
from bench.data.reach import refusal
from bench.data.schema import SEPARATOR
from bench.data.untrusted import Unreadable, reading

TRUTHS = {"true": 1.0, "false": 0.0}
LARGEST = float(np.finfo(np.float32).max)
"""Features are 32-bit numbers; a larger one would become infinite."""
SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What other programs put between columns."""
NESTED = (list, tuple, dict, set, bytes, np.ndarray)
"""What a cell of a Parquet file can hold that is neither text nor number."""
LONGEST_HEADER = 1 << 24
"""Characters of the first line of a CSV file."""


class _Fault(Exception):
    """A file that is not a table: kind, what, fix, and the rows if they are known."""


class Tables:
    """The tables of a folder, each read once.

    Args:
        root: the folder.
        report: called with every fault.
        frames: tables by name that are at hand already; they come before files.
        allow_links: folders outside that links in the folder may lead to.
    """

    def __init__(
        self,
        root: Path,
        report: Report,
        frames: Mapping[str, pd.DataFrame] | None = None,
        allow_links: tuple[Path, ...] = (),
    ) -> None:
        self.root, self.report, self.allow_links = root, report, allow_links
        self._read = {name: frame.reset_index(drop=True) for name, frame in (frames or {}).items()}

    def table(self, file: str) -> pd.DataFrame:
        """A table; an empty one if it cannot be read."""
        if file not in self._read:
            self._read[file] = self._load(file)
        return self._read[file]

    def column(self, file: str, column: str) -> pd.Series:
        """A column as texts, surrounding blanks and empty cells taken as missing."""
        raw = self._raw(file, column)
        try:
            if raw.dtype == object and raw.map(lambda cell: isinstance(cell, NESTED)).any():
                raise TypeError
            texts = raw.astype("string").str.strip()
        except Exception:  # there is no list of what else Parquet can hold
            fix = "save it as text or numbers"
            self.report(Problem("not-text", "does not hold texts or numbers", fix, file, column))
            texts = pd.Series(pd.NA, index=raw.index, dtype="string")
        return texts.mask(texts == "")

    def numbers(self, file: str, column: str, *, positive: bool = False) -> np.ndarray:
        """A column as float64 (R,), NaN where missing; with `positive`, nothing below zero."""
        raw = self._raw(file, column)
        if pd.api.types.is_numeric_dtype(raw) or pd.api.types.is_bool_dtype(raw):
            texts, numbers = raw, raw.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            texts = self.column(file, column)
            numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            if (left := np.isnan(numbers) & texts.notna().to_numpy()).any():
                numbers[left] = (
                    texts[left].str.lower().map(TRUTHS).to_numpy(dtype=np.float64, na_value=np.nan)
                )
        bad = texts.notna().to_numpy() & ~np.isfinite(numbers)
        if bad.any():
            self._cells(
                "not-a-number", file, column, bad, "{} is not a finite number", "correct or empty the cell"
            )
        if (large := np.isfinite(numbers) & (np.abs(numbers) > LARGEST)).any():
            fix = "use a larger unit or correct the cell"
            self._cells("too-large", file, column, large, "{} is too large for a 32-bit number", fix)
            bad |= large
        if positive and (negative := numbers < 0).any():
            fix = "take the column out of `log` or correct the cell"
            self._cells("negative-under-log", file, column, negative, "{} is negative", fix)
            bad |= negative
        return np.where(bad, np.nan, numbers)

    def times(self, file: str, column: str) -> np.ndarray:
        """A column of numbers or ISO 8601 dates as float64 (R,), larger is later."""
        raw = self._raw(file, column)
        texts = raw if pd.api.types.is_numeric_dtype(raw) else self.column(file, column)
        numbers: np.ndarray = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        if texts is not raw and np.isfinite(numbers).sum() < len(numbers) / 2:
            dates = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True)
            numbers = np.where(dates.isna(), np.nan, dates.astype("int64").to_numpy(dtype=np.float64))
        bad = ~np.isfinite(numbers)
        if bad.any():
            fix = "write it as 2026-05-31 or as a number"
            self._cells("bad-time", file, column, bad, "{} is not a date or number", fix)
        return numbers

    def keys(self, file: str, column: str, *, many: bool) -> pd.Series:
        """A column of keys or paths: one text an entry, indexed by row; with `many`, split at ``|``."""
        texts = self.column(file, column)
        entries = texts.str.split(SEPARATOR, regex=False).explode().str.strip() if many else texts
        return entries[entries.notna() & (entries != "")]

    def _raw(self, file: str, column: str) -> pd.Series:
        table = self.table(file)
        if column in table.columns:
            return table[column]
        if len(table.columns):  # a table that could not be read at all has been reported already
            what = f"has no column {column!r}; it has: {some(map(str, table.columns))}"
            fix = "correct the description or the header"
            # the place is the file; the column is not there
            self.report(Problem("missing-column", what, fix, file))
        return pd.Series(pd.NA, index=table.index, dtype="string")

    def _cells(self, kind: str, file: str, column: str, bad: np.ndarray, what: str, fix: str) -> None:
        first = self._raw(file, column).iloc[int(np.flatnonzero(bad)[0])]
        shown = "an empty cell" if pd.isna(first) else repr(str(first))
        self.report(Problem(kind, what.format(shown), fix, file, column, rows_where(bad)))

    def _load(self, file: str) -> pd.DataFrame:
        path, table = self.root / file, pd.DataFrame()
        try:
            if refused := refusal(self.root, file, self.allow_links, missing="missing-table"):
                raise _Fault(*refused)
            table = read_parquet(path) if path.suffix == ".parquet" else self._csv(file, path)
            if table.empty:
                raise _Fault("empty-table", "has no rows", "add some, or take it out of the description")
        except Unreadable as error:
            what = f"cannot be read as a table: {error}"
            self.report(Problem("unreadable-table", what, "repair the file", file))
        except _Fault as fault:
            kind, what, fix, *rows = fault.args
            self.report(Problem(kind, what, fix, file, rows=tuple(rows)))
        repeated = table.columns[table.columns.duplicated()]
        if len(repeated):
            what = f"has several columns {f'named {repeated[0]!r}' if repeated[0] else 'without a name'}"
            self.report(Problem("repeated-column", what, "rename all but one", file))
            table = table.loc[:, ~table.columns.duplicated()]
        return table

    def _csv(self, file: str, path: Path) -> pd.DataFrame:
        """A CSV table; rows without any value are left out, and reported unless they are the last ones."""
        rows = _csv_rows(path)
        # column by column: pandas' any(axis=1) would make objects of all cells
        filled = rows.index[np.logical_or.reduce([rows[c].notna().to_numpy() for c in rows])].to_numpy()
        if not len(filled):
            raise _Fault("empty-table", "is empty", "add a header and rows")
        header = rows.loc[filled[0]].str.strip().fillna("").astype(str)
        table = rows.loc[filled[1:]].reset_index(drop=True).set_axis(pd.Index(header), axis=1)
        blank = np.setdiff1d(np.arange(filled[-1]), filled)
        if len(blank):
            fix = "delete the empty rows; the rows below are counted without them"
            where = tuple((blank + 1).tolist())
            self.report(Problem("blank-row", "the row is empty", fix, file, rows=where, stops=False))
        # spreadsheets write commas for columns that were cleared
        return table.loc[:, [bool(name) or table.iloc[:, i].notna().any() for i, name in enumerate(header)]]


def _csv_rows(path: Path) -> pd.DataFrame:
    """All rows of a CSV file as texts, blank lines among them, indexed by their number in the file from 0."""
    try:
        leading, first = _first_line(path)
        for separator, name in SEPARATORS.items():
            if separator in first and "," not in first:
                raise _Fault("wrong-separator", f"has its columns separated by {name}", "save it with commas")
        rows = pd.read_csv(
            path,
            header=None,
            skiprows=leading,
            dtype="string",
            encoding="utf-8-sig",
            skipinitialspace=True,
            skip_blank_lines=False,
        )
        return rows.set_axis(rows.index + leading)
    except _Fault:
        raise
    except pd.errors.EmptyDataError:
        raise _Fault("empty-table", "is empty", "add a header and rows") from None
    except Exception as error:
        with reading(path):
            fault = _not_utf8(path) or _misshapen(path)
            if fault is None:
                raise error
        raise fault from None


def _first_line(path: Path) -> tuple[int, str]:
    """How many blank lines come first, and the line after them, which tells how many columns there are."""
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_HEADER), "")):
            if len(line) == LONGEST_HEADER:
                what = f"its first line is longer than {LONGEST_HEADER:,} characters"
                raise _Fault("unreadable-table", what, "save it as CSV, a row a line")
            if line.strip():
                return number, line
    return 0, ""


def _not_utf8(path: Path) -> _Fault | None:
    """Which row of a CSV file is not UTF-8."""
    content = path.read_bytes()
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            return _Fault(
                "unreadable-table", "is a spreadsheet or archive, not CSV", "save it as CSV (UTF-8)"
            )
        row = content.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8 (byte {content[error.start]:#04x})"
        return _Fault("not-utf8", what, "save it as UTF-8", row)
    return None


def _misshapen(path: Path) -> _Fault | None:
    """Which row of a CSV file has more fields than the header, or a quote that is never closed."""
    width, row = 0, 0
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            for row, fields in enumerate(csv.reader(lines, strict=True), start=1):
                width = width or len(fields)
                if len(fields) > width:
                    what = f"has {len(fields)} fields where the header has {width}"
                    fix = "put quotes around a text that has a comma, or delete the surplus"
                    return _Fault("long-row", what, fix, row)
        except csv.Error as fault:
            if "unexpected end" in str(fault):
                fix = "close it, or double a quote that is part of the text"
                return _Fault("open-quote", "a quote that opens here is never closed", fix, row + 1)
    return None
