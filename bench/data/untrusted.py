"""Reading files of others: whatever a library raises on them is one error, with the reason in one line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import printable


class Unreadable(Exception):
    """A file that cannot be read; the message says why, in one line."""


@contextmanager
def reading(path: Path | None = None) -> Iterator[None]:
    """Turn everything that a library raises on a file into Unreadable, and keep its warnings.

    The errors are not a closed list: of damaged headers alone NumPy raises SyntaxError, TokenError,
    RecursionError, OverflowError, KeyError, UnicodeError and MemoryError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Unreadable:
        raise
    except Exception as error:
        said = str(error).replace(str(path), path.name) if path else str(error)
        reason = " ".join(said.split())[:160].rstrip(".")
        raise Unreadable(printable(reason) or type(error).__name__) from None
