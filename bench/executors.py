"""Where work is done. An executor takes tasks and yields their results as they complete."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

from joblib import Parallel, delayed

Task = TypeVar("Task")
Result = TypeVar("Result")


def local(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Processes on this machine; with one job, this process.

    Closing the iterator (Ctrl-C does) ends the workers; what is in flight is lost, what is stored stays.
    """
    processes = max(1, min(jobs, len(tasks)))
    parallel = Parallel(n_jobs=processes, return_as="generator_unordered", batch_size=1)
    parent = os.getpid() if processes > 1 else 0
    yield from parallel(delayed(_followed)(work, task, parent) for task in tasks)


EXECUTORS: dict[str, Callable[..., Iterator]] = {"local": local}
"""Name on the command line -> executor."""


def _followed(work: Callable[[Task], Result], task: Task, parent: int) -> Result:
    if parent:
        _end_with(parent)
    return work(task)


@cache
def _end_with(parent: int) -> None:
    """End this worker when its parent is gone: a killed bench must not go on computing in the background."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
