"""The registry of fusion methods: a decorator adds one, a name builds one."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, TypeVar

from fusions.base import Fusion, Inputs

ENTRY_POINT_GROUP = "fusion_bench.fusions"
"""Other installed packages add methods by naming a module of theirs under this entry-point group."""

F = TypeVar("F", bound=type[Fusion])


class UnknownFusion(KeyError):
    """No fusion of that name, or no option of that name; the message says what comes nearest."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Entry:
    """One registered method.

    Attributes:
        name: the name used on the command line.
        cls: the class, built as ``cls(inputs, **options)``.
        paper: where the method was published.
        doi: its DOI, or "".
    """

    name: str
    cls: type[Fusion]
    paper: str
    doi: str

    @property
    def options(self) -> dict[str, Any]:
        """The options of the constructor with their defaults."""
        parameters = list(inspect.signature(self.cls.__init__).parameters.values())[2:]
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def file(self) -> str:
        """The file that defines the method."""
        return inspect.getfile(self.cls)


_entries: dict[str, Entry] = {}
_entry_points_loaded = False


def register(name: str, *, paper: str, doi: str = "") -> Callable[[F], F]:
    """Class decorator: make a fusion known as `name`. Raises ValueError if the name is taken."""

    def add(cls: F) -> F:
        if name in _entries:
            raise ValueError(
                f"fusion {name!r} is already registered in {_entries[name].file}; choose another name"
            )
        _entries[name] = Entry(name, cls, paper, doi)
        return cls

    return add


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
        for point in entry_points(group=ENTRY_POINT_GROUP):
            try:
                point.load()
            except Exception as error:  # a broken plugin must not take the built-in methods down with it
                warnings.warn(
                    f"fusion plugin {point.name!r} ({point.value}) failed to load: {error}", stacklevel=2
                )
