"""What a worker process does: it answers calls, one after the other, until its parent is gone."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from bench.failure import Failure

GRACE = 0.5
"""Seconds between two looks at whether the parent is there, and that a process has to end by itself."""


def answer(message: bytes) -> bytes:
    """What a call of a function with an argument returns, or the Failure that it ends in; all pickled."""
    try:
        function, argument = pickle.loads(message)
        return pickle.dumps(function(argument))
    except BaseException as error:  # anyone's code, which may do anything
        return pickle.dumps(Failure.of(error))


def serve(connection: int, parent: int) -> None:
    """Answer calls, each a function and its argument, until the parent is gone.

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


def load(work: Callable[[Any], Any]) -> None:
    """Nothing more: to receive the work is to import what it needs, which no task's time should count."""


def _end_with(parent: int) -> None:
    """End this worker when its parent is gone: a killed bench must not go on computing in the background."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
