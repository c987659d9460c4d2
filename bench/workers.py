"""The worker processes of the executor `local`: each can be ended at any time, none outlives its parent."""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Pipe
from typing import Any

import cloudpickle

from bench.failure import Failure, how_ended
from bench.serving import GRACE, load
from bench.template import start

BUSY = object()
"""The answer of a worker that is still at work."""
STARTING = object()
"""The task of a worker that is not ready yet."""


class Worker:
    """A process that does one task after the other, with the connection to it.

    Attributes:
        task: what it is at.
        gone: whether it has ended.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.surroundings = _surroundings()
        self.gone = False
        self.connection, theirs = Pipe()
        with theirs:
            self._process = start(work, theirs)

    def give(self, task: Any, message: bytes) -> None:
        """Set it to work on a task, as the message says."""
        self.task, self._since = task, time.monotonic()
        with suppress(OSError):  # it has just ended, as `answer` will find
            self.connection.send_bytes(message)

    def answer(self, timeout: float) -> Any:
        """The result of the task, the Failure it ended in, or BUSY; ends a worker that is over its time."""
        ended = self._process.poll() is not None  # asked first: what it sent before it ended still counts
        try:
            if self.connection.poll():
                result, last = pickle.loads(self.connection.recv_bytes())
                if last:
                    self.end(grace=GRACE)
                return pickle.loads(result)
        except Exception:  # it closed its end, or sent what is no answer
            ended = True
        if ended:
            self.end(grace=GRACE)
            return Failure.ended(how_ended(self._code))
        if timeout and self.task is not STARTING and time.monotonic() - self._since > timeout:
            self.end()
            return Failure.ended(f"ran longer than the timeout of {timeout:g} s")
        return BUSY

    def end(self, grace: float = 0) -> None:
        """End the process and all that it started, after a moment to end by itself."""
        self.gone = True
        self._code = None
        with suppress(subprocess.TimeoutExpired):
            self._code = self._process.wait(grace)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.connection.close()


resting: list[Worker] = []
"""Workers that wait for the next call."""


def hire(work: Callable[[Any], Any]) -> Worker:
    """A worker that is about to load what the work needs: one that rests, or a new one."""
    worker = None
    while worker is None and resting:
        worker = resting.pop()
        if worker.surroundings != _surroundings():  # it would read settings that no longer hold
            worker.end()
            worker = None
    worker = worker or Worker(work)
    worker.give(STARTING, cloudpickle.dumps((load, work)))
    return worker


def _surroundings() -> tuple[Any, ...]:
    """What a process takes over from its parent when it starts."""
    return dict(os.environ), os.getcwd(), list(sys.path)


@atexit.register
def dismiss() -> None:
    """End the workers that wait for the next call."""
    while resting:
        resting.pop().end()
