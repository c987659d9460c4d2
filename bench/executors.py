"""Where runs are executed. An executor takes tasks and yields their results as they complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed

Task = TypeVar("Task")
Result = TypeVar("Result")


def local(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Processes on this machine, one thread each; with one job, this process.

    Closing the iterator (Ctrl-C does) ends the workers; runs in flight are lost, stored ones stay.
    """
    parallel = Parallel(n_jobs=max(1, min(jobs, len(tasks))), return_as="generator_unordered", batch_size=1)
    yield from parallel(delayed(work)(task) for task in tasks)


EXECUTORS: dict[str, Callable[..., Iterator]] = {"local": local}
"""Name on the command line -> executor."""
