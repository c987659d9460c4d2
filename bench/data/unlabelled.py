"""Rows whose target nobody knows yet, read for a method that was fitted to others.

They are read under their own description where it has the same sources, else under that of the data which the
method was fitted to. What they lack counts as absent, and is named in a warning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from bench.data.dataset import Dataset
from bench.data.frames import identified
from bench.data.problems import Problem, refuse
from bench.data.schema import MODALITIES, Samples, Schema, read_schema
from bench.errors import DataError, UsageError
from fusions import Source

log = logging.getLogger("bench")

ABSENT = frozenset(
    {"missing-column", "missing-table", "empty-column", "missing-file", "missing-features", "no-features"}
)
"""Kinds of problems with which a source, or an attribute of it, is absent."""


def read_unlabelled(
    data: Path | str | Dataset | pd.DataFrame,
    schema: Schema,
    sources: Collection[Source],
    allow_links: tuple[Path, ...] = (),
) -> Dataset:
    """A dataset without a target, of these sources only.

    Args:
        data: a folder; a dataset; or the table of samples of one that needs no other table.
        schema: the description of the data that the method was fitted to.
        sources: those that the method sees.
        allow_links: folders outside that links in the folder may lead to.

    Raises:
        UsageError: there is no such folder. DataError: a table or a value is not what the description says.
    """
    own, frames, root = None, None, Path(".")
    if isinstance(data, pd.DataFrame):
        if data.empty:
            raise DataError("the table has no rows or no columns; there is nothing to predict.")
        frames = {schema.samples.table: identified(data, schema.samples.id)}
    elif isinstance(data, Dataset):
        own, frames, root = data.schema, data.frames, data.root
        allow_links = (*allow_links, *data.tables.allow_links)
    else:
        root = Path(data)
        if not root.is_dir():
            raise UsageError(f"no folder {root}; name one with the rows to be predicted.")
        if os.path.lexists(root / "dataset.toml"):
            own = read_schema(root / "dataset.toml", allow_links)
    if own is not None and not all(_same(own, schema, source) for source in sources):
        log.warning("%s has a description with other sources; that of the fitted data is used instead", root)
        own = None
    chosen = _reduced(own or schema, sources)
    report = _Tolerant(chosen.samples.table)
    rows = Dataset(root, chosen, frames, report, allow_links=allow_links, labelled=False)
    for source in chosen.sources:
        if chosen.precomputed(source):  # read now, so that what they lack is reported even if cached
            rows.vectors(source)
    return rows


class _Tolerant:
    """A report that takes what is not there for absent, and says so once; other problems are refused."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._reported: set[str] = set()

    def __call__(self, problem: Problem) -> None:
        """Warn, or raise DataError."""
        if problem.kind not in ABSENT or (problem.kind, problem.file) == ("missing-table", self.table):
            refuse(problem)
            return
        fix = "it counts as absent"
        text = str(Problem(problem.kind, problem.what, fix, problem.file, problem.column, problem.rows))
        if text not in self._reported:
            self._reported.add(text)
            log.warning("%s", text)


def _same(own: Schema, other: Schema, source: Source) -> bool:
    """Whether a source is the same under two descriptions: the same attributes, taken in the same way."""
    if source not in own.sources:
        return False
    mine, theirs, modality = own.entities[source.entity], other.entities[source.entity], source.modality
    if mine.many != theirs.many or own.precomputed(source) != other.precomputed(source):
        return False
    one, two = mine.attributes(modality), theirs.attributes(modality)
    if modality not in ("text", "numeric"):  # files may lie elsewhere
        return len(one) == len(two)
    return one == two and [c in mine.log for c in one] == [c in theirs.log for c in two]


def _reduced(schema: Schema, sources: Collection[Source]) -> Schema:
    """A description of these sources only, without what splits samples."""
    entities = {}
    for name in dict.fromkeys(source.entity for source in sources):
        entity = schema.entities[name]
        gone = [m for m in MODALITIES if Source(name, m) not in sources]
        features = {m: found for m, found in entity.features.items() if m not in gone}
        entities[name] = entity.model_copy(update={**{m: [] for m in gone}, "features": features})
    samples = Samples(table=schema.samples.table, id=schema.samples.id)
    return schema.model_copy(update={"entities": entities, "samples": samples})
