"""Work on many tasks in parallel, of which every answer is kept on disk as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import BenchError
from bench.executors import EXECUTORS
from bench.failure import Failure
from bench.sourcecode import PROJECT, digest

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""
Answer = dict[str, Any]
"""Numbers and texts by name."""
Task = TypeVar("Task")


def quiet(what: str, done: int, total: int) -> None:
    """Progress that says nothing."""


class Kept:
    """Answers in one file, a line each, which belong to the source code that gives them.

    A line that is not what was written, such as the last one of a process that was killed, does not count.

    Args:
        out: the folder of results.
        name: of the work.
        modules: where the code begins that decides an answer.
    """

    def __init__(self, out: Path, name: str, modules: Iterable[str]) -> None:
        code = digest([PROJECT], modules)
        self._path = out / "runs" / "calibration" / f"{name}-{code}.jsonl"

    def read(self) -> dict[str, Answer]:
        """Task, as text -> its answer."""
        found: dict[str, Answer] = {}
        lines = self._path.read_bytes().splitlines() if self._path.is_file() else []
        for line in lines:
            try:
                task, answer = json.loads(line)
                found[str(task)] = dict(answer)
            except (ValueError, TypeError, RecursionError):
                continue
        return found

    def add(self, task: str, answer: Answer) -> None:
        """Keep one more; on a line of its own, whatever the file ends in."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps([task, answer])}\n")


def work_through(
    work: Callable[[Task], Answer],
    tasks: Sequence[Task],
    what: str,
    *,
    jobs: int = 1,
    kept: Kept | None = None,
    progress: Progress = quiet,
) -> list[Answer]:
    """The answers to all tasks, in their order.

    Args:
        work: a function that workers can import; of equal tasks, as texts, the answers are the same.
        tasks: what to do.
        what: what that is, for people.
        jobs: how many processes.
        kept: answers of earlier calls, which are not asked for again.
        progress: hears how far the work is.

    Raises:
        BenchError: a task failed.
    """
    known = kept.read() if kept else {}
    found = {repr(task): known[repr(task)] for task in tasks if repr(task) in known}
    progress(what, len(found), len(tasks))
    left = [task for task in tasks if repr(task) not in found]
    for task, answer in EXECUTORS["local"](work, left, jobs):
        if isinstance(answer, Failure):
            raise BenchError(f"{what}, {task}: {answer.reason}")
        found[repr(task)] = answer
        if kept:
            kept.add(repr(task), answer)
        progress(what, len(found), len(tasks))
    return [found[repr(task)] for task in tasks]
