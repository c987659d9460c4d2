"""Sections of a proposed description: what they are, [samples] and [target]."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import tomlkit
from tomlkit.items import Table

from bench.data.names import CURRENCIES, is_engagement, likeness_to_target, words
from bench.data.problems import some
from bench.data.proposal.survey import Survey
from bench.errors import DataError, printable


@dataclass
class Section:
    """Fields, remarks that stand above them as comments, and of an entity the table with its rows."""

    fields: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    table: str = ""

    def add(self, modality: str, path: str, remark: str = "") -> None:
        """Add a column or path pattern to an entity."""
        self.fields.setdefault(modality, []).append(path)
        self.remarks += [remark] if remark else []

    def toml(self) -> Table:
        """It as TOML."""
        table = tomlkit.table()
        for remark in self.remarks:
            for line in textwrap.wrap(printable(remark), 100, subsequent_indent="  "):
                table.add(tomlkit.comment(line))
        table.update(self.fields)
        return table


def choose_samples(found: Survey) -> Section:
    """[samples], of the table that fits best. Raises DataError where none does, or several do."""

    def fit(table: str) -> tuple[int, int, int, int]:
        refers = {other for column, other in found.links[table] if column != found.ids.get(table)}
        plainest = likeness_to_target(targets(found, table)[0])
        named = PurePosixPath(table).stem.lower() == "samples"
        return len(refers), plainest, named, len(found.frames[table])

    usable = sorted((table for table in found.frames if targets(found, table)), key=fit, reverse=True)
    if not usable:
        what = f"{found.root}: no table ({some(found.frames)}) has a number to predict in every row"
        raise DataError(f"{what}; add such a column, or fill its empty cells.")
    best, *others = usable
    for other in others:
        if fit(other) == fit(best) or list(found.kinds[other]) == list(found.kinds[best]):
            both = f"{best} and {other} in {found.root} could both be the table of samples"
            fix = "name that one samples.csv, or join parts of one table into it, with a column split"
            raise DataError(f"{both}; {fix} (train, validation, test).")
    if best not in found.ids:
        fix = "add a column id (1, 2, 3, ... will do) as the first"
        raise DataError(f"{found.root / best} has no id: no column names every row once; {fix}.")
    section = Section({"table": best, "id": found.ids[best]}, ["id: a value of its own in every row"])
    if others:
        why = "it refers to most tables, or has the plainest target or name, or the most rows"
        section.remarks.append(f"table: {why}; it could also be {some(others)}")
    for kind, split in {"split": "official", "time": "time"}.items():
        for column in [c for c in found.of_kind(best, kind) if (best, c) not in found.refused][:1]:
            section.fields[kind] = column
            section.remarks.append(f"{kind}: by its cells; for `--split {split}`")
    for column in found.of_kind(best, "key"):
        if found.tables.column(best, column).duplicated().any() and not found.is_list(best, column):
            group = tomlkit.dumps({"group": column}).strip()
            section.remarks += ["if equal values must stay together:", group]
    return section


def choose_target(found: Survey, table: str) -> Section:
    """[target]: the column to predict, the scale to learn it on, and the alternatives."""
    best, *others = targets(found, table)
    numbers = found.tables.numbers(table, best)
    low, high = numbers.min(), numbers.max()
    logarithm = "log1p" if low <= 0 or is_engagement(best) else "log10"
    scale = logarithm if found.long_tailed(table, best) else "none"
    why = "named like a thing to predict" if likeness_to_target(best) else "the last column of numbers"
    several = "; columns = [...] in its place predicts several, each by itself" if others else ""
    reasons = [f"column: {why}; others: {some(others) or 'none'}{several}"]
    reasons += [f"transform: from {low:g} to {high:g}; one of log10, log1p, none"]
    section = Section({"column": best, "transform": scale}, reasons)
    for unit in [word for word in words(best) if word in CURRENCIES][:1]:
        section.fields["unit"] = unit if unit == "yuan" else unit.upper()
    if "sentiment" in words(best) and low < 0 < high:
        section.fields["sign"] = True
        section.remarks.append("sign: a sentiment on both sides of zero; adds the binary accuracy Acc2")
    return section


def targets(found: Survey, table: str) -> list[str]:
    """The columns that could be the target, the likeliest first; of those that are alike, the last."""
    numbers = {column: found.tables.numbers(table, column) for column in found.of_kind(table, "numeric")}
    full = [column for column, of in reversed(numbers.items()) if np.isfinite(of).all() and np.ptp(of) > 0]
    return sorted(full, key=lambda c: (-likeness_to_target(c), len(np.unique(numbers[c])) == 2))
