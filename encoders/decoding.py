"""Decoding files from outside: whatever a decoder raises is the fault of the file; its warnings stay here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAILURES = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError)
"""Exceptions whose own text says nothing to a user without their name."""


class CannotDecode(Exception):
    """Raised inside an encoder for an item that is not what it should be; the message is the reason."""


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Surrounds the decoding of one file, and nothing else.

    Decoders raise anything for a damaged or hostile file (KeyError, struct.error, RecursionError ...), so
    every Exception in the body becomes CannotDecode. What runs outside, a network for instance, keeps its
    own errors: those are faults of the program.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe or a device could wait for ever
            raise CannotDecode("it is no file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except CannotDecode:
        raise
    except Exception as error:
        raise CannotDecode(reason(error, path)) from error


def reason(error: BaseException, path: Path) -> str:
    """What `error` says about the file `path`, in one line and without the path.

    The same content may lie under another name elsewhere, so a stored reason must not name the file.
    """
    text = " ".join(str(getattr(error, "strerror", None) or error).replace(str(path), "the file").split())
    if isinstance(error, FAILURES):
        return f"its decoder failed with {type(error).__name__}" + (f": {text}" if text else "")
    return text or type(error).__name__
