"""Columns that hold something else than they are declared to, or nothing of use."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from bench.data.dataset import Dataset
from bench.data.problems import Problem, Report, rows_where, some
from bench.data.schema import SEPARATOR, Entity

ENOUGH = 5
"""Cells that must be filled before a column is said to be of another kind than declared."""
MOJIBAKE = "\ufffd|Ã[\u0080-\u00bf©¤¶¼±§]|â€[œ\u009d™“”\u0099]"
"""What UTF-8 looks like when it was once read as Latin-1, and the sign for an undecodable byte."""


def check(dataset: Dataset, report: Report) -> None:
    """Report suspicious columns; none of them stops a run."""
    _unused(dataset, report)
    for name, entity in dataset.schema.entities.items():
        file = dataset.table_of(name)
        if entity.table:
            _ids(dataset, entity, report)
            keys = dataset.tables.column(dataset.schema.samples.table, dataset.schema.key(name))
            _empty_or_constant(dataset.schema.samples.table, str(keys.name), keys, "key", report)
        for modality in entity.modalities:
            for column in entity.columns(modality):
                if "{" in column or column not in dataset.tables.table(file):
                    continue
                cells = dataset.tables.column(file, column)
                _empty_or_constant(file, column, cells, modality, report)
                if modality == "text":
                    _numeric_text(file, column, cells, report)
                    _mojibake(file, column, cells, report)
                elif modality == "numeric":
                    _dates(file, column, cells, report)


def _unused(dataset: Dataset, report: Report) -> None:
    schema = dataset.schema
    spec = schema.samples
    targets = (one.schema.target.column for one in dataset.each)
    used = {spec.table: {*targets, spec.id, spec.split, spec.group, spec.time}}
    for name, entity in schema.entities.items():
        attributes = [column for m in entity.modalities for column in entity.columns(m)]
        names = {part for c in attributes for part in (re.findall(r"{([^}]+)}", c) if "{" in c else [c])}
        used.setdefault(dataset.table_of(name), set()).update(names)
        if entity.table:
            used[entity.table].add(entity.id)
            used[spec.table].add(schema.key(name))
    for file, columns in used.items():
        there = dataset.tables.table(file).columns
        unused = [c for c in there if c not in columns]
        # where a column is missing, that is reported, with the names of all that are there
        if unused and columns - {None} <= set(there):
            what = f"has columns that the description does not use: {some(map(str, unused))}"
            fix = "name them in the description, or leave them if that is meant"
            report(Problem("unused-column", what, fix, file, stops=False))


def _ids(dataset: Dataset, entity: Entity, report: Report) -> None:
    ids = dataset.tables.column(str(entity.table), entity.id)
    file, column = str(entity.table), entity.id
    if (empty := ids.isna().to_numpy()).any() and not empty.all():
        what, fix = "the id is empty: no sample can name this row", "give it an id, or delete the row"
        report(Problem("empty-id", what, fix, file, column, rows_where(empty), stops=False))
    if entity.many and (split := ids.str.contains(SEPARATOR, regex=False).fillna(False)).any():
        what = f"an id has {SEPARATOR!r} in it, which separates ids: no sample can name this row"
        fix = "write the id without it"
        report(Problem("separator-in-id", what, fix, file, column, rows_where(split), stops=False))


def _empty_or_constant(file: str, column: str, cells: pd.Series, modality: str, report: Report) -> None:
    distinct = cells.nunique()
    if len(cells) and distinct == 0:
        what, fix = "every cell is empty", "fill it, or take the column out of the description"
        report(Problem("empty-column", what, fix, file, column, stops=False))
    elif distinct == 1 and modality in ("text", "numeric") and cells.notna().sum() > max(1, len(cells) // 2):
        what = f"every cell is {cells.dropna().iloc[0][:40]!r}"
        fix = "take the column out: it says nothing"
        report(Problem("constant-column", what, fix, file, column, stops=False))


def _numeric_text(file: str, column: str, cells: pd.Series, report: Report) -> None:
    """Quantities among the texts. Whole numbers of one length are codes, such as zip codes."""
    filled = cells.dropna()
    if len(filled) < ENOUGH or pd.to_numeric(filled, errors="coerce").isna().any():
        return
    length = filled.str.len()
    if filled.str.fullmatch(r"[0-9]+").all() and length.min() == length.max():
        return
    what, fix = "all texts are numbers", "list the column under `numeric`, unless they are mere labels"
    report(Problem("numeric-text", what, fix, file, column, stops=False))


def _mojibake(file: str, column: str, cells: pd.Series, report: Report) -> None:
    bad = cells.str.contains(MOJIBAKE, regex=True).fillna(False).to_numpy(dtype=bool)
    if bad.any():
        first = cells[bad].iloc[0][:40]
        what = f"{first!r} looks like text that was decoded wrongly"
        fix = "convert the original to UTF-8 again"
        report(Problem("mojibake", what, fix, file, column, rows_where(bad), stops=False))


def _dates(file: str, column: str, cells: pd.Series, report: Report) -> None:
    """Dates such as 20260531 among the numbers: their differences mean nothing."""
    filled = cells.dropna().str.removesuffix(".0")
    if len(filled) < ENOUGH or not filled.str.fullmatch(r"(?:19|20)[0-9]{6}").all():
        return
    if np.mean(pd.to_datetime(filled, format="%Y%m%d", errors="coerce").notna()) == 1:
        what = f"the numbers are dates ({filled.iloc[0]})"
        fix = "write days since a fixed date, or year and month as columns of their own"
        report(Problem("date-as-number", what, fix, file, column, stops=False))
