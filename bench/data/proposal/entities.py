"""The entities of a proposal: columns by modality, linked tables, path patterns and features put together."""

from __future__ import annotations

import re

from bench.data.arrays import Header
from bench.data.names import entity_name, is_engagement, is_key, modality_named, subject
from bench.data.proposal.patterns import Pattern
from bench.data.proposal.sections import Section
from bench.data.proposal.survey import Survey
from bench.data.schema import MODALITIES

AFTERWARDS = "what people do as well, known only afterwards"
LOOKED_AT = 3
"""Videos that are opened to see whether they have sound."""
NOT_ROWS = "not floats (rows, D) or (rows, L, D) of a table; Python objects are never loaded"


def draft_entities(
    found: Survey, name: str, samples: str, target: str, patterns: list[Pattern]
) -> dict[str, Section]:
    """That of the samples' own columns and files, those of linked tables, one for each of several views."""
    entities: dict[str, Section] = {}
    links = [link for link in found.links[samples] if (samples, link[0]) not in found.refused]
    patterns = [pattern for pattern in patterns if (pattern.table, pattern.path) not in found.refused]

    def new(name: str, table: str) -> Section:
        name = re.sub(r"\W+", "_", name).strip("_") or "sample"
        while name in entities:
            name += "_2"
        return entities.setdefault(name, Section(table=table))

    taken = {column: f"names rows of {other}" for column, other in links}
    taken |= {found.ids[samples]: "the id", target: "the target"}
    if is_engagement(target):
        numbers = found.of_kind(samples, "numeric")
        taken |= {column: AFTERWARDS for column in numbers if column != target and is_engagement(column)}
    mine = [pattern for pattern in patterns if pattern.table == samples]
    views = [p for p in mine if len({q.view for q in mine if q.modality == p.modality}) > 1]
    others = [pattern for pattern in patterns if pattern not in views]
    _fill(new(entity_name(name), samples), found, taken, others)
    for column, other in links:
        # two columns that refer to one table are two entities: home_team_id, away_team_id
        several = [table for _, table in links].count(other) > 1
        entity = new(subject(column) if several else entity_name(other), other)
        entity.fields = {"table": other, "key": column, "id": found.ids[other]}
        entity.fields |= {"many": True} if found.is_list(samples, column) else {}
        entity.remarks.append(f"the cells of {column!r} are ids of {other}")
        _fill(entity, found, {found.ids[other]: "the id"}, others)
    shown: dict[str, Section] = {}
    for pattern in views:
        entity = shown[pattern.view] = shown.get(pattern.view) or new(pattern.view, samples)
        entity.add(pattern.modality, pattern.path, pattern.remark)
    return entities


def _fill(entity: Section, found: Survey, taken: dict[str, str], patterns: list[Pattern]) -> None:
    """Give an entity the files of its table, and the columns by modality but for those that are taken."""
    table, uses = entity.table, found.kinds[entity.table] | taken
    left_out = [f"{c} ({why})" for c, why in uses.items() if why not in (*MODALITIES, "vectors")]
    entity.remarks += [f"left out: {', '.join(left_out)}"] if left_out else []
    for column, modality in uses.items():
        path = found.path(table, column)
        if modality in MODALITIES and (table, path) not in found.refused:
            entity.add(modality, path)
            if modality == "numeric" and found.long_tailed(table, column):
                entity.add("log", column)
    for pattern in patterns:
        if pattern.table == table:
            entity.add(pattern.modality, pattern.path, pattern.remark)


def add_features(entities: dict[str, Section], found: Survey) -> list[str]:
    """Give arrays to the entity whose rows they seem to follow; remarks on those that are not used."""
    tables: dict[str, Section] = {}
    for entity in entities.values():
        tables.setdefault(entity.table, entity)
    remarks = []
    for table, entity in tables.items():
        for column in found.of_kind(table, "vectors"):
            remarks += _add(entity, found, f"column {column!r} of {table}", {"file": table, "array": column})
    for file, arrays in found.arrays.items():
        for array in arrays:
            what = f"{array.name!r} of {file}" if array.name else file
            what += f", {' x '.join(map(str, array.shape))} {array.dtype}"
            ways = {t: way for t in tables if (way := _way(array, arrays, len(found.frames[t])))}
            # keys may name some rows of any table, and mostly name each of their own
            best = min(ways, key=lambda t: len(found.frames[t]) != array.shape[0], default="")
            fields = {"file": file} | ways.get(best, {})
            remarks += _add(tables[best], found, what, fields) if best else [f"{what}: {NOT_ROWS}"]
    return remarks


def _way(array: Header, arrays: list[Header], rows: int) -> dict[str, str]:
    """How an array follows rows, as its shape says: with keys, offsets or in order; {} for not at all."""
    own = {"array": array.name}
    if array.dtype.kind != "f" or len(array.shape) not in (2, 3):
        return {}
    for other in arrays:
        whole = other.dtype.kind in "iu"
        if other.shape == array.shape[:1] and (other.dtype.kind == "U" or (whole and is_key(other.name))):
            return own | {"key": other.name}
        if other.shape == (rows + 1,) and whole:
            return own | {"offsets": other.name}
    return own if array.shape[0] == rows else {}


def _add(entity: Section, found: Survey, what: str, fields: dict[str, str]) -> list[str]:
    """Add an array to the modality that its names tell; else a remark."""
    features = entity.fields.get("features", {})
    modality = modality_named(fields["array"], fields["file"])
    if (fields["file"], fields["array"]) in found.refused:
        return []
    if not modality or modality in features:
        return [f"{what} follows the rows of {entity.table}: as features of which modality? It has {fields}"]
    # an .npy has no names
    entity.fields["features"] = features | {modality: {k: v for k, v in fields.items() if v}}
    if columns := entity.fields.pop(modality, None):
        entity.remarks.append(f"features take the place of {modality} = {columns}; keep one of the two")
    return []


def add_tracks(entities: dict[str, Section], found: Survey) -> bool:
    """Give entities with videos their sound, where no sound lies in the folder by itself; whether any has."""
    videos = [path for path, modality in sorted(found.media.items()) if modality == "video"][:LOOKED_AT]
    if "audio" in found.media.values() or not videos:
        return False
    from bench.data.checks.media import undecodable  # loads torch

    sounds = [("audio", found.root / path) for path in videos]
    if len(undecodable(sounds, jobs=1, executor="inline", progress=lambda *done: None)) == len(videos):
        return False
    for entity in entities.values():
        for path in entity.fields.get("video", []):
            entity.add("audio", path, f"audio: {path} has sound")
    return True
