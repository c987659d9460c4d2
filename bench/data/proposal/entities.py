"""The entities of a proposal: columns by modality, linked tables, path patterns and features put together."""

from __future__ import annotations

import re

from bench.data.arrays import Header, headers
from bench.data.names import entity_name, is_key, modality_named, subject
from bench.data.proposal.patterns import Pattern
from bench.data.proposal.samples import Link, long_tailed
from bench.data.proposal.sections import Section
from bench.data.proposal.survey import Survey
from bench.data.schema import MODALITIES
from bench.data.untrusted import Unreadable
from bench.errors import DataError, printable

LONG_TAIL = 10.0
"""Largest over smallest positive value from which a skewed number is taken as log(1 + x)."""


def draft_entities(
    found: Survey, name: str, samples: str, taken: dict[str, str], links: list[Link], patterns: list[Pattern]
) -> dict[str, Section]:
    """That of the samples' columns that are not taken, those of linked tables, one for every view."""
    entities: dict[str, Section] = {}

    def new(name: str, table: str) -> Section:
        name = re.sub(r"\W+", "_", name).strip("_") or "sample"
        while name in entities:
            name += "_2"
        return entities.setdefault(name, Section(table))

    own = new(entity_name(name), samples)
    _fill(own, found, taken)
    for _, column, other in links:
        # two columns that refer to one table are two entities: home_team_id, away_team_id
        several = sum(link.other == other for link in links) > 1
        entity = new(subject(column) if several else entity_name(other), other)
        entity.fields = {"table": other, "key": column, "id": found.ids[other]}
        entity.fields |= {"many": True} if found.is_list(samples, column) else {}
        entity.remarks.append(f"the cells of {column!r} are ids of {other}")
        _fill(entity, found, {found.ids[other]: "the id"})
        for pattern in patterns:
            if pattern.table == other:
                entity.add(pattern.modality, pattern.path, pattern.remark)
    mine = [pattern for pattern in patterns if pattern.table == samples]
    views: dict[str, Section] = {}
    for pattern in mine:
        single = len({p.view for p in mine if p.modality == pattern.modality}) == 1
        if not single and pattern.view not in views:
            views[pattern.view] = new(pattern.view, samples)
        (own if single else views[pattern.view]).add(pattern.modality, pattern.path, pattern.remark)
    return entities


def _fill(entity: Section, found: Survey, taken: dict[str, str]) -> None:
    """Sort the columns of a table by modality, but for those that are taken for something else."""
    left_out = [f"{name} ({what})" for name, what in taken.items()]
    for column, kind in found.kinds[entity.table].items():
        if column in taken or kind == "vectors":
            continue
        if kind not in MODALITIES:
            left_out.append(f"{column} ({kind})")
            continue
        entity.add(kind, found.path(entity.table, column))
        if kind == "numeric" and long_tailed(found.tables.numbers(entity.table, column), LONG_TAIL):
            entity.add("log", column)
    entity.remarks += [f"left out: {', '.join(left_out)}"] if left_out else []


def add_features(entities: dict[str, Section], found: Survey) -> list[str]:
    """Give arrays to the entity whose rows they seem to follow; remarks on those that are not used.

    Raises DataError for a damaged file; no Python object is ever loaded.
    """
    tables = {entity.table: entity for entity in reversed(entities.values())}
    lists = [(table, column) for table in tables for column in found.of_kind(table, "vectors")]
    remarks = [_add(tables[t], f"column {c!r} of {t}", {"file": t, "array": c}) for t, c in lists]
    for file in found.arrays:
        try:
            arrays = headers(found.root / file)
        except Unreadable as error:
            fix = "save the arrays again, or take it out"
            raise DataError(printable(f"{found.root / file} cannot be read ({error}); {fix}.")) from None
        for array in arrays:
            shape = f"{' x '.join(map(str, array.shape))} {array.dtype}"
            what = f"{array.name!r} of {file}, {shape}" if array.name else f"{file}, {shape}"
            fields = {"file": file, "array": array.name} if array.name else {"file": file}
            ways = {table: _way(array, arrays, len(found.frames[table])) for table in reversed(tables)}
            fits = [table for table, way in ways.items() if way is not None]
            # keys may name some rows of any table, and mostly name each of their own
            for table in sorted(fits, key=lambda t: len(found.frames[t]) != array.shape[0])[:1]:
                remarks.append(_add(tables[table], what, fields | (ways[table] or {})))
            if not fits:
                why = "not floats (rows, D) or (rows, L, D) of a table; Python objects are never loaded"
                remarks.append(f"{what}: {why}")
    return [remark for remark in remarks if remark]


def _way(array: Header, arrays: list[Header], rows: int) -> dict[str, str] | None:
    """How an array follows rows, as its shape says: with keys, offsets or in order; None for not at all."""
    if array.dtype.kind != "f" or len(array.shape) not in (2, 3):
        return None
    for other in arrays:
        whole = other.dtype.kind in "iu"
        if other.shape == array.shape[:1] and (other.dtype.kind == "U" or (whole and is_key(other.name))):
            return {"key": other.name}
        if other.shape == (rows + 1,) and whole:
            return {"offsets": other.name}
    return {} if array.shape[0] == rows else None


def _add(entity: Section, what: str, fields: dict[str, str]) -> str:
    """Add an array to the modality that its names tell; else a remark."""
    features = entity.fields.get("features", {})
    modality = modality_named(fields.get("array", ""), fields["file"])
    if not modality or modality in features:
        return f"{what} follows the rows of {entity.table}: as features of which modality? It has {fields}"
    entity.fields["features"] = features | {modality: fields}
    if columns := entity.fields.pop(modality, None):
        entity.remarks.append(f"features take the place of {modality} = {columns}; keep one of the two")
    return ""
