"""The commands of `sync`: music-motion synchronicity."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from bench.commands.options import ALLOW_LINKS, EXECUTOR, OUT
from bench.errors import BenchError, printable
from bench.terminal import console, plain_errors, show

MODELS = click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="The folder of a `bench sync run`, whose networks are used.",
)


@click.group()
def sync() -> None:
    """Music-motion synchronicity of short videos, and what it does for engagement."""


@sync.command()
@click.option("--data", default="shortvideo", show_default=True, help="An embedded dataset or a folder.")
@click.option("--videos", type=click.IntRange(12, 1_000_000), help="Size of the data shortvideo (240).")
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option("--preset", default="quick", show_default=True, help="quick, paper or a FILE.toml.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes (default: one per core).")
@EXECUTOR
@ALLOW_LINKS
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="training.lr=0.01, mult.width=16")
@OUT
@plain_errors
def run(data: str, videos: int | None, seeds: int, jobs: int | None, **options: Any) -> None:
    """Score the videos of a dataset out of fold; say what that recovers, predicts and follows from."""
    from bench.data import catalog
    from bench.environment import cores
    from bench.progress import TerminalReporter
    from bench.request import Request
    from bench.sync.run import run as carried

    request = Request(**options, jobs=jobs or cores(), command=printable("bench " + shlex.join(sys.argv[1:])))
    arguments = {} if videos is None else {"videos": videos}
    dataset = catalog.load(data, allow_links=request.allow_links, **arguments)
    with TerminalReporter(console) as reporter:
        report = carried(request, dataset, seeds, reporter)
    console.print(*map(str, report.paths), sep="\n", soft_wrap=True)
    console.print(*report.answers.verdicts, *report.engagement, sep="\n", soft_wrap=True)
    if report.left_out:
        console.print(
            f"{len(report.left_out)} videos have no score (no picture, no sound, or too short); first: "
            f"{report.left_out[0]}",
            soft_wrap=True,
        )
    console.print(
        f"{report.trained} networks trained, {report.summary.executed} runs executed, "
        f"{report.summary.stored} already stored, {len(report.summary.failures)} failed; "
        f"{report.encoded} items encoded.",
        soft_wrap=True,
    )
    if report.summary.failures:
        first = report.summary.failures[0]
        raise BenchError(
            f"{len(report.summary.failures)} runs failed, the rest is stored; first: {first.spec.method}, "
            f"seed {first.spec.seed}: {first.error}"
        )


@sync.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@MODELS
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("."),
    show_default=True,
    help="Where sync-scores.csv and .json go.",
)
@plain_errors
def score(files: tuple[Path, ...], models: Path, out: Path) -> None:
    """Score videos by the networks of a `bench sync run`: a number per video, direction and step."""
    from bench.sync.files import score_files, write_scores
    from bench.sync.scorer import load

    rows = score_files(files, load(models))
    paths = write_scores(rows, out)
    show(rows.glance)
    console.print(*map(str, paths), sep="\n", soft_wrap=True)
    if rows.failed:
        raise BenchError(f"{len(rows.failed)} of {len(files)} files have no score; first: {rows.failed[0]}")


@sync.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--tracks", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Sound files.")
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many to show.")
@click.option("--preview", type=click.Path(path_type=Path), help="The MP4 to write (VIDEO-with-TRACK.mp4).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@MODELS
@plain_errors
def suggest(video: Path, tracks: Path, top: int, preview: Path | None, as_json: bool, models: Path) -> None:
    """Rank the tracks of a folder for a video, find their offsets, and write a preview of the best."""
    from bench.sync.advice import advise

    advice = advise(video, tracks, top, preview, models)
    if as_json:
        click.echo(advice.json)
        return
    show(advice.table)
    console.print(advice.why, soft_wrap=True)
    for one in advice.refused:
        console.print(f"left out: {one.track.name}: {one.reason}", soft_wrap=True)
    console.print(str(advice.preview), soft_wrap=True)


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
    console.print(*verdicts(summary), sep="\n", soft_wrap=True)
    command = f"bench sync simulate --draws {draws} --videos {videos}"
    console.print(*map(str, write(summary, out, command)), sep="\n", soft_wrap=True)
