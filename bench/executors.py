"""Where work is done.

An executor takes tasks and yields each with its result, or with the `Failure` that it ended in, in whatever
order they complete. Whatever the work does, every task comes back once, and no task costs another its result.
"""

from __future__ import annotations

import pickle
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import wait
from signal import SIG_IGN, SIGINT, signal
from typing import Any, TypeVar

import cloudpickle
import joblib

from bench.errors import BenchError, UsageError
from bench.failure import Failure
from bench.serving import answer
from bench.workers import BUSY, STARTING, Worker, dismiss, hire, resting

Task = TypeVar("Task")
Result = TypeVar("Result")
Executor = Callable[..., Generator[tuple[Any, Any], None, None]]

PER_CORE = 4
"""Workers per core at most, however many jobs are asked for."""
GLANCE = 0.5
"""Seconds between two looks at whether a worker has ended or overrun its time."""
HOUR = 3600.0
"""Seconds for one run where nothing is said and an executor can end it."""


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

    todo = deque((yield from _messages(work, tasks)))
    crew: list[Worker] = []
    spare: list[Worker] = []
    try:
        for _ in range(min(jobs, len(todo), PER_CORE * cores())):
            crew.append(hire(work))
        while crew:
            wait([worker.connection for worker in crew], GLANCE)
            for worker in list(crew):
                result = worker.answer(timeout)
                if result is BUSY:
                    continue
                done = worker.task
                if worker.gone:
                    crew.remove(worker)
                    crew += [hire(work)] if todo else []
                elif todo:
                    worker.give(*todo.popleft())
                else:
                    crew.remove(worker)
                    spare.append(worker)
                if done is not STARTING:
                    yield done, result
                elif isinstance(result, Failure):
                    raise BenchError(f"a worker process cannot start: {result.reason}.")
    finally:
        for worker in crew:
            worker.end()
        resting.extend(spare)
        if not keep:
            dismiss()


def spread(
    backend: str,
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int = 1,
    *,
    timeout: float = 0,
    keep: bool = False,
) -> Generator[tuple[Task, Result | Failure], None, None]:
    """Workers of a backend of joblib, two of them also with one job, of which one rests.

    A worker that ends takes with it what others are at: that is done again, each task alone. Nothing ends a
    worker that hangs (`time_limit` refuses to promise it), or one whose parent was killed before it has done
    its task; the backend says when workers rest and end. `timeout` and `keep` have no effect.

    Raises:
        BenchError: the backend cannot start.
    """
    _introduce(backend)
    left = dict(enumerate((yield from _messages(work, tasks))))
    while left:
        sent: list[int] = []
        try:
            with closing(_results(backend, left, sent, jobs)) as results:
                for number, result in results:
                    yield left.pop(number)[0], result
        except Exception as error:  # the backend's: the work's own are results
            if not sent:
                raise BenchError(
                    f"the executor {backend} cannot start {jobs} jobs: {Failure.of(error).reason}"
                ) from error
            for number in left.keys() & sent:
                task, message = left.pop(number)
                try:
                    ((_, alone),) = _results(backend, {number: (task, message)}, [], 1)
                except Exception as again:
                    alone = Failure.ended(Failure.of(again).reason)
                yield task, alone


def _messages(
    work: Callable[[Task], Result], tasks: Sequence[Task]
) -> Generator[tuple[Task, Failure], None, list[tuple[Task, bytes]]]:
    """Returns the tasks with what a worker is sent, for `answer`; yields those that cannot be sent."""
    messages = []
    for task in tasks:
        try:
            messages.append((task, cloudpickle.dumps((work, task))))
        except Exception as error:
            why = Failure.of(error)
            yield task, Failure(f"cannot be sent to a worker process ({why.reason})", why.detail)
    return messages


def _results(
    backend: str, messages: Mapping[int, tuple[Any, bytes]], sent: list[int], jobs: int
) -> Generator[tuple[int, Any], None, None]:
    """The results by number as they come; `sent` gets the numbers of what has gone to a worker."""

    def calls() -> Iterator[Any]:
        for number, (_, message) in list(messages.items()):
            sent.append(number)
            yield joblib.delayed(_numbered)(number, message)

    # one worker would be this very process
    workers = max(2, min(jobs, len(messages)))
    # Ctrl-C reaches all processes of loky, and is for this one to answer
    deaf = {"initializer": signal, "initargs": (SIGINT, SIG_IGN)} if backend == "loky" else {}
    with joblib.parallel_config(backend, **deaf):
        pool = joblib.Parallel(workers, return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
        results = pool(calls())
    try:
        for number, result in results:
            yield number, pickle.loads(result)
    finally:
        with warnings.catch_warnings(action="ignore"):  # that tasks have no result is no news
            results.close()


def _numbered(number: int, message: bytes) -> tuple[int, bytes]:
    return number, answer(message)


def _introduce(backend: str) -> None:
    """Let joblib know a backend that it does not bring, and connect to the cluster."""
    if backend == "ray":
        import ray
        from ray.util.joblib.ray_backend import RayBackend

        class Generating(RayBackend):  # type: ignore[misc]  # untyped
            supports_return_generator = True  # it is, but is taken for the multiprocessing that it stands on

        joblib.register_parallel_backend("ray", Generating)
        if not ray.is_initialized():  # RAY_ADDRESS names the cluster; without it, one of this machine
            ray.init(log_to_driver=False, logging_level="WARNING")


EXECUTORS: dict[str, Executor] = {
    "local": local,
    "inline": inline,
    "loky": partial(spread, "loky"),
    "ray": partial(spread, "ray"),
}
"""Name on the command line -> executor. Others of joblib's backends break the contract: runs in `threading`
share what is global to a process; `multiprocessing` and `dask` may wait forever once a worker has ended."""


def find(executor: str) -> Executor:
    """The executor of a name. Raises UsageError where there is none, or its library is not installed."""
    if executor not in EXECUTORS:
        raise UsageError(f"--executor: there is no {executor!r}; there are {', '.join(EXECUTORS)}.")
    if executor == "ray" and find_spec("ray") is None:
        raise UsageError("--executor ray needs the package ray, which is not installed: pip install ray")
    return EXECUTORS[executor]


def time_limit(executor: str, asked: float | None) -> float:
    """Seconds after which an executor ends a run, 0 for never: what is asked for, or an hour where it can.

    Raises:
        UsageError: it can end no run, or there is no such executor.
    """
    find(executor)
    if executor == "local":
        return HOUR if asked is None else asked
    if asked:
        raise UsageError(
            f"--timeout: {executor} cannot end a run that hangs; take --executor local, or no --timeout."
        )
    return 0
