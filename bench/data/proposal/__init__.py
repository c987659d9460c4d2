"""A first `dataset.toml` for a folder: what its tables and files look like, every guess with its reason."""

from __future__ import annotations

from pathlib import Path

from bench.data.checks import examine
from bench.data.problems import some
from bench.data.proposal.entities import add_features, draft_entities
from bench.data.proposal.patterns import find_patterns
from bench.data.proposal.samples import Link, choose_samples, choose_target, find_links
from bench.data.proposal.sections import Section, write
from bench.data.proposal.survey import Survey
from bench.data.schema import Schema
from bench.errors import DataError, printable

HEAD = "Proposed by `bench data init` from what lies here. Every guess says why: check it and change it."


def propose(folder: Path, allow_links: tuple[Path, ...] = ()) -> str:
    """The text of a `dataset.toml` for a folder of tables and media; every guess has a comment.

    What `bench data check` finds to be of no use is left out again, until it is content.

    Args:
        folder: what to describe.
        allow_links: folders outside that links in the folder may lead to; other links are not followed.

    Raises:
        DataError: there is no table, no id or nothing to predict; several tables could be the samples;
            a file cannot be read.
    """
    found = Survey(folder, allow_links)
    links = find_links(found)
    samples = choose_samples(found, links)
    table = samples.table
    target = choose_target(found, table)
    name = printable(folder.resolve().name) or "dataset"
    head = Section(table, {"name": name, "description": ""}, [HEAD, *found.remarks])
    head.remarks += _unlinked(found, table, links)
    own = [link for link in links if link.table == table]
    known = list(dict.fromkeys([table, *(link.other for link in own)]))
    loose = found.media.keys() - {file for table in known for file in found.named(table)}
    patterns = find_patterns(found, known, loose)
    if lost := sorted(loose.difference(*(pattern.files for pattern in patterns))):
        head.remarks.append(f"{len(lost)} media files that no cell and no id names: {some(lost)}")
    taken = {link.column: f"names rows of {link.other}" for link in own}
    taken |= {samples.fields["id"]: "the id", target.fields["column"]: "the target"}
    entities = draft_entities(found, name, table, taken, own, patterns)
    head.remarks += add_features(entities, found)
    while True:
        for key in [key for key, entity in entities.items() if not entity.learns]:
            head.remarks += entities.pop(key).remarks
        if not entities:
            what = f"{folder / table} has nothing to predict {target.fields['column']} from"
            fix = f"add columns, or media files named by {samples.fields['id']}"
            raise DataError(printable(f"{what}; {fix}."))
        sections = {"target": target.fields, "samples": samples.fields}
        fields = {key: entity.fields for key, entity in entities.items()}
        schema = Schema.model_validate(head.fields | sections | {"entities": fields})
        problems = examine(folder, schema, found.frames, allow_links=allow_links)
        useless = [
            p
            for p in problems
            if p.stops or not p.rows or 2 * len(p.rows) > len(found.frames.get(p.file, ()))
        ]
        if not any([s.leave_out(p, table) for p in useless for s in (samples, *entities.values())]):
            return write(head, target, samples, entities)


def _unlinked(found: Survey, samples: str, links: list[Link]) -> list[str]:
    """Why a table is no entity, and how it could become one."""
    remarks = []
    linked = {link.other for link in links if link.table == samples}
    for table in sorted(found.frames.keys() - linked - {samples}):
        back = [link.column for link in links if (link.table, link.other) == (table, samples)]
        why = f"it refers to the samples by {back[0]}" if back else "no column of the samples has its ids"
        fix = f"give it an id, and {samples} a column with ids of its rows, separated by |"
        remarks.append(f"{table}: {why}; {fix}")
    return remarks
