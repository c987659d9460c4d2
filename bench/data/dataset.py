"""A dataset read from its folder: targets, items of every entity, raw attributes of every source."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data.frames import described
from bench.data.patterns import paths_of
from bench.data.precomputed import Vectors, read_vectors
from bench.data.problems import Problem, Report, refuse, rows_where
from bench.data.ragged import Ragged
from bench.data.reach import LEAVES, Fault, nameable, reachable
from bench.data.schema import MEDIA, Schema, Target, read_schema
from bench.data.splits import OFFICIAL
from bench.data.tables import Tables
from bench.data.targets import read_target
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
    """Tables and media under their description.

    Args:
        root: the folder that holds the tables and media.
        schema: its description.
        frames: tables by the name that the schema has for them, where they are at hand already.
        report: hears of every problem; the default raises DataError for one that cannot be worked around.
        allow_links: folders outside that links in the folder may lead to; nothing else outside is read.
        labelled: whether samples have a target; without, it is NaN, and its column need not be there.

    Under a description of several targets this is the dataset of the first; `each` has one for every target,
    which differ in nothing else.

    Attributes:
        schema: its description, with one target, and the classes of that where it has any.
        ids: of the samples.
        raw_target: (N,) on the original scale; of classes their numbers.
        target: (N,) as models learn it.
        items: entity -> sample -> rows of the entity's table.

    Raises:
        DataError: a table, a column or a value is not what the description says.
    """

    def __init__(
        self,
        root: Path,
        schema: Schema,
        frames: Mapping[str, pd.DataFrame] | None = None,
        report: Report = refuse,
        *,
        allow_links: tuple[Path, ...] = (),
        labelled: bool = True,
    ) -> None:
        self.root, self._report, self.labelled = root, report, labelled
        self._reported: set[tuple[str, str]] = set()
        self.tables = Tables(root, self.report, frames, allow_links)
        self._in_memory = frozenset(frames or {})
        samples, self.schema = schema.samples, schema
        self.ids: list[str] = self._ids().tolist()
        self._targets = [
            read_target(self.tables, samples.table, target, self.report, labelled=labelled)
            for target in schema.target.each
        ]
        self._take(*self._targets[0])
        self.groups = self._groups()
        self.official = self._official()
        self.times = None if samples.time is None else self.tables.times(samples.table, samples.time)
        self.items = {name: self._items(name) for name in schema.entities}
        # read at once, so that a wrong cell is reported before any work begins
        self._numeric = {s: self._read_numeric(s) for s in schema.sources if s.modality == "numeric"}
        self._raw = {
            s: self._read_raw(s)
            for s in schema.sources
            if s.modality != "numeric" and not schema.precomputed(s)
        }
        for source in schema.sources:
            if not schema.precomputed(source):
                self._refuse_empty(source)

    def _take(self, target: Target, values: np.ndarray) -> None:
        """Make this the dataset of one target."""
        self.raw_target, self.target = values, target.forward(values)
        self.schema = self.schema.model_copy(update={"target": target})

    @property
    def each(self) -> tuple[Dataset, ...]:
        """A dataset for every target, in the order of `columns`; this one where there is one target."""
        return tuple(self._of(found) for found in self._targets) if len(self._targets) > 1 else (self,)

    def _of(self, found: tuple[Target, np.ndarray]) -> Dataset:
        one = copy.copy(self)
        one._targets = [found]
        one._take(*found)
        return one

    @classmethod
    def from_frames(
        cls,
        samples: pd.DataFrame,
        *,
        target: str | Sequence[str] | Mapping[str, Any],
        entities: Mapping[str, Mapping[str, Any]],
        tables: Mapping[str, pd.DataFrame] | None = None,
        root: Path | str = ".",
        name: str = "frames",
        description: str = "",
        allow_links: tuple[Path, ...] = (),
        labelled: bool = True,
        **columns: str,
    ) -> Dataset:
        """A dataset from DataFrames in hand; what `dataset.toml` says is said in arguments.

        Args:
            samples: one row per sample.
            target: the column to predict, several, or all fields: ``{"column": "y", "transform": "log10"}``.
            entities: name -> fields of an entity: ``{"house": {"numeric": ["area"], "image": ["photo"]}}``.
            tables: name -> DataFrame, for entities with a ``table``.
            root: the folder that paths of media and features are relative to.
            name: for captions.
            description: for captions.
            allow_links: folders outside `root` that links in it may lead to.
            labelled: whether samples have a target; without, its column need not be there.
            columns: which columns of `samples` are ``id``, ``split``, ``group``, ``time``. Without ``id``
                the index is the id.

        Raises:
            DataError: a field, a column or a value is wrong.
        """
        schema, frames = described(samples, target, entities, tables or {}, name, description, columns)
        return cls(Path(root), schema, frames, allow_links=allow_links, labelled=labelled)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables that were at hand, by name."""
        return {name: self.tables.table(name) for name in self._in_memory}

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the description but for target and encoders, the tables, and all files that they name."""
        digest = hashlib.sha256(self.schema.model_dump_json(exclude={"target", "encoders"}).encode())
        digest.update(b"" if self.labelled else b"without a target")
        entities = self.schema.entities.values()
        tables = {self.schema.samples.table, *(e.table for e in entities if e.table)}
        for name in sorted(tables & self._in_memory):
            frame = self.tables.table(name).astype("string")
            digest.update(f"{name} {list(frame.columns)}".encode())
            digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
        files = {self.root / name for name in tables - self._in_memory}
        features = [f.file for e in entities for f in e.features.values()]
        links = self.tables.allow_links
        files |= {self.root / name for name in features if reachable(self.root, name, links)}  # else refused
        media = (raw.items for source, raw in self._raw.items() if source.modality in MEDIA)
        files |= {Path(path) for paths in media for path in paths}
        for path in sorted(files):
            digest.update(os.path.relpath(path, self.root).encode())
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    @property
    def samples(self) -> dict[str, np.ndarray]:
        """Arrays over samples: `ids`, `target`; and `groups`, `official`, `times` where there are any."""
        arrays = {
            "ids": np.array(self.ids),
            "target": self.target,
            "groups": self.groups,
            "official": self.official,
            "times": self.times,
        }
        return {name: array for name, array in arrays.items() if array is not None}

    def table_of(self, entity: str) -> str:
        """The name of the table that has the entity's rows."""
        return self.schema.entities[entity].table or self.schema.samples.table

    def rows(self, entity: str) -> int:
        """How many rows the entity's table has."""
        return len(self.tables.table(self.table_of(entity)))

    def raw(self, source: Source) -> RawTokens:
        """The raw texts or files of a text or media source; missing cells give no token."""
        return self._raw[source]

    def numeric(self, source: Source) -> np.ndarray:
        """The numeric attributes of an entity's rows, (rows, L) float32, log1p taken, NaN where missing."""
        return self._numeric[source]

    def vectors(self, source: Source) -> Vectors:
        """The precomputed features of a source."""
        entity = self.schema.entities[source.entity]
        column = entity.id if entity.table else self.schema.samples.id
        ids = self.tables.column(self.table_of(source.entity), column)
        features = next(spec for modality, spec in entity.features.items() if modality == source.modality)
        links = self.tables.allow_links
        return read_vectors(self.root, features, ids, self.report, links)

    def report(self, problem: Problem) -> None:
        """Tell whoever reads the dataset of a problem."""
        if problem.stops:
            self._reported.add((problem.file, problem.column))
        self._report(problem)

    # -- samples ----------------------------------------------------------------------------------

    def _cells(self, kind: str, column: str, bad: np.ndarray, what: str, fix: str) -> None:
        """Report the cells of the samples table where `bad` (N,) holds; ``{}`` in `what` is the first."""
        table = self.schema.samples.table
        first = self.tables.column(table, column).iloc[int(np.flatnonzero(bad)[0])]
        shown = "is empty" if pd.isna(first) else repr(str(first))
        self.report(Problem(kind, what.format(shown), fix, table, column, rows_where(bad)))

    def _ids(self) -> pd.Series:
        spec = self.schema.samples
        ids = self.tables.column(spec.table, spec.id)
        if (empty := ids.isna().to_numpy()).any():
            self._cells("empty-id", spec.id, empty, "the sample id {}", "give every sample an id")
        if (repeated := (ids.duplicated() & ids.notna()).to_numpy()).any():
            fix = "ids must be unique"
            self._cells("repeated-id", spec.id, repeated, "the sample id {} repeats an earlier row", fix)
        return ids

    def _groups(self) -> np.ndarray | None:
        spec = self.schema.samples
        if spec.group is None:
            return None
        labels = self.tables.column(spec.table, spec.group)
        # a sample without a label is a group of its own
        own = pd.Series([f"\0{i}" for i in self.ids], index=labels.index, dtype="string")
        return np.asarray(labels.fillna(own), dtype=str)

    def _official(self) -> np.ndarray | None:
        spec = self.schema.samples
        if spec.split is None:
            return None
        labels = np.asarray(self.tables.column(spec.table, spec.split).fillna(""), dtype=str)
        wrong = ~np.isin(labels, OFFICIAL)
        if wrong.any():
            fix = f"write one of {', '.join(OFFICIAL)}"
            self._cells("unknown-split", spec.split, wrong, "the split {} is unknown", fix)
        return labels

    # -- entities ---------------------------------------------------------------------------------

    def _items(self, name: str) -> Ragged:
        """The rows of the entity's table that every sample has."""
        entity, spec = self.schema.entities[name], self.schema.samples
        if entity.table is None:
            return Ragged.from_lengths(np.arange(len(self)), np.ones(len(self), dtype=np.int64))
        known = self.tables.column(entity.table, entity.id)
        repeated = (known.duplicated() & known.notna()).to_numpy()
        if repeated.any():
            what = f"the id {known[repeated].iloc[0]!r} repeats an earlier row"
            where = entity.table, entity.id, rows_where(repeated)
            self.report(Problem("repeated-id", what, "ids must be unique", *where))
        key = self.schema.key(name)
        entries = self.tables.keys(spec.table, key, many=entity.many)
        row = pd.Index(known[~known.duplicated()]).get_indexer(pd.Index(entries))
        # of a table without ids something else has been reported
        if (dangling := row < 0).any() and known.notna().any():
            what = f"{entries.iloc[int(np.flatnonzero(dangling)[0])]!r} is not in {entity.table}"
            rows = tuple(dict.fromkeys((entries.index[dangling] + 2).tolist()))
            fix = "add that row or empty the cell"
            self.report(Problem("dangling-key", what, fix, spec.table, key, rows))
        position = np.flatnonzero(~known.duplicated())[row[~dangling]]
        return Ragged.from_lengths(position, np.bincount(entries.index[~dangling], minlength=len(self)))

    def _read_numeric(self, source: Source) -> np.ndarray:
        entity, file = self.schema.entities[source.entity], self.table_of(source.entity)
        columns = []
        for column in entity.columns("numeric"):
            log = column in entity.log
            numbers = self.tables.numbers(file, column, positive=log)
            columns.append(np.log1p(numbers) if log else numbers)
        return np.stack(columns, axis=1).astype(np.float32)

    def _read_raw(self, source: Source) -> RawTokens:
        entity, file = self.schema.entities[source.entity], self.table_of(source.entity)
        parts = []
        for slot, column in enumerate(entity.columns(source.modality)):
            if source.modality == "text":
                entries = self.tables.keys(file, column, many=False)
            else:
                entries = self._paths(file, column)
            parts.append(pd.DataFrame({"row": entries.index, "slot": slot, "item": entries.array}))
        tokens = pd.concat(parts).sort_values(["row", "slot"], kind="stable")
        position, items = pd.factorize(tokens["item"])
        if source.modality != "text":
            items = [self.root / name for name in items]
        return RawTokens(
            Ragged.from_lengths(position, np.bincount(tokens["row"], minlength=self.rows(source.entity))),
            tokens["slot"].to_numpy(dtype=np.int64),
            list(items),
        )

    def _refuse_empty(self, source: Source) -> None:
        """Report a source of which no sample has a value: no method can be trained on nothing."""
        entity, file = self.schema.entities[source.entity], self.table_of(source.entity)
        numeric = source.modality == "numeric"
        filled = (
            np.isfinite(self.numeric(source)).any(1)
            if numeric
            else np.diff(self.raw(source).rows.offsets) > 0
        )
        reached = np.unique(self.items[source.entity].values)
        if filled[reached].any() or not len(filled):
            return
        fix = "fill it, or take it out of the description"
        cells = [(file, c, reached) for c in entity.columns(source.modality)]
        if entity.table and not len(reached):
            everyone = np.arange(len(self))
            cells = [(self.schema.samples.table, self.schema.key(source.entity), everyone)]
        for file, column, rows in cells:
            if (file, column) in self._reported:
                continue
            if "{" in column:
                self.report(Problem("missing-file", "no file fits the pattern", fix, file, column))
            elif (
                column in self.tables.table(file) and self.tables.column(file, column).iloc[rows].isna().all()
            ):
                # cells that are filled, but wrongly, have been reported
                self.report(Problem("empty-column", "every cell is empty", fix, file, column))

    def _paths(self, file: str, column: str) -> pd.Series:
        """The relative paths that a media column or path pattern names, indexed by row."""
        if "{" in column:
            entries = paths_of(self.tables, file, column)
        else:
            entries = self.tables.keys(file, column, many=True)
        refused = {name: self._refused(name) for name in entries.unique()}
        for fault in dict.fromkeys(filter(None, refused.values())):
            kind, what, fix = fault
            bad = entries.map(lambda name, fault=fault: refused[name] == fault).to_numpy(dtype=bool)
            rows = tuple(dict.fromkeys((entries.index[bad] + 2).tolist()))
            what = f"the path {entries[bad].iloc[0][:80]!r} {what}"
            self.report(Problem(kind, what, fix, file, column, rows))
        good = entries.map(lambda name: refused[name] is None).to_numpy(dtype=bool)
        return entries[good].astype("string")

    def _refused(self, name: str) -> Fault | None:
        """Why a media file of this path is never looked for."""
        if not name.isascii() and name.encode(errors="replace").decode() != name:
            return "unusable-path", "is not UTF-8", "rename the file"
        if not nameable(name):
            return "unusable-path", "cannot be the name of a file", "correct the cell"
        # links are followed, so that nothing outside the folder is ever read
        outside = Path(name).is_absolute() or not reachable(self.root, name, self.tables.allow_links)
        return LEAVES if outside else None


def read_dataset(folder: Path, *, allow_links: tuple[Path, ...] = ()) -> Dataset:
    """Read a folder with a `dataset.toml`; its links may lead out of it into the folders `allow_links`."""
    return Dataset(folder, read_schema(folder / "dataset.toml", allow_links), allow_links=allow_links)
