"""Workers as forks of a process that has imported what they need: they start in milliseconds, on Linux.

The template imports modules of this project and calls nothing in them: no plugin, no data, no computation and
no device is in it, and no thread but those of libraries that end or restart theirs around a fork (OpenBLAS,
jemalloc). It ends when its parent does, or when it has had nothing to do for a while.
"""

from __future__ import annotations

import atexit
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from signal import SIGKILL
from typing import Any, NoReturn

import bench
from bench.serving import GRACE, serve

REST = 300.0
"""Seconds after which a template without workers ends: it holds the memory of all that it imported."""
LATE = ("BENCH_", "PYTEST_")
"""Environment variables that no import reads begin with one of these."""
ROOT = Path(str(bench.__file__)).parent.parent
OURS = ("bench", "encoders", "fusions")
"""The packages whose modules a template imports."""

TRAINER, WITH_AN_OPTIMIZER = "bench.methods.train", "torch._dynamo"
"""Where networks are trained, and what torch imports, for a second or more, with the first optimizer."""


class Fork:
    """A process that the template has forked, to be asked as a `Popen` is."""

    def __init__(self, status: Connection) -> None:
        self._status = status
        self._code: int | None = None
        self.pid: int = status.recv()

    def poll(self) -> int | None:
        """Its exit status, None as long as it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, when it has ended. Raises subprocess.TimeoutExpired."""
        if self._code is None:
            if not self._status.poll(timeout):
                raise subprocess.TimeoutExpired("a worker", timeout or 0)
            try:
                self._code = int(self._status.recv())
            except (EOFError, OSError):
                self._code = -SIGKILL  # the template is gone, and its workers end themselves
            self._status.close()
        return self._code


class Template:
    """The parent's side: a process that forks workers.

    Attributes:
        made_for: what was there when it began, as `_beginnings` says.
        process: the template itself.
        control: the connection to it; it ends when that is closed, after its last worker.
    """

    def __init__(self) -> None:
        self.made_for = _beginnings()
        self.control, theirs = Pipe()
        with theirs:
            self.process = _launch("bench.template:stand_by", theirs)

    def fork(self, work: Callable[[Any], Any], connection: Connection) -> Fork:
        """A worker with its end of a connection, for work that the template imports first if it is ours.

        Raises:
            OSError, EOFError: the template is gone.
        """
        status, theirs = Pipe(duplex=False)
        with theirs:
            self.control.send((getattr(work, "__module__", ""), dict(os.environ), os.getcwd()))
            for number in (connection.fileno(), theirs.fileno(), 2):
                send_handle(self.control, number, None)
        return Fork(status)


_current: Template | None = None


def start(work: Callable[[Any], Any], connection: Connection) -> Fork | subprocess.Popen[bytes]:
    """A worker with its end of a connection: a fork of the template, or a new process where none can be."""
    global _current
    if not _can_fork():
        return _launch("bench.serving:serve", connection)
    for _ in range(2):  # the one at hand may have ended
        if _current is None or _current.made_for != _beginnings():
            _current = Template()
        with suppress(OSError, EOFError):
            return _current.fork(work, connection)
        gone, _current = _current, None
        gone.control.close()
    gone.process.wait()
    return gone.process  # which tells how it ended, in place of the worker


def _can_fork() -> bool:
    """Whether this is Linux, from 5.3: elsewhere libraries may not be used after a fork."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _launch(target: str, connection: Connection) -> subprocess.Popen[bytes]:
    """A new process that calls a function, `module:name`, with its end of a connection and our id."""
    module, name = target.split(":")
    start = (
        f"import sys; sys.path[:] = {sys.path!r}; from {module} import {name}; "
        f"{name}({connection.fileno()}, {os.getpid()})"
    )
    # in a group of its own: Ctrl-C reaches the parent alone, and what the work started ends with it
    return subprocess.Popen(
        [sys.executable, "-c", start],
        stdin=subprocess.DEVNULL,  # standard input may hold the program that is running
        stdout=2,  # standard output is for results
        pass_fds=[connection.fileno()],
        process_group=0,
    )


def _beginnings() -> tuple[Any, ...]:
    """What a process reads when it starts and imports: of this project, the latest change of its source."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(LATE)}
    files = (file for top in OURS for file in (ROOT / top).rglob("*.py"))
    return os.getpid(), sys.executable, sys.path[:], settings, max(f.stat().st_mtime_ns for f in files)


@atexit.register
def _end() -> None:
    if _current and _current.made_for[0] == os.getpid():
        _current.process.kill()
        _current.process.wait()


# -- the template's side


def stand_by(connection: int, parent: int) -> NoReturn:
    """What the template does: fork a worker whenever it is asked to, and say how each has ended."""
    os.set_inheritable(connection, False)
    control = Connection(connection)
    workers: dict[int, tuple[int, Connection]] = {}  # descriptor of the process -> its id, where to say so
    asked, since = True, time.monotonic()
    while os.getppid() == parent and (asked or workers) and (workers or time.monotonic() - since < REST):
        ready = wait([*workers, *([control] if asked else [])], GRACE)
        for ended in workers.keys() & ready:
            pid, status = workers.pop(ended)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(ended)
            with suppress(OSError), status:
                status.send(code)
            since = time.monotonic()
        if control in ready:
            try:
                module, *surroundings = control.recv()
                handles = [recv_handle(control) for _ in range(3)]
            except (EOFError, OSError):
                asked = False
                time.sleep(GRACE / 10)  # where the parent is ending, that is seen at the next look
                continue
            pid, status = _fork(module, surroundings, handles, [control, *(s for _, s in workers.values())])
            workers[os.pidfd_open(pid)] = pid, status
    os._exit(0)


def _fork(
    module: str, surroundings: list[Any], handles: list[int], others: list[Connection]
) -> tuple[int, Connection]:
    """A worker: its process id, and where to say how it ends; `others` are the template's connections."""
    if module.partition(".")[0] in OURS:
        with suppress(Exception):  # the worker says why
            import_module(module)
            if TRAINER in sys.modules:
                import_module(WITH_AN_OPTIMIZER)
    gc.freeze()  # a worker need not look through, and so copy, what is imported
    connection, status, stderr = handles
    template, pid = os.getpid(), os.fork()
    if pid == 0:
        try:
            for other in others:
                other.close()
            _become(connection, status, stderr, template, *surroundings)
        finally:
            os._exit(1)
    with suppress(OSError):  # it may have done so itself, or have ended
        os.setpgid(pid, pid)
    for handle in (connection, stderr):
        os.close(handle)
    told = Connection(status)
    with suppress(OSError):
        told.send(pid)
    return pid, told


def _become(
    connection: int, status: int, stderr: int, template: int, settings: dict[str, str], folder: str
) -> None:
    """The worker itself, with the surroundings of the parent as they are now."""
    os.setpgid(0, 0)
    os.close(status)
    for stream in (1, 2):
        os.dup2(stderr, stream)
    os.close(stderr)
    os.environ.clear()
    os.environ.update(settings)
    os.chdir(folder)
    serve(connection, template)
