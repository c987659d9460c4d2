"""Where work is done.

An executor takes tasks and yields each with its result, or with the `Failure` that it ended in, in whatever
order they complete. Whatever the work does, every task comes back once, and no task costs another its result.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, TypeVar

import cloudpickle

from bench.errors import BenchError
from bench.failure import Failure, how_ended

Task = TypeVar("Task")
Result = TypeVar("Result")

PER_CORE = 4
"""Workers per core at most, however many jobs are asked for."""
GLANCE = 0.5
"""Seconds between two looks at whether a worker has ended or overrun its time."""
BUSY = object()
"""The answer of a worker that is still at work."""


def inline(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int = 1,
    *,
    timeout: float = 0,
    keep: bool = False,
) -> Generator[tuple[Task, Result | Failure], None, None]:
    """This process, one task after the other, for debugging and quick tests.

    Protects from exceptions, SystemExit included. What ends or hangs a process ends or hangs this one, and
    `jobs`, `timeout` and `keep` have no effect.
    """
    for task in tasks:
        try:
            result: Result | Failure = work(task)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            result = Failure.of(error)
        yield task, result


def local(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int = 1,
    *,
    timeout: float = 0,
    keep: bool = False,
) -> Generator[tuple[Task, Result | Failure], None, None]:
    """Worker processes on this machine, also with one job.

    A worker that ends, or is ended because it took longer than `timeout`, costs the task it was at and is
    replaced. Closing the iterator (Ctrl-C does) ends all workers; what is in flight is lost.

    Args:
        work: a function that workers can import.
        tasks: what to do; sent by cloudpickle.
        jobs: how many workers at a time, at most as many as there are tasks, and `PER_CORE` per core.
        timeout: seconds for one task; 0 is no limit.
        keep: leave the workers to the next call, which then need not start its own. Without it none is left,
            not even of earlier calls.

    Raises:
        BenchError: no worker can be started.
    """
    from bench.environment import cores  # it imports torch, which not every worker needs

    todo: deque[tuple[Task, bytes]] = deque()
    for task in tasks:
        try:
            todo.append((task, cloudpickle.dumps((work, task))))
        except Exception as error:
            why = Failure.of(error)
            yield task, Failure(f"cannot be sent to a worker process ({why.reason})", why.detail)
    crew: list[_Worker] = []
    spare: list[_Worker] = []
    try:
        for _ in range(min(jobs, len(todo), PER_CORE * cores())):
            crew.append(_hire(work))
        while crew:
            wait([worker.connection for worker in crew], GLANCE)
            for worker in list(crew):
                answer = worker.answer(timeout)
                if answer is BUSY:
                    continue
                done = worker.task
                if worker.gone:
                    crew.remove(worker)
                    crew += [_hire(work)] if todo else []
                elif todo:
                    worker.give(*todo.popleft())
                else:
                    crew.remove(worker)
                    spare.append(worker)
                if done is not STARTING:
                    yield done, answer
                elif isinstance(answer, Failure):
                    raise BenchError(f"a worker process cannot start: {answer.reason}.")
    finally:
        for worker in crew:
            worker.end()
        _resting.extend(spare)
        if not keep:
            _dismiss()


EXECUTORS: dict[str, Callable[..., Generator[tuple[Any, Any], None, None]]] = {
    "local": local,
    "inline": inline,
}
"""Name on the command line -> executor."""


# -- the parent's side of a worker

STARTING = object()
"""The task of a worker that is not ready yet."""


class _Worker:
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
            f"import sys; sys.path[:] = {sys.path!r}; from bench.executors import serve; "
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
                    self.end(grace=GLANCE)
                return pickle.loads(result)
        except Exception:  # it closed its end, or sent what is no answer
            ended = True
        if ended:
            self.end(grace=GLANCE)
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


_resting: list[_Worker] = []
"""Workers that wait for the next call."""


def _hire(work: Callable[[Any], Any]) -> _Worker:
    """A worker that is about to load what the work needs: one that rests, or a new one."""
    worker = None
    while worker is None and _resting:
        worker = _resting.pop()
        if worker.surroundings != _surroundings():  # it would read settings that no longer hold
            worker.end()
            worker = None
    worker = worker or _Worker()
    worker.give(STARTING, cloudpickle.dumps((_load, work)))
    return worker


def _surroundings() -> tuple[Any, ...]:
    """What a process takes over from its parent when it starts."""
    return dict(os.environ), os.getcwd(), list(sys.path)


@atexit.register
def _dismiss() -> None:
    while _resting:
        _resting.pop().end()


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
        try:
            function, argument = pickle.loads(message)
            result = pickle.dumps(function(argument))
        except BaseException as error:  # anyone's code, which may do anything
            result = pickle.dumps(Failure.of(error))
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
            time.sleep(0.5)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
