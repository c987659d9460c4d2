"""The printed tables, as the checks see them: rows found by name, cells by what they measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from pandas.api.types import is_numeric_dtype

from bench.errors import UsageError, did_you_mean
from bench.paper.claims import Metric, RowRef
from bench.paper.numbers import Printed, parse
from bench.paper.printed import KEYS


@dataclass(frozen=True)
class Row:
    """One printed row.

    Attributes:
        cells: metric -> its number; None where none is printed.
        roles: what is measured (mae, mse, ...) -> metric.
    """

    table: str
    group: str
    name: str
    note: str
    cells: Mapping[str, Printed | None]
    roles: Mapping[str, str]

    @property
    def where(self) -> str:
        """Table, group and row, for people."""
        return (
            f"Table {self.table}, {self.group}, {self.name}"
            if self.group
            else f"Table {self.table}, {self.name}"
        )

    def measured(self, role: str) -> Printed | None:
        """The number with this role, or None."""
        return self.cells.get(self.roles.get(role, ""))


class Tables:
    """All printed rows.

    Args:
        frame: columns table, group, row, one per metric, optionally note. Read with
            `bench.paper.printed.read_tables`: columns of floats have forgotten their last zeros, which
            are put back to the usual number of decimals of the column.
        metrics: column -> what it measures.

    Raises:
        UsageError: a metric has no column, or two metrics have one role.
    """

    def __init__(self, frame: pd.DataFrame, metrics: Mapping[str, Metric]) -> None:
        for column in (*KEYS, *metrics):
            if column not in frame:
                known = did_you_mean(column, map(str, frame))
                raise UsageError(f"the tables have no column {column!r}; {known}")
        self.metrics = metrics
        roles: dict[str, str] = {
            metric.role: name for name, metric in metrics.items() if metric.role != "other"
        }
        if len(roles) != sum(metric.role != "other" for metric in metrics.values()):
            raise UsageError("the claims file gives two metrics the same role.")
        texts = {name: _texts(frame[name]) for name in metrics}
        labels = frame.reindex(columns=[*KEYS, "note"]).astype(object).fillna("").astype(str)
        self.rows = [
            Row(table, group, name, note, {metric: parse(texts[metric][i]) for metric in metrics}, roles)
            for i, (table, group, name, note) in enumerate(labels.itertuples(index=False, name=None))
        ]

    def find(self, ref: RowRef) -> Row:
        """The row of that name. Raises UsageError if there is none, or several."""
        found = [r for r in self.at(ref.table) if r.name == ref.row and ref.group in (None, r.group)]
        if len(found) == 1:
            return found[0]
        names = [r.name for r in self.at(ref.table) if ref.group in (None, r.group)]
        where = f"table {ref.table}" + (f", group {ref.group!r}," if ref.group else "")
        if found:
            raise UsageError(f"{where} has {len(found)} rows {ref.row!r}: name the group.")
        raise UsageError(f"{where} has no row {ref.row!r}; {did_you_mean(ref.row, names)}")

    def cell(self, row: Row, metric: str) -> Printed:
        """A number that a claim needs. Raises UsageError if the metric is unknown or the cell has none."""
        if metric not in self.metrics:
            raise UsageError(f"no metric {metric!r}; {did_you_mean(metric, self.metrics)}")
        number = row.cells[metric]
        if number is None:
            raise UsageError(f"{row.where} prints no number for {metric}, which a claim needs.")
        return number

    def at(self, table: str) -> list[Row]:
        """The rows of a table. Raises UsageError if there is no such table."""
        found = [row for row in self.rows if row.table == table]
        if not found:
            raise UsageError(f"no table {table!r}; {did_you_mean(table, {row.table for row in self.rows})}")
        return found

    @cached_property
    def groups(self) -> dict[tuple[str, str], list[Row]]:
        """(table, group) -> its rows, in print order."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.table, row.group), []).append(row)
        return groups

    def goodness(self, row: Row, metric: str) -> float:
        """The value, turned so that more is better."""
        value = self.cell(row, metric).value
        return value if self.metrics[metric].better == "higher" else -value

    def ranked(self, rows: list[Row], metric: str) -> list[Row]:
        """Rows by a metric, best first."""
        return sorted(rows, key=lambda row: self.goodness(row, metric), reverse=True)


def _texts(column: pd.Series) -> list[str]:
    """Cells as text; floats padded to the most frequent number of decimals."""
    texts = ["" if pd.isna(cell) else str(cell) for cell in column]
    if not is_numeric_dtype(column):
        return texts
    decimals = pd.Series([len(text.partition(".")[2]) for text in texts if text]).mode()
    return [
        f"{text}{'0' * (int(decimals.max()) - len(text.partition('.')[2]))}" if text else "" for text in texts
    ]
