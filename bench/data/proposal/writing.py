"""The text of a proposal: TOML with a comment above every guess."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping

from bench.data.problems import some
from bench.data.proposal.entities import Draft
from bench.data.proposal.samples import Target
from bench.data.schema import MODALITIES
from bench.errors import printable

WIDTH = 100


def comment(text: str) -> str:
    """Lines of a TOML comment; what stands in data never ends one early."""
    return "\n".join(textwrap.wrap(printable(text), WIDTH, initial_indent="# ", subsequent_indent="#   "))


def string(text: str) -> str:
    """A TOML string; JSON's are, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def pair(key: str, value: str | bool | Iterable[str]) -> str:
    """One ``key = value`` line."""
    if isinstance(value, bool):
        return f"{key} = {str(value).lower()}"
    if isinstance(value, str):
        return f"{key} = {string(value)}"
    return f"{key} = [{', '.join(map(string, value))}]"


def header(*parts: str) -> str:
    """``[entities.house]``, quoted where TOML wants it."""
    return f"[{'.'.join(p if re.fullmatch('[A-Za-z0-9_-]+', p) else string(p) for p in parts)}]"


def write_target(target: Target) -> list[str]:
    """The section [target]."""
    others = f"; others: {some(target.others)}" if target.others else ""
    lines = ["[target]", comment(f"guessed: {target.why}; change it if it is another{others}")]
    lines += [pair("column", target.column)]
    lines += [comment(f"guessed: {target.why_transform}; one of log10, log1p, none")]
    lines += [pair("transform", target.transform)]
    if target.unit:
        lines += [comment("guessed from its name"), pair("unit", target.unit)]
    else:
        lines += ['# unit = "..."']
    if target.signed:
        lines += [comment("guessed: a sentiment on both sides of zero; adds the binary accuracy Acc2")]
        lines += [pair("sign", True)]
    return lines


def write_samples(
    fields: Mapping[str, tuple[str | None, str]], groups: list[str], remarks: list[str]
) -> list[str]:
    """The section [samples].

    Args:
        fields: field -> column or file, None where there is none, and why.
        groups: columns that could be the group.
        remarks: on columns that look like a split or a time.
    """
    lines = ["[samples]"]
    for key, (value, why) in fields.items():
        if value is not None:
            lines += [comment(f"guessed: {why}"), pair(key, value)]
    if groups:
        text = "if samples with equal values must stay on one side of every split, choose one of: "
        lines += [comment(text + some(groups)), f"# {pair('group', groups[0])}"]
    return lines + [comment(remark) for remark in remarks]


def write_entity(draft: Draft) -> list[str]:
    """The section of one entity."""
    lines = [header("entities", draft.name), *(comment(remark) for remark in draft.remarks)]
    if link := draft.link:
        several = ", several ids in a cell" if link.many else ""
        lines += [comment(f"guessed: the cells of {link.column!r} are ids of {link.other.file}{several}")]
        lines += [pair("table", link.other.file), pair("key", link.column), pair("id", link.id)]
        lines += [pair("many", True)] if link.many else []
    lines += [pair(m, draft.columns[m]) for m in MODALITIES if m in draft.columns]
    if draft.log:
        lines += [comment("guessed: never negative and with a long tail; learned as log(1 + x)")]
        lines += [pair("log", draft.log)]
    for modality, features in draft.features.items():
        lines += ["", header("entities", draft.name, "features", modality)]
        lines += [comment("guessed: one entry per row of the table, the modality by its name")]
        lines += [pair(key, value) for key, value in features.model_dump(exclude_none=True).items()]
    return lines
