"""The worker processes of the executor `local`: each can be ended at any time, none outlives its parent."""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

import cloudpickle

from bench.failure import Failure, how_ended

GRACE = 0.5
"""Seconds that a process has to end by itself, and between two looks at whether the parent is there."""
BUSY = object()
"""The answer of a worker that is still at work."""
STARTING = object()
"""The task of a worker that is not ready yet."""


def answer(message: bytes) -> bytes:
    """What a call of a function with an argument returns, or the Failure that it ends in; all pickled."""
    try:
        function, argument = pickle.loads(message)
        return pickle.dumps(function(argument))
    except BaseException as error:  # anyone's code, which may do anything
        return pickle.dumps(Failure.of(error))


# -- the parent's side


class Worker:
    """A process that does one task after the other, with the connection to it.

    Attributes:
        task: what it is at.
        gone: whether it has ended.
    """

    def __init__(self) -> None:
        self.surroundings = _surroundings()
        self.gone = False
        self.connection, theirs = Pipe()
        start = (
            f"import sys; sys.path[:] = {sys.path!r}; from bench.workers import serve; "
            f"serve({theirs.fileno()}, {os.getpid()})"
        )
        # in a group of its own: Ctrl-C reaches the parent alone, and what the work started ends with it
        self._process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.DEVNULL,  # standard input may hold the program that is running
            stdout=2,  # standard output is for results
            pass_fds=[theirs.fileno()],
            process_group=0,
        )
        theirs.close()

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
    worker = worker or Worker()
    worker.give(STARTING, cloudpickle.dumps((_load, work)))
    return worker


def _surroundings() -> tuple[Any, ...]:
    """What a process takes over from its parent when it starts."""
    return dict(os.environ), os.getcwd(), list(sys.path)


@atexit.register
def dismiss() -> None:
    """End the workers that wait for the next call."""
    while resting:
        resting.pop().end()


# -- the worker's side


def serve(connection: int, parent: int) -> None:
    """What a worker process does: answer calls, each a function and its argument, until the parent is gone.

    An answer is the result, or the Failure that the call ended in, and whether it is the worker's last.
    """
    os.set_inheritable(connection, False)
    _end_with(parent)
    channel = Connection(connection)
    while True:
        try:
            message = channel.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)
        threads = threading.active_count()
        result = answer(message)
        # threads that were left behind may disturb whatever comes next: better in a new process
        last = threading.active_count() > threads
        try:
            channel.send_bytes(pickle.dumps((result, last)))
        except OSError:  # the parent is gone
            os._exit(0)
        if last:
            os._exit(0)


def _load(work: Callable[[Any], Any]) -> None:
    """Nothing more: to receive the work is to import what it needs, which no task's time should count."""


def _end_with(parent: int) -> None:
    """End this worker when its parent is gone: a killed bench must not go on computing in the background."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
