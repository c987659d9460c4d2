"""Where a registered class comes from: this package, a plugin file, another package, a notebook's cell.

Shared by the registries of fusions and of encoders.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NamedTuple

from fusions.identity import identity


class Place(NamedTuple):
    """Where a class was registered.

    Attributes:
        file: the file that defines it, or what stands for one: ``<stdin>``, a notebook's cell.
        line: where in it the class was registered.
        text: what that file held when the class was registered; None where it is not a file.
    """

    file: str
    line: int
    text: bytes | None

    @classmethod
    def of(cls, registered: type, caller: FrameType) -> Place:
        """The place of a class whose decorator is called from `caller`."""
        file = _file_of(registered) or caller.f_code.co_filename
        return cls(file, caller.f_lineno, Path(file).read_bytes() if Path(file).is_file() else None)

    def redefines(self, other: Place) -> bool:
        """Whether this is `other` again: run again, edited and loaded again, or both from no file."""
        if self.text is None or other.text is None:
            return self.text is other.text
        return self.file == other.file and (self.line == other.line or self.text != other.text)


@dataclass(frozen=True)
class Registered:
    """A class with the place where it was registered."""

    home: ClassVar[Path]
    """The folder of the package whose own classes are `bundled`."""

    cls: type
    place: Place

    @property
    def file(self) -> str:
        """The file that defines it, or what stands for one."""
        return self.place.file

    @property
    def options(self) -> dict[str, Any]:
        """The options of the constructor, its keyword-only arguments, with their defaults."""
        parameters = inspect.signature(self.cls).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def source(self) -> bytes:
        """What identifies the class: the text of its file, or its code where it comes from no file."""
        return identity(self.cls).encode() if self.place.text is None else self.place.text

    @property
    def bundled(self) -> bool:
        """Whether the class is one of this package's own."""
        return Path(self.file).resolve().is_relative_to(self.home)


def _file_of(cls: type) -> str | None:
    """The file of a class's module; a class of `__main__` may come from a file, a cell or standard input."""
    if cls.__module__ == "__main__":
        return None
    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):  # from exec: there is no such module
        return None


def load(points: Iterable[EntryPoint], kind: str, log: logging.Logger) -> None:
    """Import what other packages name as entry points; a broken one is warned of and costs no other."""
    for point in points:
        try:
            with redirect_stdout(sys.stderr):
                point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a broken plugin must not take the built-in ones down with it
            why = " ".join(str(error).split()) or type(error).__name__
            log.warning("%s plugin %r (%s) failed to load: %s", kind, point.name, point.value, why)
