"""Which column names the rows of a table, and which columns of other tables refer to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from bench.data.names import singular, subject, words
from bench.data.proposal.columns import HEAD, Column, Table
from bench.data.schema import SEPARATOR

MOSTLY = 0.8
"""Share of a column's keys that are known from which missing ones are pointed out."""
LONGEST_ID = 64


@dataclass(frozen=True)
class Link:
    """A column whose cells name rows of another table.

    Attributes:
        table, column: where the keys are.
        other, id: the table that they refer to, and its id column.
        many: whether cells hold several keys.
        unknown: keys that the other table lacks; with any, the link cannot be used.
    """

    table: Table
    column: str
    other: Table
    id: str
    many: bool
    unknown: tuple[str, ...] = ()


def find_id(table: Table) -> Column | None:
    """The column that names every row once: by its name, else any of short texts, else the row's number."""
    unique = [c for c in table.of_kind("key", "text", "image", "video", "audio") if c.unique]
    own = {"", singular(PurePosixPath(table.file).stem.lower()), "sample"}
    named = [c for c in unique if c.kind == "key" and c.why == "an id or key"]
    named.sort(key=lambda c: (words(c.name) != ["id"], subject(c.name) not in own))
    first = next(iter(table.columns), "")
    short = [c for c in unique if c.kind == "text" and _code(c.cells, first=c.name == first)]
    files = [c for c in unique if c.path and not c.cells.str.contains(SEPARATOR, regex=False).any()]
    numbered = [c for c in unique if c.why == "numbers the rows"]
    return next(iter(named + short + files + numbered), None)


def _code(cells: pd.Series, *, first: bool) -> bool:
    """Whether texts are codes, not something to read: short, no blanks, digits unless the column is first."""
    one_word = (cells.str.len() <= LONGEST_ID).all() and not cells.str.contains(r"\s|\|").any()
    return bool(one_word and (first or cells.str.contains(r"\d").all()))


def find_links(tables: list[Table]) -> list[Link]:
    """Every column whose cells are ids of another table, those with a few unknown keys too."""
    links = []
    for other in tables:
        column = find_id(other)
        if column is None:
            continue
        known = frozenset(column.cells)
        for table in tables:
            if table is not other:
                links += _links(table, other, column, known)
    return links


def _links(table: Table, other: Table, id_column: Column, known: frozenset[str]) -> list[Link]:
    own = find_id(table)
    found = []
    for column in table.of_kind("key", "text", "number"):
        link = _link(table, column, other, id_column, known)
        if link and _related(column, link, known, is_own=own is not None and own.name == column.name):
            found.append(link)
    by_own = [x for x in found if own is not None and x.column == own.name]
    # two ids with the same numbers are chance where another column is the key
    return [x for x in found if x not in by_own] or by_own


def _link(
    table: Table, column: Column, other: Table, id_column: Column, known: frozenset[str]
) -> Link | None:
    present = column.cells.dropna()
    if not len(_entries(present.iloc[:HEAD]).loc[lambda keys: keys.isin(known)]):
        return None
    keys = set(_entries(present))
    unknown = keys - known
    if len(unknown) > (1 - MOSTLY) * len(keys):
        return None
    many = bool(present.str.contains(SEPARATOR, regex=False).any())
    return Link(table, column.name, other, id_column.name, many, tuple(sorted(unknown)))


def _entries(cells: pd.Series) -> pd.Series:
    keys = cells.str.split(SEPARATOR, regex=False).explode().str.strip()
    return keys[keys != ""]


def _related(column: Column, link: Link, known: frozenset[str], *, is_own: bool) -> bool:
    """Whether equal values mean a reference: names agree, or the values are no mere numbers."""
    thing = {singular(word) for word in words(PurePosixPath(link.other.file).stem)}
    if thing & set(subject(column.name).split("_")) or subject(column.name) == subject(link.id) != "":
        return True
    if is_own and column.name == link.id:
        return set(column.cells) == known or not _numeric(known)
    return not _numeric(known)


def _numeric(keys: frozenset[str]) -> bool:
    return bool(pd.to_numeric(pd.Series(list(keys), dtype="string"), errors="coerce").notna().all())
