"""The registry of fusion methods: a decorator adds one, a name builds one."""

from __future__ import annotations

import difflib
import fnmatch
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from fusions.base import Fusion, Inputs
from fusions.origin import Place, Registered, load

log = logging.getLogger("fusions")

ENTRY_POINT_GROUP = "fusion_bench.fusions"
"""Other installed packages add methods by naming a module of theirs under this entry-point group."""

F = TypeVar("F", bound=type[Fusion])


class UnknownFusion(KeyError):
    """No fusion of that name, or no option of that name; the message says what comes nearest."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Entry(Registered):
    """One registered method.

    Attributes:
        cls: the class, built as ``cls(inputs, **options)``.
        name: the name used on the command line.
        paper: where the method was published.
        doi: its DOI, or "".
        search: option -> the values that `bench tune` tries, in order.
    """

    home = Path(__file__).resolve().parent

    cls: type[Fusion]
    name: str
    paper: str
    doi: str
    search: Mapping[str, Sequence[Any]] = field(default_factory=dict)


_entries: dict[str, Entry] = {}
_entry_points_loaded = False


def register(
    name: str, *, paper: str, doi: str = "", search: Mapping[str, Sequence[Any]] | None = None
) -> Callable[[F], F]:
    """Class decorator: make a fusion known as `name`.

    `search` has values of its own options for `bench tune`, such as ``{"factor": (2, 3, 5, 8)}``, in order.
    Sizes that all fusions share (heads, layers, dropout) are searched without being named here.

    The same class again, from an edited file or from a notebook's cell, replaces what it was. Raises
    ValueError if the name is taken by another, or an option to be searched is none of its own.
    """

    def add(cls: F) -> F:
        entry = Entry(cls, Place.of(cls, sys._getframe(1)), name, paper, doi, dict(search or {}))
        for option in entry.search:
            if option not in entry.options:
                known = ", ".join(entry.options) or "none"
                raise ValueError(
                    f"fusion {name!r}: search names no option of it: {option!r}; it has: {known}"
                )
        if name in _entries and not entry.place.redefines(_entries[name].place):
            raise ValueError(
                f"fusion {name!r} is already registered in {_entries[name].file}; choose another name"
            )
        adopt(entry)
        return cls

    return add


def adopt(entry: Entry) -> None:
    """Make a method known that was registered in another process."""
    _entries[entry.name] = entry


def names(pattern: str = "*") -> list[str]:
    """The registered names that match a glob pattern, in order of registration."""
    _load_entry_points()
    return [n for n in _entries if fnmatch.fnmatchcase(n, pattern)]


def get(name: str) -> Entry:
    """The entry of `name`. Raises UnknownFusion with the nearest name."""
    _load_entry_points()
    if name not in _entries:
        raise UnknownFusion(f"no fusion {name!r}{nearest(name, _entries)}; `bench list fusions` shows all")
    return _entries[name]


def build(name: str, inputs: Inputs, **options: Any) -> Fusion:
    """Build the fusion `name` for `inputs`. Raises UnknownFusion for an unknown name or option."""
    entry = get(name)
    for option in options:
        if option not in entry.options:
            known = ", ".join(entry.options) or "none"
            raise UnknownFusion(
                f"fusion {name!r} has no option {option!r}{nearest(option, entry.options)}; it has: {known}"
            )
    return entry.cls(inputs, **options)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ', did you mean ...?' with the known word nearest to `word`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def _load_entry_points() -> None:
    global _entry_points_loaded
    if not _entry_points_loaded:
        _entry_points_loaded = True
        load(entry_points(group=ENTRY_POINT_GROUP), "fusion", log)
