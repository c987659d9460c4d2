"""What a user sees in the terminal: errors in plain words, progress, tables, what was written.

Everything is printed through `console` (or, of errors, `say_error`): names and messages from outside are
shown as they are, never read as markup, and what a terminal would obey or cannot show is escaped.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.errors import BenchError, printable

if TYPE_CHECKING:
    from bench.publish import Reading
    from bench.request import Request
    from bench.runner import Summary

LINES = "\n\t"
"""What a console may get beside printable characters."""


class _Escaping(Console):
    """A console to which text is text."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as it is, but for what `printable` escapes."""
        return super().render_str(printable(text, keep=LINES), **options)


console = _Escaping(markup=False, emoji=False, highlight=False)
stderr_console = _Escaping(stderr=True, markup=False, emoji=False, highlight=False)


class _Handler(logging.Handler):
    """Prints what is logged on a line of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        style = "yellow" if record.levelno == logging.WARNING else "red"
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        stderr_console.print(text, style=style, soft_wrap=True)


def plain_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print errors that a user can fix as one or two lines, with their exit status, never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        logging.basicConfig(level=logging.WARNING, handlers=[_Handler()], force=True)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that knows no Chinese must not end a run
                stream.reconfigure(errors="backslashreplace")
        if not sys.warnoptions:  # what a library says to programmers
            warnings.simplefilter("ignore")
        try:
            return command(*args, **kwargs)
        except BenchError as error:
            say_error(str(error))
            sys.exit(error.exit_code)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            say_error(f"{where}{error.strerror or error}; fix that and run again.")
            sys.exit(1)
        except KeyboardInterrupt:
            say_error("interrupted; finished runs are stored, the same command continues from here.")
            sys.exit(130)

    return wrapped


def say_error(text: str) -> None:
    """Print an error."""
    click.echo(f"bench: {printable(text, keep=LINES)}", err=True)


def show(table: pd.DataFrame) -> None:
    """Print a table; cells wrap where the terminal is narrow."""
    shown = Table(*map(str, table.columns), box=None, header_style="bold", pad_edge=False)
    for row in table.itertuples(index=False):
        shown.add_row(*map(str, row))
    console.print(shown)


def carry_out(request: Request, *, page: bool) -> None:
    """Run experiments, draw their tables and figures, say what happened and what came out.

    With `page`, the report page is written too, and of the tables only the comparison of fusions is printed.

    Raises:
        BenchError: a run failed; the others are stored.
    """
    from bench.progress import TerminalReporter
    from bench.publish import read, write_report
    from bench.store import RunStore
    from bench.workflow import run

    with TerminalReporter(console) as reporter:
        report = run(request, reporter)
    store = RunStore(request.out)
    readings = [read(plan, store) for plan in [*report.plans, *report.archived]]
    paths = [path for reading in readings for path in reading.write_tables(request.out)]
    if page:
        figures, written = write_report(readings, request.out)
        paths += [*(figure.path_png for figure in figures), written]
        suffixes = ", ".join(sorted({path.suffix for path in paths}))
        console.print(f"{len(paths)} files ({suffixes}) under {request.out}", soft_wrap=True)
    else:
        paths += [f.path_png for reading in readings for f in reading.write_figures(request.out)]
        console.print(*map(str, paths), sep="\n", soft_wrap=True)
    for plan in report.archived:
        console.print(
            f"An earlier {plan.experiment} comparison had other settings; it is now {plan.name}.",
            soft_wrap=True,
        )
    for reading in readings[: len(report.plans)]:
        plan = reading.plan
        if not page or plan.experiment == "fusion":
            _show_results(reading)
        if plan.not_applicable:
            console.print(f"{plan.experiment} does not apply: {plan.not_applicable}.", soft_wrap=True)
        if plan.left_out:
            console.print(f"{plan.experiment}: {plan.left_out}", soft_wrap=True)
    _summarise(report.summary, report.encoded)
    if page:
        console.print(f"Report: {request.out / 'report.html'}", soft_wrap=True)


def _show_results(reading: Reading) -> None:
    from bench.report.tables import at_a_glance

    table = reading.table
    if table.empty:
        return
    show(at_a_glance(reading.plan, table, reading.results.metrics))
    if table["reference"].any():
        console.print("* a reference: uses no fusion")
    console.print(*reading.verdicts, sep="\n")


def _summarise(summary: Summary, encoded: int) -> None:
    console.print(
        f"{summary.executed} runs executed, {summary.stored} already stored, {len(summary.failures)} failed; "
        f"{encoded} items encoded.",
        soft_wrap=True,
    )
    if summary.failures:
        first = summary.failures[0]
        raise BenchError(
            f"{len(summary.failures)} runs failed, the others are stored; first: {first.spec.method}, "
            f"seed {first.spec.seed}: {first.error}"
        )
