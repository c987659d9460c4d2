"""Path patterns: media files whose names hold the id of a row, ``images/{id}_kitchen.jpg``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bench.data.proposal.columns import Column, Table
from bench.data.proposal.survey import MODALITY_OF
from bench.data.schema import SEPARATOR

FEWEST_ROWS = 0.2
"""Share of a table's ids that must have a file, for the files to be taken as named by them."""
MOST_VIEWS = 12
MOST_PIECES = 12
"""Pieces between ``_ - .`` and blanks up to which a name is searched for ids."""


@dataclass(frozen=True)
class Pattern:
    """Media files of the rows of a table.

    Attributes:
        table: the file of the table.
        path: with braces around the column that it is filled from, and perhaps a ``*``.
        modality: image, video or audio.
        label: what the files show, as far as their names say: "kitchen"; "" where they do not.
        rows: for how many values of the column there is a file.
        known: how many values the column has.
    """

    table: str
    path: str
    modality: str
    label: str
    rows: int
    known: int


@dataclass
class _Family:
    """Files of one folder and suffix named by ids of one column; what stands beside the id may differ."""

    table: Table
    starred: str
    ids: set[str] = field(default_factory=set)
    of_file: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    views: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    labels: dict[str, str] = field(default_factory=dict)
    known: int = 1

    @property
    def share(self) -> float:
        return len(self.ids) / self.known


def find_patterns(tables: list[Table], media: list[str]) -> list[Pattern]:
    """Patterns that cover the files, those with most files first; a file belongs to one of them.

    Args:
        tables: that the patterns may be filled from, the samples first.
        media: the files that no cell of a table names.
    """
    families = [f for table in tables for column in _keys(table) for f in _families(table, column, media)]
    left = set(media)
    patterns: list[Pattern] = []
    while families:
        best = max(families, key=lambda f: (len(left & f.of_file.keys()), len(f.ids), f.share))
        families.remove(best)
        taken = left & best.of_file.keys()
        if len(taken) > 1 and len(taken) == len(best.of_file):
            patterns += (made := _patterns(best))
            left -= taken if made else set()
    return patterns


def _keys(table: Table) -> list[Column]:
    """The columns that files may be named after."""
    keys = [c for c in table.of_kind("key", "text") if c.kind == "key" or c.unique]
    return [c for c in keys if "}" not in c.name and not c.cells.str.contains(SEPARATOR, regex=False).any()]


def _families(table: Table, column: Column, media: list[str]) -> list[_Family]:
    ids = frozenset(column.cells.dropna())
    families: dict[str, _Family] = {}
    for path in media:
        if re.search(r"[{}*?\[\]|]", path):
            continue
        for starred, exact, label, key in _matches(path, ids, column.name):
            family = families.setdefault(starred, _Family(table, starred, known=len(ids)))
            family.ids.add(key)
            family.of_file[path].add(key)
            family.views[exact][path] = key
            family.labels[exact] = label
    return [f for f in families.values() if f.share >= FEWEST_ROWS and len(f.ids) > 1]


def _matches(path: str, ids: frozenset[str], column: str) -> Iterator[tuple[str, str, str, str]]:
    """Where an id stands in a path: the starred pattern, the exact one, the rest of the name, the id."""
    pure = PurePosixPath(path)
    folder, brace = "" if str(pure.parent) == "." else f"{pure.parent}/", f"{{{column}}}"
    for before, key, after in _ids_in(pure.stem, ids):
        star = "*" if after else ""
        label = _plain(f"{before} {after}")
        # of the rest, the first sign stays: it ends the id
        yield (
            f"{folder}{before}{brace}{after[:1]}{star}{pure.suffix}",
            f"{folder}{before}{brace}{after}{pure.suffix}", label, key,
        )  # fmt: skip
    above = pure.parent.parent
    if pure.parent.name:
        top = "" if str(above) == "." else f"{above}/"
        for before, key, after in _ids_in(pure.parent.name, ids):
            named = f"{top}{before}{brace}{after}"
            yield f"{named}/*{pure.suffix}", f"{named}/{pure.name}", _plain(pure.stem), key


def _ids_in(name: str, ids: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    """Every id that stands in a name between separators, with what is before and after it."""
    if name in ids:
        yield "", name, ""
        return
    pieces = re.split(r"([_\-. ])", name)
    if len(pieces) > 2 * MOST_PIECES:
        return
    for start in range(0, len(pieces), 2):
        for end in range(start + 1, len(pieces) + 1, 2):
            key = "".join(pieces[start:end])
            if key in ids:
                yield "".join(pieces[:start]), key, "".join(pieces[end:])


def _plain(name: str) -> str:
    return "_".join(re.findall(r"\w+", name)).strip("_").lower()


def _says(label: str) -> bool:
    """Whether a label is more than a number."""
    return re.search(r"[^\W\d_]", label) is not None


def _patterns(family: _Family) -> list[Pattern]:
    """One pattern per view where the names say what a file shows, else one with a star."""
    modality = MODALITY_OF[PurePosixPath(family.starred).suffix.lower()]
    half = len(family.ids) / 2
    views = {
        path: len(set(files.values()))
        for path, files in family.views.items()
        if len(set(files.values())) >= half and (_says(family.labels[path]) or "*" not in family.starred)
    }
    covered = sum(len(family.views[path]) for path in views)
    if views and len(views) <= MOST_VIEWS and covered >= 0.9 * len(family.of_file):
        file = family.table.file
        return [
            Pattern(file, path, modality, family.labels[path], n, family.known) for path, n in views.items()
        ]
    if any(len(keys) > 1 for keys in family.of_file.values()) or "*" not in family.starred:
        return []  # the star would give a file to several rows
    return [Pattern(family.table.file, family.starred, modality, "", len(family.ids), family.known)]
