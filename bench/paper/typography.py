"""Slips of the pen: decimals, lost points, names the text never introduced, what the notes record."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator

from bench.paper.claims import NameSet
from bench.paper.finding import Finding
from bench.paper.numbers import Printed, parse
from bench.paper.table import Row, Tables


def check_typography(tables: Tables, names: list[NameSet]) -> list[Finding]:
    """All of them."""
    strangers = [finding for name_set in names for finding in _names(tables, name_set)]
    return [*_decimals(tables), *_notes(tables), *strangers]


def printed_name(row: Row) -> str:
    """The name that the paper prints: the note says so where the CSV has the one that is meant."""
    return _printed_as(row.note) or row.name


def _printed_as(note: str, metric: str = "") -> str:
    start = re.escape(metric) + " " if metric else ""
    found = re.search(rf"^{start}printed as (\S.*)$", note.strip())
    return found.group(1).strip() if found else ""


def _decimals(tables: Tables) -> Iterator[Finding]:
    """Numbers with other decimals than the rest of their column, or without a point."""
    sound = True
    for metric in tables.metrics:
        numbers = {row.where: row.cells[metric] for row in tables.rows}
        counts = Counter(number.decimals for number in numbers.values() if number is not None)
        usual = counts.most_common(1)[0][0] if counts else 0
        for where, number in numbers.items():
            if number is not None and (number.decimals != usual or number.lost_point):
                sound = False
                yield _slip(f"{where}, {metric}", number, usual, alone=counts[number.decimals] == 1)
    if sound:
        yield Finding("one number of decimals in a column", "every row", "as usual", "the same", "holds")


def _slip(where: str, number: Printed, usual: int, alone: bool) -> Finding:
    claim = f"{usual} decimals, like the rest of the column"
    meant = f"{number.value:.{usual}f}"
    others = "the only one of its column" if alone else "one of several in its column"
    return Finding(
        claim, where, number.text, meant, "typographical", f"{number.decimals} decimals, {others}."
    )


def _notes(tables: Tables) -> Iterator[Finding]:
    """What whoever copied the tables wrote down, unless another check finds it in the numbers or names."""
    for row in tables.rows:
        if not row.note or _printed_as(row.note):
            continue
        metric = next((name for name in tables.metrics if row.note.startswith(f"{name} ")), None)
        cell = row.cells[metric] if metric else None
        as_read = cell.text if cell else ""
        as_printed = _printed_as(row.note, metric) if metric else ""
        if as_printed and as_printed != as_read:
            number = parse(as_printed)
            comment = "The decimal point is lost." if number and number.lost_point else ""
            claim = "every number is one"
            yield Finding(claim, f"{row.where}, {metric}", as_printed, as_read, "typographical", comment)
        elif not re.search(r"decimals?$", row.note):
            yield Finding("the tables are set in columns", row.where, row.note, "", "typographical")


def _names(tables: Tables, name_set: NameSet) -> Iterator[Finding]:
    """Names in tables that the text does not introduce, each with the introduced name most like it."""
    for table in name_set.tables:
        rows = tables.at(table)
        printed = {printed_name(row) if name_set.column == "row" else row.group for row in rows}
        unused = [name for name in name_set.names if name not in printed]
        strangers = sorted(printed - set(name_set.names))
        for stranger in strangers:
            like = difflib.get_close_matches(stranger, unused, n=1, cutoff=0.0)
            meant = f"{like[0]}, which has no {name_set.column}" if like else "none of the names"
            comment = f"Introduced in {name_set.where}: {', '.join(name_set.names)}."
            claim = f"the names in Table {table} are those of the text"
            yield Finding(claim, f"Table {table}", stranger, meant, "typographical", comment)
        if not strangers:
            claim = f"the {name_set.column} names in Table {table} are those of the text ({name_set.where})"
            yield Finding(claim, f"Table {table}", ", ".join(sorted(printed)), "all introduced", "holds")
