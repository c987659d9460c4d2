"""Which table has one row per sample, which columns of it name rows of others, and what to predict."""

from __future__ import annotations

from itertools import permutations
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import tomlkit

from bench.data.names import CURRENCIES, is_engagement, likeness_to_target, singular, subject, words
from bench.data.problems import some
from bench.data.proposal.sections import Section
from bench.data.proposal.survey import Survey
from bench.errors import DataError

SAMPLES = ("train", "data", "labels", "samples")
"""Names of tables of samples, the plainest last."""
MOSTLY = 0.8
"""Share of a column's keys that must be known for them to refer to another table."""
LONG_TAIL = 10.0
"""Largest over smallest positive value from which a skewed number is taken as its logarithm."""

Links = dict[str, list[tuple[str, str]]]
"""Table -> columns whose cells are ids of another table, and that table."""


def find_links(found: Survey) -> Links:
    """Every column whose cells are mostly ids of another table."""
    links: Links = {table: [] for table in found.frames}
    for table, other in permutations(found.frames, 2):
        columns = found.of_kind(table, "key", "text", "numeric") if other in found.ids else []
        here = [(column, other) for column in columns if _refers(found, table, column, other)]
        # two ids that are alike are chance where another column is the key
        links[table] += [link for link in here if link[0] != found.ids.get(table)] or here
    return links


def _refers(found: Survey, table: str, column: str, other: str) -> bool:
    """Whether cells are ids of another table; numbers say so only with their name, or if they are all."""
    ids = found.tables.column(other, found.ids[other])
    keys, known = set(found.tables.keys(table, column, many=True)), set(ids)
    if len(keys & known) < MOSTLY * len(keys):
        return False
    thing = subject(found.ids[other]) or singular(words(PurePosixPath(other).stem)[-1])
    codes = pd.to_numeric(ids, errors="coerce").isna().any()
    return codes or thing in subject(column).split("_") or (column == found.ids[other] and keys == known)


def choose_samples(found: Survey, links: Links) -> Section:
    """[samples], of the table that fits best. Raises DataError where none does, or several do."""

    def fit(table: str) -> tuple[int, int, int, int]:
        refers = {other for column, other in links[table] if column != found.ids.get(table)}
        name = PurePosixPath(table).stem.lower()
        plainest = likeness_to_target(targets(found, table)[0])
        return len(refers), plainest, SAMPLES.index(name) if name in SAMPLES else -1, len(found.frames[table])

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
    scale = "none" if not long_tailed(numbers) else "log1p" if low <= 0 or is_engagement(best) else "log10"
    section = Section({"column": best, "transform": scale})
    why = "named like a thing to predict" if likeness_to_target(best) else "the last column of numbers"
    several = "; columns = [...] in its place predicts several, each by itself" if others else ""
    section.remarks.append(f"column: {why}; others: {some(others) or 'none'}{several}")
    section.remarks.append(f"transform: from {low:g} to {high:g}; one of log10, log1p, none")
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


def long_tailed(numbers: np.ndarray) -> bool:
    """Whether numbers are never negative, skewed, and from a value to a multiple of it, zeros aside."""
    known = pd.Series(numbers[np.isfinite(numbers)])
    positive = known[known > 0]
    return bool(known.min() >= 0 and positive.max() >= LONG_TAIL * positive.min() and known.skew() >= 1)
