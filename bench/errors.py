"""Errors a user can fix. The command line prints their message, one or two lines, and no traceback."""

import difflib
import unicodedata
from collections.abc import Iterable


class BenchError(Exception):
    """Something failed while working; exit status 1. The message says what, where and how to fix it."""

    exit_code = 1


class UsageError(BenchError):
    """The request itself cannot be carried out (a wrong name, option or path); exit status 2."""

    exit_code = 2


class DataError(UsageError):
    """The dataset cannot be used as it is described."""


class TrainingFailed(BenchError):
    """A run could not be trained to a finite result."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """How to fix a wrong name: the nearest known one, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}."


def printable(text: str, keep: str = "") -> str:
    r"""Text in one line, with escapes for what steers a terminal or cannot be encoded: ``\x1b``, ``\udcff``.

    `keep` are characters that stay nevertheless, such as the ends of lines.
    """

    def plain(character: str) -> bool:
        return character.isprintable() or character in keep or unicodedata.category(character) == "Zs"

    return "".join(c if plain(c) else ascii(c)[1:-1] for c in text)
