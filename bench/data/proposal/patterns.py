"""Media files whose paths hold the id of a row, ``images/{id}_kitchen.jpg``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import pandas as pd

from bench.data.proposal.survey import Survey

FEWEST_ROWS = 0.2
"""Share of a column's values that must have a file, for the files to be taken as named by them."""
MOST_PIECES = 12
"""Pieces between separators that an id can have."""


class Pattern(NamedTuple):
    """A path pattern for rows of a table, the modality and the names of its files, and how many there are."""

    table: str
    path: str
    modality: str
    files: frozenset[str]
    remark: str

    @property
    def view(self) -> str:
        """What the files show, as far as the path says: kitchen."""
        parts = PurePosixPath(re.sub(r"\{[^}]*\}", "_", self.path)).with_suffix("").parts[::-1]
        return next((part.strip("_-. *").lower() for part in parts if re.search(r"[^\W\d_]", part)), "")


def find_patterns(found: Survey, tables: list[str], loose: set[str]) -> list[Pattern]:
    """Path patterns that cover loose media files once: first those with most files, of ids before keys."""
    columns = [(table, found.ids[table]) for table in tables]
    columns += [(table, key) for table in tables for key in found.of_kind(table, "key")]
    single = [place for place in columns if not found.is_list(*place)]
    candidates = [pattern for place in single for pattern in _candidates(found, *place, loose)]
    chosen: list[Pattern] = []
    for pattern in sorted(candidates, key=lambda p: -len(p.files)):
        if len(pattern.files) > 1 and all(pattern.files.isdisjoint(other.files) for other in chosen):
            chosen.append(pattern)
    return chosen


def _candidates(found: Survey, table: str, column: str, loose: set[str]) -> Iterator[Pattern]:
    """The patterns of one column: those of which most rows have a file, else one with a wildcard."""
    ids = frozenset(found.tables.keys(table, column, many=False))
    places = pd.DataFrame(
        [place for path in sorted(loose) for place in _places(path, column, ids)],
        columns=["file", "id", "wide", "exact"],
    )
    rows = places.groupby("wide")["id"].transform("nunique")
    for wide, files in places[rows >= max(2, FEWEST_ROWS * len(ids))].groupby("wide"):
        rows = files.groupby("exact")["id"].transform("nunique")
        often = files[rows >= files["id"].nunique() / 2]
        # a wildcard would give a file that is there twice to several rows
        stars = not files["file"].duplicated().any()
        for path, own in (files.assign(exact=wide) if often.empty else often).groupby("exact"):
            if stars or "*" not in path:
                remark = f"{path} is there for {own['id'].nunique()} of {len(ids)} values"
                yield Pattern(table, path, found.media[own["file"].iloc[0]], frozenset(own["file"]), remark)


def _places(path: str, column: str, ids: frozenset[str]) -> Iterator[tuple[str, str, str, str]]:
    """Where ids stand in a path: it, the id, and patterns with * for the rest of the name, and for digits."""
    suffix = PurePosixPath(path).suffix
    pieces = re.split(r"([/_\-. ])", path.removesuffix(suffix))
    for start in range(0, 0 if re.search(r"[{}*?\[\]|]", path) else len(pieces), 2):
        for end in range(start + 1, min(start + 2 * MOST_PIECES, len(pieces) + 1), 2):
            if (key := "".join(pieces[start:end])) in ids:
                before, after = f"{''.join(pieces[:start])}{{{column}}}", "".join(pieces[end:])
                wide = re.sub(r"(^[^/]|/)[^/]*$", r"\1*", after)
                yield path, key, before + wide + suffix, before + re.sub(r"\d+", "*", after) + suffix
