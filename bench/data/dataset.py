"""A dataset read from its folder: targets, items of every entity, raw attributes of every source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from bench.data.schema import MEDIA, SEPARATOR, Schema, read_schema
from bench.data.splits import OFFICIAL
from bench.errors import DataError
from bench.features.ragged import Ragged
from fusions import Source


@dataclass(frozen=True)
class RawTokens:
    """The raw items of one text or media source.

    Attributes:
        rows: ragged, one row per row of the entity's table, of positions in `items`.
        slots: the attribute number of every token, aligned with ``rows.values``.
        items: the distinct texts (str) or files (Path).
    """

    rows: Ragged
    slots: np.ndarray
    items: list[str] | list[Path]


class Dataset:
    """A folder of tables and media under its description.

    Args:
        root: the folder that holds the tables and media.
        schema: its description.

    Raises:
        DataError: a table, a column or a value is not what the description says.
    """

    def __init__(self, root: Path, schema: Schema) -> None:
        self.root = root
        self.schema = schema
        samples = self._table(schema.samples.table)
        self.ids = self._ids(samples)
        self.raw_target = self._raw_target(samples)
        self.target = schema.target.forward(self.raw_target)
        self.groups = self._labels(samples, schema.samples.group)
        self.official = self._official(samples)
        self.tables: dict[str, pd.DataFrame] = {}
        self.items: dict[str, Ragged] = {}
        for name, entity in schema.entities.items():
            table = samples if entity.table is None else self._table(entity.table)
            self.tables[name] = table
            self.items[name] = self._items(name, samples, table)
            for modality in ("text", "image", "numeric", "video", "audio"):
                for column in entity.columns(modality):
                    if "{" not in column:
                        self._column(table, column, entity.table or schema.samples.table)
        # read at once, so that a wrong cell is told before any work begins
        self._numeric = {s: self._read_numeric(s) for s in schema.sources if s.modality == "numeric"}

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the description, the tables and the bytes of every media file they name."""
        digest = hashlib.sha256(self.schema.model_dump_json().encode())
        tables = {self.schema.samples.table, *(e.table for e in self.schema.entities.values() if e.table)}
        media = {path for s in self.schema.sources if s.modality in MEDIA for path in self.raw(s).items}
        for path in sorted({self.root / t for t in tables} | media):
            digest.update(str(path.relative_to(self.root)).encode())
            if path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def raw(self, source: Source) -> RawTokens:
        """The raw texts or files of a text or media source; missing cells give no token."""
        entity = self.schema.entities[source.entity]
        table = self.tables[source.entity]
        columns = entity.columns(source.modality)
        cells = [list(self._cells(table, column, source.modality)) for column in columns]
        position: dict[str | Path, int] = {}
        values, slots, lengths = [], [], []
        for row in range(len(table)):
            tokens = [(slot, item) for slot, column in enumerate(cells) for item in column[row]]
            slots += [slot for slot, _ in tokens]
            values += [position.setdefault(item, len(position)) for _, item in tokens]
            lengths.append(len(tokens))
        return RawTokens(
            Ragged.from_lengths(np.array(values, dtype=np.int64), lengths),
            np.array(slots, dtype=np.int64),
            list(position),
        )

    def numeric(self, source: Source) -> np.ndarray:
        """The numeric attributes of an entity's rows, (rows, L) float32, log1p taken, NaN where missing."""
        return self._numeric[source]

    # -- reading, one kind of cell after the other ------------------------------------------------

    def _read_numeric(self, source: Source) -> np.ndarray:
        entity = self.schema.entities[source.entity]
        table = self.tables[source.entity]
        file = entity.table or self.schema.samples.table
        columns = [self._numbers(table, c, file, log=c in entity.log) for c in entity.columns("numeric")]
        return np.stack(columns, axis=1).astype(np.float32)

    def _table(self, file: str) -> pd.DataFrame:
        path = self.root / file
        if not path.is_file():
            raise DataError(
                f"{path} does not exist; put the table there or mend its name in the description."
            )
        try:
            if path.suffix == ".parquet":
                return pd.read_parquet(path).astype("string")
            table = pd.read_csv(path, dtype="string", encoding="utf-8-sig", skipinitialspace=True)
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8.") from None
        except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read as a table: {error}") from None
        if table.empty:
            raise DataError(f"{path} has no rows.")
        return table

    def _column(self, table: pd.DataFrame, column: str, file: str) -> pd.Series:
        if column not in table.columns:
            raise DataError(
                f"{self.root / file} has no column {column!r}; it has: {', '.join(map(str, table.columns))}."
            )
        return table[column]

    def _ids(self, samples: pd.DataFrame) -> list[str]:
        spec = self.schema.samples
        ids = self._column(samples, spec.id, spec.table)
        bad = ids.isna() | ids.duplicated()
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            problem = "is empty" if pd.isna(ids.iloc[row]) else f"{ids.iloc[row]!r} repeats an earlier row"
            raise DataError(
                f"{_cell(spec.table, row, spec.id)}: the sample id {problem}; ids must be unique."
            )
        return ids.tolist()

    def _raw_target(self, samples: pd.DataFrame) -> np.ndarray:
        target, file = self.schema.target, self.schema.samples.table
        self._column(samples, target.column, file)
        values = self._numbers(samples, target.column, file, log=False)
        floor = {"log10": 0.0, "log1p": -1.0, "none": -np.inf}[target.transform]
        bad = ~np.isfinite(values) | (values <= floor)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            value = samples[target.column].iloc[row]
            problem = "is empty" if pd.isna(value) else f"{value!r} has no {target.transform} transform"
            raise DataError(
                f"{_cell(file, row, target.column)}: the target {problem} "
                f"({int(bad.sum())} such rows); drop these rows or mend them."
            )
        if np.ptp(values) == 0:
            raise DataError(f"{file} column {target.column!r} is constant; there is nothing to predict.")
        return values

    def _numbers(self, table: pd.DataFrame, column: str, file: str, *, log: bool) -> np.ndarray:
        cells = self._column(table, column, file)
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = cells.notna().to_numpy() & ~np.isfinite(numbers)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(f"{_cell(file, row, column)}: {cells.iloc[row]!r} is not a finite number.")
        if log and (numbers < 0).any():
            row = int(np.flatnonzero(numbers < 0)[0])
            raise DataError(
                f"{_cell(file, row, column)}: {cells.iloc[row]!r} is negative; take the column out of `log`."
            )
        return np.log1p(numbers) if log else numbers

    def _labels(self, samples: pd.DataFrame, column: str | None) -> np.ndarray | None:
        if column is None:
            return None
        labels = self._column(samples, column, self.schema.samples.table)
        # a sample without a label is a group of its own
        own = pd.Series([f"\0{i}" for i in self.ids], index=labels.index, dtype="string")
        return labels.fillna(own).to_numpy(dtype=str)

    def _official(self, samples: pd.DataFrame) -> np.ndarray | None:
        column = self.schema.samples.split
        labels = self._labels(samples, column)
        if labels is not None:
            wrong = np.flatnonzero(~np.isin(labels, OFFICIAL))
            if len(wrong):
                where = _cell(self.schema.samples.table, int(wrong[0]), str(column))
                raise DataError(f"{where}: a split is one of {', '.join(OFFICIAL)}.")
        return labels

    def _items(self, name: str, samples: pd.DataFrame, table: pd.DataFrame) -> Ragged:
        entity = self.schema.entities[name]
        if entity.table is None:
            return Ragged.from_lengths(np.arange(len(samples)), np.ones(len(samples), dtype=np.int64))
        keys = self._column(samples, self.schema.key(name), self.schema.samples.table)
        known = self._column(table, entity.id, entity.table)
        if known.duplicated().any():
            row = int(np.flatnonzero(known.duplicated())[0])
            raise DataError(
                f"{_cell(entity.table, row, entity.id)}: {known.iloc[row]!r} repeats an earlier row."
            )
        row_of = {key: row for row, key in enumerate(known)}
        rows, lengths = [], []
        for sample, cell in enumerate(keys):
            names = [] if pd.isna(cell) else cell.split(SEPARATOR) if entity.many else [cell]
            for key in names:
                if key.strip() not in row_of:
                    where = _cell(self.schema.samples.table, sample, self.schema.key(name))
                    raise DataError(
                        f"{where}: {key!r} is not in {entity.table}; add that row or empty the cell."
                    )
                rows.append(row_of[key.strip()])
            lengths.append(len(names))
        return Ragged.from_lengths(np.array(rows, dtype=np.int64), lengths)

    def _cells(self, table: pd.DataFrame, column: str, modality: str) -> Iterable[list[str] | list[Path]]:
        """For each row of the table, the texts (at most one) or files (any number) of one attribute."""
        if modality == "text":
            for cell in table[column]:
                yield [] if pd.isna(cell) or not cell.strip() else [cell.strip()]
            return
        pattern = "{" in column
        cells = self._filled(table, column) if pattern else table[column]
        for row, cell in enumerate(cells):
            names = [] if pd.isna(cell) else [part.strip() for part in cell.split(SEPARATOR) if part.strip()]
            yield [self._file(name, row, column) for name in names]

    def _filled(self, table: pd.DataFrame, pattern: str) -> pd.Series:
        """The path pattern filled from every row; missing where a column that it names is empty."""
        filled = pd.Series("", index=table.index, dtype="string")
        for text, column in re.findall(r"([^{]*)(?:{(\w+)})?", pattern):
            filled = filled + text
            if column:
                filled = filled + self._column(table, column, "the table of this entity")
        return filled

    def _file(self, name: str, row: int, column: str) -> Path:
        path = self.root / name
        # symbolic links are resolved, so that nothing outside the folder is ever read
        if Path(name).is_absolute() or not path.resolve().is_relative_to(self.root.resolve()):
            raise DataError(
                f"row {row + 2} column {column!r}: the path {name!r} leaves the dataset's folder; "
                "copy the file into the folder and use a relative path."
            )
        return path


def _cell(file: str, row: int, column: str) -> str:
    """Where a cell is, with the line as a spreadsheet counts it (the header is line 1)."""
    return f"{file} row {row + 2} column {column!r}"


def read_dataset(folder: Path) -> Dataset:
    """Read a folder with a `dataset.toml`."""
    return Dataset(folder, read_schema(folder / "dataset.toml"))
