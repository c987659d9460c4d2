"""The command `calibrate`: how far this suite's own instruments are to be trusted."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bench.commands.options import OUT, PLUGIN
from bench.errors import UsageError
from bench.terminal import console, plain_errors, show

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("simulated", "trained", "methods", "shares", "order")
USED_BY = MappingProxyType(
    {
        "repeats": ("simulated",),
        "datasets": ("trained",),
        "plugins": ("methods",),
        "retrain": ("shares",),
        "planted": ("order",),
        "seeds": ("shares", "order"),
        "streams": ("shares", "order"),
    }
)
"""Option -> the parts that look at it."""


def _count(name: str, default: int, what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that is a number of two at least."""
    return click.option(
        f"--{name}", type=click.IntRange(min=2), default=default, show_default=True, help=what
    )


@click.command()
@click.option(
    "--part", "parts", type=click.Choice(PARTS), multiple=True, help="May be given several times (all)."
)
@_count("repeats", 1000, "simulated: comparisons of each case.")
@_count("datasets", 300, "trained: datasets of noise.")
@_count("planted", 3, "order: datasets with interactions within entities, and as many within modalities.")
@_count("seeds", 5, "shares, order: random splits.")
@click.option(
    "--streams",
    type=click.IntRange(min=20),
    help="shares, order: size of the generated datasets (that of the embedded one).",
)
@click.option("--retrain", is_flag=True, help="shares: also Shapley values from a model for every set.")
@PLUGIN
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True)
@OUT
@plain_errors
def calibrate(
    parts: tuple[str, ...],
    repeats: int,
    datasets: int,
    planted: int,
    seeds: int,
    streams: int | None,
    retrain: bool,
    plugins: tuple[Path, ...],
    jobs: int,
    out: Path,
) -> None:
    """Measure how far verdicts and estimates are to be trusted, where the truth is known.

    simulated, trained: how often verdicts are false, and what they find. methods: which of all methods, and
    of a plugin's, read the test part, go by ids or order, or ignore their inputs. shares: what entities are
    worth by several estimators, beside what was planted. order: how often the order of fusion that fits wins.

    What is stored is not done again: the same command goes on where it was.
    """
    from bench.calibrate.flaws import examined
    from bench.calibrate.order import contested
    from bench.calibrate.pages import write
    from bench.calibrate.shares import recovered
    from bench.calibrate.verdicts import simulated, trained
    from bench.progress import TerminalReporter

    chosen = [part for part in PARTS if part in parts or not parts]
    commands = {part: _command(part) for part in chosen}
    _refuse_unused(chosen)
    with TerminalReporter(console) as reporter:
        told: dict[str, Any] = {"out": out, "jobs": jobs, "progress": reporter.working}
        ran: dict[str, Any] = {
            "seeds": seeds,
            "data": {} if streams is None else {"streams": streams},
            "out": out,
            "jobs": jobs,
            "reporter": reporter,
        }
        work: dict[str, Callable[[], pd.DataFrame]] = {
            "simulated": lambda: simulated(repeats, **told),
            "trained": lambda: trained(datasets, **told),
            "methods": lambda: examined(plugins, **told),
            "shares": lambda: recovered(retrain=retrain, **ran),
            "order": lambda: contested(planted, **ran),
        }
        tables = {part: work[part]() for part in chosen}
    for part, table in tables.items():
        show(table.round(3))
        console.print(*map(str, write(part, table, out, commands[part])), sep="\n", soft_wrap=True)


def _said(context: click.Context) -> list[click.Parameter]:
    """The options of parts that stand on the command line."""
    return [
        option
        for option in context.command.params
        if option.name in USED_BY and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]


def _refuse_unused(chosen: Sequence[str]) -> None:
    """Raises UsageError for an option that no chosen part looks at."""
    for option in _said(click.get_current_context()):
        used = USED_BY[str(option.name)]
        if not set(used) & set(chosen):
            raise UsageError(f"{option.opts[0]} is of --part {' and '.join(used)}, which is left out.")


def _command(part: str) -> str:
    """The command that makes the table of one part again."""
    context, words = click.get_current_context(), ["bench", "calibrate", "--part", part]
    for option in _said(context):
        if part in USED_BY[str(option.name)]:
            value = context.params[str(option.name)]
            values = value if isinstance(value, tuple) else (value,)
            words += (
                [option.opts[0]] if value is True else [w for v in values for w in (option.opts[0], str(v))]
            )
    return shlex.join(words)
