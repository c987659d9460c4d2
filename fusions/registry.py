"""The registry of fusion methods: a decorator adds one, a name builds one."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from fusions.base import Fusion, Inputs
from fusions.identity import identity

log = logging.getLogger("fusions")

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
        file: the file that defines it, or what stands for one: ``<stdin>``, a notebook's cell.
        line: where in it the class was registered.
        text: what that file held when the class was registered; None where it is no file.
    """

    name: str
    cls: type[Fusion]
    paper: str
    doi: str
    file: str
    line: int
    text: bytes | None

    @property
    def options(self) -> dict[str, Any]:
        """The options of the constructor with their defaults."""
        parameters = list(inspect.signature(self.cls.__init__).parameters.values())[2:]
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def source(self) -> bytes:
        """What identifies the method: the text of its file, or its code where it comes from no file."""
        return identity(self.cls).encode() if self.text is None else self.text

    @property
    def bundled(self) -> bool:
        """Whether the method is one of this package's own."""
        return Path(self.file).resolve().is_relative_to(Path(__file__).resolve().parent)

    def redefines(self, other: Entry) -> bool:
        """Whether this is `other` again: run again, edited and loaded again, or both from no file."""
        if self.text is None or other.text is None:
            return self.text is other.text
        return self.file == other.file and (self.line == other.line or self.text != other.text)


_entries: dict[str, Entry] = {}
_entry_points_loaded = False


def register(name: str, *, paper: str, doi: str = "") -> Callable[[F], F]:
    """Class decorator: make a fusion known as `name`.

    The same class again, from an edited file or from a notebook's cell, replaces what it was. Raises
    ValueError if the name is taken by another.
    """

    def add(cls: F) -> F:
        caller = sys._getframe(1)
        file = _file_of(cls) or caller.f_code.co_filename
        text = Path(file).read_bytes() if Path(file).is_file() else None
        entry = Entry(name, cls, paper, doi, file, caller.f_lineno, text)
        if name in _entries and not entry.redefines(_entries[name]):
            raise ValueError(
                f"fusion {name!r} is already registered in {_entries[name].file}; choose another name"
            )
        adopt(entry)
        return cls

    return add


def adopt(entry: Entry) -> None:
    """Make a method known that was registered in another process."""
    _entries[entry.name] = entry


def _file_of(cls: type) -> str | None:
    """The file of a class's module; a class of `__main__` may come from a file, a cell or standard input."""
    if cls.__module__ == "__main__":
        return None
    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):  # from exec: there is no such module
        return None


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
                with redirect_stdout(sys.stderr):
                    point.load()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a broken plugin must not take the built-in methods down with it
                why = " ".join(str(error).split()) or type(error).__name__
                log.warning("fusion plugin %r (%s) failed to load: %s", point.name, point.value, why)
