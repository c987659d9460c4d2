"""Progress in the terminal: what is encoded, which runs are done, how long it will still take."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.errors import printable
from bench.runner import Outcome


class TerminalReporter:
    """A `bench.workflow.Reporter` that draws bars; on no terminal it prints a line now and then."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> TerminalReporter:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def encoding(self, what: str, done: int, total: int) -> None:
        """`done` of `total` items of one encoder are encoded."""
        self.working(f"encoding with {what}", done, total)

    def drawing(self, done: int, total: int) -> None:
        """`done` of `total` datasets are drawn."""
        self.working("drawing datasets", done, total)

    def running(self, done: int, total: int, last: Outcome | None) -> None:
        """`done` of `total` runs are executed, `last` just now."""
        self.working("training and testing", done, total)
        if last is not None and last.error:
            failed = f"failed: {last.spec.method}, seed {last.spec.seed}: {last.error}"
            self.console.print(failed, style="red", soft_wrap=True)

    def working(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of some work are done."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(printable(what), total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)
        tenth = max(1, total // 10)
        if not self.console.is_terminal and (done % tenth == 0 or done == total):
            self.console.print(f"{what}: {done}/{total}")
