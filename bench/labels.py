"""How people read rows of a plan where several stand beside each other: only what sets them apart is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Protocol

MARK = ", fine-tuned"
"""What the stamp of a trained encoder says behind its weights: ``resnet50 (random, fine-tuned)``."""


class Named(Protocol):
    """What a row is named by: its method, modality -> encoder, its target among several, and what else.

    ``stamps`` says of encoders, by modality, where their weights come from.
    """

    method: str
    encoders: dict[str, str]
    stamps: dict[str, str]
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


def told_apart(rows: Sequence[Named]) -> Callable[[Named], list[str]]:
    """What of a row's encoders sets it apart: their names, and the weights of those that have several."""
    differ = differing([row.encoders for row in rows])
    shown = short(name for row in rows for name in row.encoders.values())
    stamps: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        for encoder in row.encoders.items():
            stamps.setdefault(encoder, {})[_stamp(row, encoder[0])] = None

    def names(row: Named) -> list[str]:
        found = []
        for modality, name in row.encoders.items():
            several = list(stamps.get((modality, name), ()))
            if len(several) > 1:
                found.append(f"{shown[name]} {_weights(_stamp(row, modality), several)}")
            elif modality in differ:
                found.append(shown.get(name, name))
        return found

    return names


def _stamp(row: Named, modality: str) -> str:
    """Whether weights were trained is what the variant says."""
    return row.stamps.get(modality, row.encoders[modality]).replace(MARK, "")


def _weights(stamp: str, others: Sequence[str]) -> str:
    """The weights that a stamp names in brackets; without their digest, where that sets nothing apart."""
    full = {other: other.partition(" (")[2].removesuffix(")") or other for other in others}
    plain = [name.split(" ")[0] for name in full.values()]
    return full[stamp].split(" ")[0] if len(set(plain)) == len(full) else full[stamp]


def labels(rows: Sequence[Named]) -> Callable[[Named], str]:
    """Names for rows: the method, in brackets target, variant, encoders, where they differ among fusions."""
    several = len({row.target for row in rows}) > 1
    names = told_apart([row for row in rows if not row.reference])

    def label(row: Named) -> str:
        extras = [row.target if several else "", row.variant, *names(row)]
        extras = [extra for extra in extras if extra]
        return f"{row.method} ({', '.join(extras)})" if extras else row.method

    return label


def condition(row: Named, rows: Sequence[Named]) -> str:
    """What sets a row apart from others of its method: encoders, how missing values are handled."""
    names = told_apart([other for other in rows if other.encoders])(row)
    return ", ".join([*names, *filter(None, [row.handling])])
