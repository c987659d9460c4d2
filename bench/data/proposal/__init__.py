"""A first `dataset.toml` for a folder: what its tables and files look like, every guess with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

from bench.data.dataset import Dataset
from bench.data.problems import some
from bench.data.proposal.arrays import find_features
from bench.data.proposal.columns import Column, Table, read_columns, referenced
from bench.data.proposal.entities import Draft, add_features, draft_entities, leave_out
from bench.data.proposal.links import Link, find_id, find_links
from bench.data.proposal.paths import find_patterns
from bench.data.proposal.samples import (
    Target,
    choose_samples,
    choose_split,
    choose_target,
    choose_time,
    giveaways,
    groups,
    sample_id,
)
from bench.data.proposal.survey import Survey, survey
from bench.data.proposal.writing import comment, pair, write_entity, write_samples, write_target
from bench.data.schema import MEDIA, Schema
from bench.data.suspects import suspects
from bench.errors import DataError, printable

HEAD = "Proposed by `bench data init` from what lies here. Every guess says why: check it and change it."


def propose(folder: Path, allow_links: tuple[Path, ...] = ()) -> str:
    """The text of a `dataset.toml` for a folder of tables and media; every guess has a comment.

    Args:
        folder: what to describe.
        allow_links: folders outside that links in the folder may lead to; other links are not followed.

    Raises:
        DataError: there is no table, no id or nothing to predict; several tables could be the samples;
            a file cannot be read.
    """
    found = survey(folder, allow_links)
    tables = [read_columns(file, found) for file in found.frames]
    links = find_links(tables)
    samples, why_samples = choose_samples(tables, links, folder)
    id_column, why_id = sample_id(samples, folder)
    target = choose_target(samples)
    split, split_remarks = choose_split(samples)
    time, time_remarks = choose_time(samples, found)
    fields = {
        "table": (samples.file, why_samples),
        "id": (id_column.name, why_id),
        "split": (split, "says train, validation or test in every row; the official split"),
        "time": (time, "a date or time in every row, for `--split time`"),
    }
    own_links = [x for x in links if x.table is samples]
    name = printable(folder.resolve().name) or "dataset"
    drafts, remarks = _entities(name, found, samples, _used(samples, id_column, target, own_links), own_links)
    remarks = [*found.notes, *_unlinked(tables, samples, links), *remarks]
    group_columns = groups(samples, id_column.name)

    def written() -> str:
        sections = [
            [comment(HEAD), pair("name", name), pair("description", "")],
            write_target(target),
            write_samples(fields, group_columns, split_remarks + time_remarks),
            *(write_entity(draft) for draft in drafts),
            [comment(f"not used: {remark}") for remark in remarks],
        ]
        return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"

    if drafts:  # what `bench data check` would warn of is not proposed
        schema = Schema.model_validate(tomllib.loads(written()))
        read = Dataset(folder, schema, found.frames, lambda problem: None, allow_links=allow_links)
        leave_out(drafts, suspects(read))
        remarks += [f"{d.table.file}: {'; '.join(d.remarks)}" for d in drafts if d.empty]
        drafts = [draft for draft in drafts if not draft.empty]
    if not drafts:
        raise DataError(
            f"{folder / samples.file} has nothing to predict {target.column} from; "
            f"add columns, or media files named by {id_column.name}."
        )
    return written()


def _used(samples: Table, id_column: Column, target: Target, links: list[Link]) -> dict[str, str]:
    """The samples' columns that are not learned from, with what they are."""
    used = {} if id_column.kind in MEDIA else {id_column.name: "the id"}
    used[target.column] = "the target"
    used |= {x.column: f"names rows of {x.other.file}" for x in links if x.column not in used}
    leaked = "rises or falls with the target without exception: made from it?"
    return used | dict.fromkeys(sorted(giveaways(samples, target.column)), leaked)


def _entities(
    name: str, found: Survey, samples: Table, used: dict[str, str], links: list[Link]
) -> tuple[list[Draft], list[str]]:
    """The entities that have attributes, and remarks on what is in none."""
    sound = [x for x in links if not x.unknown]
    tables = list({t.file: t for t in (samples, *(x.other for x in sound))}.values())
    media = sorted(found.media.keys() - referenced(tables))
    patterns = find_patterns(tables, media)
    drafts = draft_entities(name, samples, used, sound, patterns)
    ids = [(table, column.name) for table in tables if (column := find_id(table))]
    remarks = add_features(drafts, find_features(found, ids))
    for draft in drafts:
        if draft.empty:
            remarks.append(f"{draft.table.file}: no column to learn from; {'; '.join(draft.remarks)}")
    if not patterns and media:
        remarks.append(f"{len(media)} media files that no cell and no id names: {some(media)}")
    return [draft for draft in drafts if not draft.empty], remarks


def _unlinked(tables: list[Table], samples: Table, links: list[Link]) -> list[str]:
    """Why a table is no entity, and how it could become one."""
    remarks = []
    for table in tables:
        here = [x for x in links if x.table is samples and x.other is table]
        if table is samples or any(not x.unknown for x in here):
            continue
        back = next((x for x in links if x.table is table and x.other is samples), None)
        if here:
            missing = f"{here[0].column} of {samples.file} names {some(here[0].unknown)}, which it lacks"
            remarks.append(f"{table.file}: {missing}; add these rows, or empty the cells")
        elif back:
            remarks.append(
                f"{table.file}: it refers to the samples by {back.column}; give it an id, "
                f"and {samples.file} a column with the ids of its rows, separated by |"
            )
        elif find_id(table) is None:
            remarks.append(f"{table.file}: no column names every row once; add an id to refer to it by")
        else:
            remarks.append(
                f"{table.file}: no column of {samples.file} has ids of its rows and a name like it"
            )
    return remarks
