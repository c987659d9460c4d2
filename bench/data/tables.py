"""Tables of a dataset, column by column: what a cell may hold, and what is reported if it does not.

Reading never stops by itself: a fault is reported, and if the report returns, the cell counts as empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bench.data.problems import Problem, Report, rows_where
from bench.data.schema import SEPARATOR

TRUTHS = {"true": "1", "false": "0"}


class Tables:
    """The tables of a folder, each read once.

    Args:
        root: the folder.
        report: told of every fault.
        frames: tables by name that are at hand already; they come before files.
    """

    def __init__(self, root: Path, report: Report, frames: Mapping[str, pd.DataFrame] | None = None) -> None:
        self.root, self.report = root, report
        self._read = {name: frame.reset_index(drop=True) for name, frame in (frames or {}).items()}

    def table(self, file: str) -> pd.DataFrame:
        """A table; an empty one if it cannot be read."""
        if file not in self._read:
            self._read[file] = self._load(file)
        return self._read[file]

    def column(self, file: str, column: str) -> pd.Series:
        """A column as texts, surrounding blanks and empty cells taken as missing."""
        texts = self._raw(file, column).astype("string").str.strip()
        return texts.mask(texts == "")

    def numbers(self, file: str, column: str, *, positive: bool = False) -> np.ndarray:
        """A column as float64 (R,), NaN where missing; with `positive`, nothing below zero."""
        raw = self._raw(file, column)
        if pd.api.types.is_numeric_dtype(raw) or pd.api.types.is_bool_dtype(raw):
            texts, numbers = raw, raw.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            texts = self.column(file, column)
            texts = texts.mask(texts.str.lower().isin(TRUTHS), texts.str.lower().map(TRUTHS))
            numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = texts.notna().to_numpy() & ~np.isfinite(numbers)
        if bad.any():
            self._cells(
                "not-a-number", file, column, bad, "{} is not a finite number", "mend or empty the cell"
            )
        if positive and (negative := numbers < 0).any():
            mend = "take the column out of `log` or mend the cell"
            self._cells("negative-under-log", file, column, negative, "{} is negative", mend)
            bad |= negative
        return np.where(bad, np.nan, numbers)

    def times(self, file: str, column: str) -> np.ndarray:
        """A column of numbers or ISO 8601 dates as float64 (R,), larger is later."""
        raw = self._raw(file, column)
        if pd.api.types.is_numeric_dtype(raw):
            return raw.to_numpy(dtype=np.float64, na_value=np.nan)
        texts = self.column(file, column)
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isfinite(numbers).sum() < len(numbers) / 2:
            dates = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True)
            numbers = np.where(dates.isna(), np.nan, dates.astype("int64").to_numpy(dtype=np.float64))
        bad = ~np.isfinite(numbers)
        if bad.any():
            mend = "write it as 2026-05-31 or as a number"
            self._cells("bad-time", file, column, bad, "{} is not a date or number", mend)
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
            has = ", ".join(map(str, table.columns))
            what, mend = f"has no column {column!r}; it has: {has}", "mend the description or the header"
            # the place is the file; the column is not there
            self.report(Problem("missing-column", what, mend, file))
        return pd.Series(pd.NA, index=table.index, dtype="string")

    def _cells(self, kind: str, file: str, column: str, bad: np.ndarray, what: str, mend: str) -> None:
        first = self._raw(file, column).iloc[int(np.flatnonzero(bad)[0])]
        shown = "an empty cell" if pd.isna(first) else repr(str(first))
        self.report(Problem(kind, what.format(shown), mend, file, column, rows_where(bad)))

    def _load(self, file: str) -> pd.DataFrame:
        path = self.root / file
        problem, table = None, pd.DataFrame()
        if not path.resolve().is_relative_to(self.root.resolve()):
            problem = "path-leaves-folder", "leaves the dataset's folder", "copy the table into the folder"
        elif not path.is_file():
            problem = (
                "missing-table",
                "does not exist",
                "put the table there or mend its name in the description",
            )
        else:
            try:
                table = _parquet(path) if path.suffix == ".parquet" else _csv(path)
            except UnicodeDecodeError as error:
                line = path.read_bytes()[: error.start].count(b"\n") + 1
                problem = "not-utf8", f"is not UTF-8 (byte {error.start}, line {line})", "save it as UTF-8"
            except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError, ValueError) as error:
                reason = " ".join(str(error).split()).removesuffix(".")
                problem = "unreadable-table", f"cannot be read as a table: {reason}", "mend the file"
        if problem is None and table.empty:
            problem = "empty-table", "has no rows", "add some, or take it out of the description"
        if problem is not None:
            self.report(Problem(*problem, file=file))
        repeated = table.columns[table.columns.duplicated()]
        if len(repeated):
            what = f"has several columns named {repeated[0]!r}"
            self.report(Problem("repeated-column", what, "rename all but one", file))
            table = table.loc[:, ~table.columns.duplicated()]
        return table


def _csv(path: Path) -> pd.DataFrame:
    options = {"dtype": "string", "encoding": "utf-8-sig", "skipinitialspace": True, "keep_default_na": True}
    # pandas renames a repeated name silently; the header is read as a row to see it
    header = pd.read_csv(path, header=None, nrows=1, **options).iloc[0].str.strip()
    table = pd.read_csv(path, header=0, index_col=False, **options)
    if len(header) == table.shape[1]:
        table.columns = pd.Index(header.fillna("").astype(str))
    return table


def _parquet(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path).reset_index(drop=True)
