"""Commands about datasets: make, get, check, stats, init."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from bench.commands.options import ALLOW_LINKS, EXECUTOR
from bench.data.splits import KINDS
from bench.errors import UsageError
from bench.terminal import console, plain_errors, show, stderr_console


@click.group()
def data() -> None:
    """Make, describe, check and convert datasets."""


@data.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--streams", type=click.IntRange(20, 1_000_000), help="Of livestream: how many (440).")
@click.option(
    "--interaction", type=click.Choice(["entity", "modality", "none"]), help="Of livestream (entity)."
)
@click.option("--removed", type=click.FloatRange(0, 1, max_open=True), help="Of livestream (0).")
@click.option("--videos", type=click.IntRange(12, 1_000_000), help="Of shortvideo: how many (240).")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of what is drawn (0).")
@plain_errors
def make(name: str, folder: Path, **arguments: Any) -> None:
    """Write the embedded dataset NAME into FOLDER: tables, images, audio and video."""
    from bench.data import catalog

    chosen = {key: value for key, value in arguments.items() if value is not None}
    console.print(f"wrote {catalog.make(name, folder, **chosen)}", markup=False, soft_wrap=True)


@data.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from", "origin", type=click.Path(path_type=Path), required=True, help="Where the original lies."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of this dataset; for mosi: split, sources."
)
@plain_errors
def get(name: str, folder: Path | None, origin: Path, settings: tuple[str, ...]) -> None:
    """Convert the original of a published dataset into FOLDER (default: NAME); `bench list datasets`."""
    from bench.data import published

    pairs = [setting.partition("=") for setting in settings]
    for (key, equals, _), setting in zip(pairs, settings, strict=True):
        if not key or not equals:
            raise UsageError(f"--set {setting!r}: write key=value, such as split=standard.")
    chosen = {key.strip(): value.strip() for key, _, value in pairs}
    written = published.get(name, origin, folder or Path(name), chosen)
    console.print(f"wrote {written}", markup=False, soft_wrap=True)


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Decode every image, video and sound.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes for --deep (default: one per core).")
@EXECUTOR
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@ALLOW_LINKS
@plain_errors
def check(
    folder: Path, deep: bool, jobs: int | None, executor: str, as_json: bool, allow_links: tuple[Path, ...]
) -> None:
    """Every problem of the dataset in FOLDER, worst first, each with a fix; exit 1 if it cannot run."""
    from bench.data import checks
    from bench.environment import cores
    from bench.executors import find
    from bench.progress import TerminalReporter

    find(executor)
    with TerminalReporter(stderr_console) as reporter:
        problems = checks.check(
            folder,
            deep=deep,
            jobs=jobs or cores(),
            executor=executor,
            progress=reporter.working,
            allow_links=allow_links,
        )
    if as_json:
        click.echo(json.dumps(checks.as_json(problems), ensure_ascii=False, indent=1))
    else:
        for problem in problems:
            console.print(f"{problem.severity}: {problem}", soft_wrap=True)
    stopping = sum(problem.stops for problem in problems)
    if not as_json:
        outcome = f"{stopping} of them in the way of a run" if stopping else "it can run"
        deeper = "" if deep else "; --deep decodes every media file too"
        found = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
        console.print(f"{folder}: {found}, {outcome}{deeper}.", soft_wrap=True)
    if stopping:
        sys.exit(1)


@data.command()
@click.argument("data", metavar="NAME|FOLDER")
@click.option("--split", type=click.Choice(KINDS), default="auto", show_default=True)
@ALLOW_LINKS
@plain_errors
def stats(data: str, split: str, allow_links: tuple[Path, ...]) -> None:
    """The target per part, what is missing from every source, samples that occur in two parts."""
    from bench.data import catalog
    from bench.data.statistics import as_bars, statistics

    dataset = catalog.load(data, allow_links=allow_links)
    labels = ", ".join(one.schema.target.label for one in dataset.each)
    head = f"{dataset.schema.name}: {len(dataset)} samples, target{'s' * (len(dataset.each) > 1)} {labels}"
    console.print(head, soft_wrap=True)
    tables = statistics(dataset, split)
    for name, table in tables.items():
        console.print(f"\n{name}", style="bold")
        if table.empty:
            console.print("none")
        elif name == "histogram":
            for of, bins in table.groupby("target", sort=False) if "target" in table else [("", table)]:
                console.print(*filter(None, [of, as_bars(bins)]), sep="\n")
        else:
            show(table.round(4))


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@ALLOW_LINKS
@plain_errors
def init(folder: Path, allow_links: tuple[Path, ...]) -> None:
    """Look at the tables and media in FOLDER and propose a dataset.toml, to be edited."""
    from bench.data.proposal import propose

    path = folder / "dataset.toml"
    if os.path.lexists(path):  # a link to nothing, too, would be written through
        raise UsageError(f"{path} is there already; edit it, or move it away for a new proposal.")
    path.write_text(propose(folder, allow_links), encoding="utf-8")
    console.print(f"wrote {path}; read its comments, then: bench data check {folder}", soft_wrap=True)
