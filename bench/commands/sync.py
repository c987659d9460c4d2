"""The commands of `sync`: music-motion synchronicity."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands.options import OUT
from bench.terminal import console, plain_errors, show


@click.group()
def sync() -> None:
    """Music-motion synchronicity of short videos, and what it does for engagement."""


@sync.command()
@click.option("--draws", type=click.IntRange(2, 100_000), default=100, show_default=True)
@click.option("--videos", type=click.IntRange(120, 100_000), default=240, show_default=True, help="Per draw.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=2, show_default=True, help="Processes.")
@OUT
@plain_errors
def simulate(draws: int, videos: int, jobs: int, out: Path) -> None:
    """Measure whether slopes of engagement come out as planted, with and without controls.

    Every draw is a new set of short videos at feature level: no file is written or read.
    """
    from bench.progress import TerminalReporter
    from bench.sync.simulate import simulate as drawn
    from bench.sync.simulate import summarise, verdicts, write

    with TerminalReporter(console) as reporter:
        summary = summarise(drawn(draws, videos, jobs, progress=reporter.working))
    glance = summary[["model", "level", "planted", "bias", "covered", "all_covered"]].round(3)
    show(glance.astype(object).where(glance.notna(), "–"))
    console.print(*verdicts(summary), sep="\n")
    command = f"bench sync simulate --draws {draws} --videos {videos}"
    console.print(*map(str, write(summary, out, command)), sep="\n", soft_wrap=True)
