"""The entities of a proposal: columns by modality, linked tables, path patterns and features put together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from bench.data.names import entity_name, subject
from bench.data.proposal.arrays import Found
from bench.data.proposal.columns import Column, Table
from bench.data.proposal.links import Link
from bench.data.proposal.paths import Pattern
from bench.data.proposal.samples import skewness
from bench.data.schema import MODALITIES, Features
from bench.data.suspects import Suspect

LONG_TAIL = 10.0
"""Largest over smallest positive value from which a skewed number is taken as log(1 + x)."""


@dataclass
class Draft:
    """An entity as it is proposed.

    Attributes:
        name: of the entity.
        table: whose rows it has.
        link: how samples refer to it; None if they are its rows.
        columns: modality -> columns and path patterns.
        log: numeric columns to be taken as log(1 + x).
        features: modality -> precomputed features.
        remarks: what to say about it, one line each.
    """

    name: str
    table: Table
    link: Link | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    features: dict[str, Features] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether it has no attributes."""
        return not self.columns and not self.features


def draft_entities(
    name: str, samples: Table, used: dict[str, str], links: list[Link], patterns: list[Pattern]
) -> list[Draft]:
    """The entity of the samples' own columns, those of linked tables, and one per view of the samples.

    Args:
        name: of the dataset.
        samples: the table of samples.
        used: columns of it that are taken for something else -> for what.
        links: from the samples to other tables.
        patterns: media files named by ids.
    """
    own = Draft(entity_name(name) or "sample", samples)
    _fill(own, used)
    drafts = [own]
    per_table = [x.other.file for x in links]
    for link in links:
        # two columns that refer to one table are two entities: home_team_id, away_team_id
        several = per_table.count(link.other.file) > 1
        draft = Draft(subject(link.column) if several else entity_name(link.other.file), link.other, link)
        _fill(draft, {link.id: "the id"})
        drafts.append(draft)
    for draft in drafts[1:]:
        for pattern in patterns:
            if pattern.table == draft.table.file:
                _add(draft, pattern)
    _own_views(own, drafts, [p for p in patterns if p.table == samples.file])
    taken: set[str] = set()
    for draft in drafts:
        draft.name = _free(draft.name, taken)
        taken.add(draft.name)
    return drafts


def _fill(draft: Draft, used: dict[str, str]) -> None:
    """Sort the columns of its table by modality; say which are left out."""
    left_out = [f"{name} ({why})" for name, why in used.items()]
    for column in draft.table.columns.values():
        modality = "numeric" if column.kind == "number" else column.kind
        if column.name in used or column.kind == "vectors":
            continue
        if modality not in MODALITIES:
            left_out.append(f"{column.name} ({column.why or 'a ' + column.kind})")
            continue
        draft.columns.setdefault(modality, []).append(column.path or column.name)
        if column.why:
            draft.remarks.append(f"{column.name}: {column.why}")
        if column.numbers is not None and _long_tailed(column):
            draft.log.append(column.name)
    if left_out:
        draft.remarks.append(f"left out: {', '.join(left_out)}")


def _long_tailed(column: Column) -> bool:
    values = column.numbers[np.isfinite(column.numbers)] if column.numbers is not None else np.zeros(0)
    positive = values[values > 0]
    if len(positive) == 0 or values.min() < 0:
        return False
    return skewness(values) > 1 and positive.max() >= LONG_TAIL * positive.min()


def _own_views(own: Draft, drafts: list[Draft], patterns: list[Pattern]) -> None:
    """One view of a modality belongs to the samples' own entity; several are an entity each."""
    for pattern in patterns:
        labels = {_view(p) for p in patterns if p.modality == pattern.modality}
        if len(labels) == 1:
            _add(own, pattern)
            continue
        view = next((d for d in drafts[1:] if d.link is None and d.name == _view(pattern)), None)
        if view is None:
            drafts.append(view := Draft(_view(pattern), own.table))
        _add(view, pattern)


def _view(pattern: Pattern) -> str:
    folder = PurePosixPath(pattern.path.split("{")[0] + "x").parent.name
    return pattern.label or entity_name(folder)


def _add(draft: Draft, pattern: Pattern) -> None:
    draft.columns.setdefault(pattern.modality, []).append(pattern.path)
    draft.remarks.append(f"guessed: {pattern.path} is there for {pattern.rows} of {pattern.known} values")


def add_features(drafts: list[Draft], found: list[Found]) -> list[str]:
    """Give entities the features that follow their rows; returns remarks on those that are not used."""
    remarks = []
    for item in found:
        draft = next((d for d in drafts if d.table.file == item.table), None)
        if item.features is None or draft is None:
            remarks.append(f"{item.what}: {item.why_not}")
        elif not item.modality:
            remarks.append(
                f"{item.what} follows the rows of {item.table}, but its name tells no modality; "
                f"add it as [entities.{draft.name}.features.text] (or image, video, audio) with "
                + ", ".join(
                    f'{key} = "{value}"' for key, value in item.features.model_dump(exclude_none=True).items()
                )
            )
        elif item.modality in draft.features:
            remarks.append(f"{item.what}: {draft.name} has features for {item.modality} already")
        else:
            draft.features[item.modality] = item.features
            if columns := draft.columns.pop(item.modality, []):
                draft.remarks.append(
                    f"features take the place of {item.modality} = {columns}; keep one of the two"
                )
    return remarks


def leave_out(drafts: list[Draft], found: list[Suspect]) -> None:
    """Take inputs out that tell the target by themselves or look like another, and say why."""
    by_name = {draft.name: draft for draft in drafts}
    for source, problem in found:
        draft, modality = by_name[source.entity], source.modality
        if modality in draft.features:
            del draft.features[modality]
        else:
            draft.columns[modality].remove(problem.column)
            if not draft.columns[modality]:
                del draft.columns[modality]
            draft.log = [column for column in draft.log if column != problem.column]
        name = problem.column or problem.file
        draft.remarks.append(f"left out: {name} ({problem.what}); put it in if it is known before the target")


def _free(name: str, taken: set[str]) -> str:
    """A name for an entity that no other has."""
    name = re.sub(r"\W+", "_", name).strip("_") or "sample"
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if n not in taken)
