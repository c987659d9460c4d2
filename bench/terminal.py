"""What a user sees in the terminal: errors in plain words, progress, tables, what was written."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.request import Request

console = Console(stderr=False)


def told_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print errors that a user can mend as one or two lines, with their exit status, never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False, show_level=True)
        logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
        try:
            return command(*args, **kwargs)
        except BenchError as error:
            click.echo(f"bench: {error}", err=True)
            sys.exit(error.exit_code)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"bench: {where}{error.strerror or error}; mend that and run again.", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo(
                "\nbench: interrupted; finished runs are stored, the same command goes on from here.",
                err=True,
            )
            sys.exit(130)

    return wrapped


def show(table: pd.DataFrame) -> None:
    """Print a table; cells wrap where the terminal is narrow."""
    shown = Table(*table.columns, box=None, header_style="bold", pad_edge=False)
    for row in table.itertuples(index=False):
        shown.add_row(*(escape(str(cell)) for cell in row))
    console.print(shown)


def carry_out(request: Request, *, page: bool) -> None:
    """Run experiments, draw their tables and figures, say what happened.

    With `page`, the report page is written too, and the tables are not printed.

    Raises:
        BenchError: a run failed; the others are stored.
    """
    from bench.progress import TerminalReporter
    from bench.report.figures import write_figures
    from bench.report.page import write_page
    from bench.report.tables import at_a_glance, rows_of, write_tables
    from bench.report.verdicts import verdict
    from bench.store import RunStore
    from bench.workflow import run

    with TerminalReporter(console) as reporter:
        report = run(request, reporter)
    store = RunStore(request.out)
    paths = []
    for plan in report.plans:
        paths += write_tables(plan, store, request.out)
        if plan.not_applicable:
            console.print(f"{plan.experiment} does not apply: {plan.not_applicable}.", markup=False)
        table = rows_of(plan, store)
        if not page and not table.empty:
            show(at_a_glance(plan, table))
            if table["reference"].any():
                console.print("* a reference: uses no fusion")
            console.print(verdict(plan, store), markup=False)
    figures = write_figures(report.plans, store, request.out)
    paths += [figure.path_png for figure in figures]
    paths += [write_page(report.plans, store, figures, request.out)] if page else []
    summary = report.summary
    console.print(
        f"{summary.executed} runs executed, {summary.stored} already stored, {len(summary.failures)} failed; "
        f"{report.encoded} items encoded.",
        *(str(path) for path in paths),
        sep="\n",
        soft_wrap=True,
        markup=False,
    )
    if summary.failures:
        first = summary.failures[0]
        raise BenchError(
            f"{len(summary.failures)} runs failed, the others are stored; first: {first.spec.method}, "
            f"seed {first.spec.seed}: {first.error}"
        )
