"""Why work has no result, what it raised or how its process ended, as text to be printed and stored."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass

from bench.errors import BenchError, printable

REASON, DETAIL = 500, 20_000
"""Characters kept of a reason and of a traceback; an exception may hold megabytes."""


@dataclass(frozen=True)
class Failure:
    """Work without a result.

    Attributes:
        reason: why, in one printable line.
        detail: the traceback, if there is one; storable as UTF-8.
        crashed: whether the process ended, rather than the work raising.
    """

    reason: str
    detail: str
    crashed: bool = False

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What was raised. The exception is anyone's: even asking for its text may fail."""
        try:
            text = str(error)
            trace = "".join(traceback.format_exception(error))
        except BaseException as second:
            text = trace = f"(it has no text: asking for it raises {type(second).__name__})"
        if isinstance(error, BenchError):  # written for people
            return cls(one_line(text), storable(text))
        return cls(one_line(f"{type(error).__name__}: {text}".removesuffix(": ")), storable(trace))

    @classmethod
    def ended(cls, how: str) -> Failure:
        """The process that did the work ended in its middle."""
        reason = f"the process ended without a result ({how})"
        return cls(reason, reason, crashed=True)


def how_ended(code: int | None) -> str:
    """A process's exit status in words; negative: the signal that killed it; None: it is not known."""
    if code is None:
        return "it closed its connection"
    return f"killed by signal {-code}, {_name(-code)}" if code < 0 else f"exit code {code}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return "unnamed"


def one_line(text: str) -> str:
    """`text` as one line of printable characters, cut where it is very long."""
    line = printable(" ".join(text[: 2 * REASON].split()))
    return line if len(line) <= REASON else f"{line[:REASON]}…"


def storable(text: str) -> str:
    """`text` without what UTF-8 cannot hold, its middle left out where it is very long."""
    if len(text) > DETAIL:
        text = (
            f"{text[: DETAIL // 2]}\n… {len(text) - DETAIL:,} characters left out …\n{text[-DETAIL // 2 :]}"
        )
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
