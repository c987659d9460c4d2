"""A first `dataset.toml` for a folder: what its tables and files look like, every guess with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

import tomlkit

from bench.data.checks import examine
from bench.data.names import is_engagement
from bench.data.problems import some
from bench.data.proposal.entities import add_features, add_tracks, draft_entities
from bench.data.proposal.patterns import find_patterns
from bench.data.proposal.sections import Section, choose_samples, choose_target
from bench.data.proposal.survey import Survey
from bench.data.schema import MODALITIES, Schema
from bench.errors import DataError, printable

HEAD = "Proposed by `bench data init` from what lies here. Every guess says why: check it and change it."

SYNCHRONOUS = {"video": "flow", "audio": "music"}
WHY = "posts with videos and their sound: sequences on one clock, motion and music beside each other"


def propose(folder: Path, allow_links: tuple[Path, ...] = ()) -> str:
    """The text of a `dataset.toml` for a folder of tables and media; every guess has a comment.

    What `bench data check` finds to be of no use is refused, and all is drafted anew, until it is content.

    Args:
        folder: what to describe.
        allow_links: folders outside that links in the folder may lead to; other links are not followed.

    Raises:
        DataError: there is no table, no id or nothing to predict; several tables could be the samples;
            a file cannot be read.
    """
    found, examined = Survey(folder, allow_links), None
    while True:
        text = _draft(found)
        schema = Schema.model_validate(tomllib.loads(text))
        if schema == examined:
            return text
        for p in examine(folder, schema, found.frames, allow_links=allow_links):
            mostly = not p.rows or 2 * len(p.rows) > len(found.frames.get(p.file, ()))
            if (p.stops or mostly) and (p.column or p.file in found.arrays):
                found.refused[p.file, p.column] = f"left out: {p}"
        examined = schema


def _draft(found: Survey) -> str:
    """A description without what is refused."""
    samples = choose_samples(found)
    table = samples.fields["table"]
    target = choose_target(found, table)
    name = printable(found.root.resolve().name) or "dataset"
    head = Section({"name": name, "description": ""}, [HEAD, *found.refused.values()])
    known = list(dict.fromkeys([table, *(other for _, other in found.links[table])]))
    for other in sorted(found.frames.keys() - known):
        back = [column for column, to in found.links[other] if to == table]
        why = f"it refers to the samples by {back[0]}" if back else "no column of the samples has its ids"
        fix = f"give it an id, and {table} a column with ids of its rows, separated by |"
        head.remarks.append(f"{other}: {why}; {fix}")
    loose = found.media.keys() - {file for other in known for file in found.named(other)}
    patterns = find_patterns(found, known, loose)
    if lost := sorted(loose.difference(*(pattern.files for pattern in patterns))):
        head.remarks.append(f"{len(lost)} media files that no cell and no id names: {some(lost)}")
    entities = draft_entities(found, name, table, target.fields["column"], patterns)
    head.remarks += add_features(entities, found)
    heard = add_tracks(entities, found)
    tables = tomlkit.table(is_super_table=True)
    for key, entity in entities.items():
        if entity.fields.keys().isdisjoint((*MODALITIES, "features")):
            head.remarks += entity.remarks
        else:
            tables[key] = entity.toml()
    if not tables:
        what = f"{found.root / table} has nothing to predict {target.fields['column']} from"
        fix = f"add columns, or media files named by {samples.fields['id']}"
        raise DataError(printable(f"{what}; {fix}."))
    text = head.toml()
    text.update({"target": target.toml(), "samples": samples.toml()})
    if heard and is_engagement(target.fields["column"]):
        text["encoders"] = Section(SYNCHRONOUS, [WHY]).toml()
    text["entities"] = tables
    return text.as_string()
