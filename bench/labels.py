"""How people read rows of a plan where several stand beside each other: only what sets them apart is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Protocol


class Named(Protocol):
    """What a row is named by: its method, modality -> encoder, its target among several, and what else."""

    method: str
    encoders: dict[str, str]
    reference: bool
    target: str

    @property
    def variant(self) -> str:
        """What else sets the row apart."""
        ...

    @property
    def handling(self) -> str:
        """How missing values are handled, where that is compared."""
        ...


def short(names: Iterable[str]) -> dict[str, str]:
    """Name -> how it is shown: of a path as much of its end as sets it apart from the others."""
    known = dict.fromkeys(names)
    split = {name: _split(name) for name in known}
    paths = {name: (before, PurePath(path).parts) for name, (before, path) in split.items() if path}
    for depth in range(1, max((len(parts) for _, parts in paths.values()), default=0)):
        ends = {name: before + str(PurePath(*parts[-depth:])) for name, (before, parts) in paths.items()}
        if len({*ends.values(), *known.keys() - ends.keys()}) == len(known):
            return {name: ends.get(name, name) for name in known}
    return {name: name for name in known}


def for_files(names: Sequence[str]) -> list[str]:
    """Names as parts of names of files: letters, digits, - and _, distinct also where case does not count."""
    plain = [re.sub(r"[^\w-]+", "-", name).strip("-").lower()[:40] for name in names]
    return [
        slug if slug and plain.count(slug) == 1 else f"{slug}-{i}".strip("-")
        for i, slug in enumerate(plain, start=1)
    ]


def _split(name: str) -> tuple[str, str]:
    """What stands before a path in a name, ``resnet18@`` of ``resnet18@PATH``, and the path; "" for none."""
    before, at, path = name.partition("@")
    if at and not _is_path(before):
        return before + at, path
    return "", name if _is_path(name) else ""


def _is_path(name: str) -> bool:
    """Whether a name is that of a folder, and not ``owner/model`` on a hub."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name


def differing(sets: Sequence[Mapping[str, str]]) -> list[str]:
    """The modalities whose encoders are not the same in all sets, in order."""
    modalities = dict.fromkeys(modality for encoders in sets for modality in encoders)
    return [m for m in modalities if len({encoders.get(m) for encoders in sets}) > 1]


def labels(rows: Sequence[Named]) -> Callable[[Named], str]:
    """Names for rows: the method, in brackets target, variant, encoders, where they differ among fusions."""
    several = len({row.target for row in rows}) > 1
    differ = differing([row.encoders for row in rows if not row.reference])
    shown = short(name for row in rows for name in row.encoders.values())

    def label(row: Named) -> str:
        extras = [
            row.target if several else "",
            row.variant,
            *(shown[row.encoders[m]] for m in differ if m in row.encoders),
        ]
        extras = [extra for extra in extras if extra]
        return f"{row.method} ({', '.join(extras)})" if extras else row.method

    return label


def condition(row: Named, rows: Sequence[Named]) -> str:
    """What sets a row apart from others of its method: encoders, how missing values are handled."""
    sets = [other.encoders for other in rows if other.encoders]
    shown = short(name for encoders in sets for name in encoders.values())
    names = [shown[row.encoders[m]] for m in differing(sets) if m in row.encoders]
    return ", ".join([*names, *filter(None, [row.handling])])
