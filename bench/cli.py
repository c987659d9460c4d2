"""The command line. Only options and printing: the work is in `bench.workflow` and `bench.report`."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
import pandas as pd
from click.core import ParameterSource
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from bench import __version__
from bench.data.splits import KINDS
from bench.errors import BenchError, UsageError

console = Console(stderr=False)


def _told_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Which way of fusing several kinds of data is best, by how much, and is that real?"""


def _settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that trains."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


OPTIONS = [
    click.option("--fusion", "fusions", help="all, names or globs, with commas (default: the experiment's)."),
    click.option("--backbone", "backbones", help="Image encoders, with commas: resnet50,densenet121."),
    click.option("--text", help="Text encoders, with commas: hashing, bert, xlnet, or of Hugging Face."),
    click.option("--video", help="Video encoder: motion, videomae."),
    click.option("--audio", help="Audio encoder: logmel, wav2vec2."),
    click.option("--data", default="livestream", show_default=True, help="An embedded dataset or a folder."),
    click.option("--streams", type=click.IntRange(min=20), help="Size of the embedded dataset (320)."),
    click.option(
        "--interaction",
        type=click.Choice(["entity", "modality", "none"]),
        help="Where the embedded dataset has its interactions planted (entity).",
    ),
    click.option(
        "--removed",
        type=click.FloatRange(0, 1, max_open=True),
        help="Share of the embedded dataset's values that are left empty (0).",
    ),
    click.option("--split", type=click.Choice(KINDS), help="How the test part is chosen (auto)."),
    click.option(
        "--missing",
        type=click.Choice(["keep", "drop", "keep,drop"]),
        help="Samples that lack a source: keep (masked), or drop, as in the paper; or both (keep).",
    ),
    click.option("--preset", default="quick", show_default=True, help="quick, paper or a FILE.toml."),
    click.option("--seeds", type=click.IntRange(min=1), help="How many seeds, each its own split (3)."),
    click.option("--weights", type=click.Choice(["auto", "pretrained", "random"]), help="Of the encoders."),
    click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True),
    click.option("--jobs", type=click.IntRange(min=1), help="Processes (default: one per core)."),
    click.option("--executor", type=click.Choice(["local"]), default="local", show_default=True),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."),
    click.option(
        "--plugin",
        "plugins",
        type=click.Path(path_type=Path),
        multiple=True,
        help="A file that registers fusions.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="training.lr=0.01, trunk.slots=false, mfb.factor=3.",
    ),
    click.option("--force", is_flag=True, help="Execute runs again that are stored."),
    click.option("--save-models", is_flag=True, help="Keep every trained model in its run folder."),
]


@main.command()
@click.option(
    "--experiment", default="fusion", show_default=True, help="What to compare; `bench list experiments`."
)
@_settings
@_told_plainly
def run(experiment: str, **options: Any) -> None:
    """Compare fusions: encode, train and test whatever is not stored yet, then draw tables and figures."""
    names = tuple(name.strip() for name in experiment.split(",") if name.strip())
    _carry_out(names, page=False, **options)


@main.command()
@click.option("--audit", "audit_only", is_flag=True, help="Only check the numbers the paper prints.")
@click.option("--tables", type=click.Path(path_type=Path), help="With --audit: another paper's tables (CSV).")
@click.option("--claims", type=click.Path(path_type=Path), help="With --audit: what its text claims (TOML).")
@_settings
@_told_plainly
def paper(audit_only: bool, tables: Path | None, claims: Path | None, **options: Any) -> None:
    """Every experiment of the paper, then all tables, figures and the report."""
    from bench.experiments import EXPERIMENTS

    if audit_only:
        context = click.get_current_context()
        for option in context.command.params:
            said = context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
            if said and option.name in options and option.name != "out":
                raise UsageError(f"--audit trains nothing and has no use for {option.opts[0]}.")
        _audit(tables, claims, options["out"])
        return
    if tables or claims:
        raise UsageError("--tables and --claims go with --audit.")
    _carry_out(tuple(e.name for e in EXPERIMENTS.values() if e.paper), page=True, **options)


def _carry_out(
    experiments: tuple[str, ...],
    *,
    page: bool,
    streams: int | None,
    interaction: str | None,
    removed: float | None,
    missing: str | None,
    jobs: int | None,
    save_models: bool,
    **options: Any,
) -> None:
    """Run experiments, draw their tables and figures, say what happened; a BenchError if a run failed.

    With `page`, the report page is written too, and the tables are not printed.
    """
    from bench.environment import cores
    from bench.progress import TerminalReporter
    from bench.report.figures import write_figures
    from bench.report.page import write_page
    from bench.report.tables import at_a_glance, rows_of, write_tables
    from bench.report.verdicts import verdict
    from bench.request import Request
    from bench.store import RunStore
    from bench.workflow import run as carry_out

    arguments = {"streams": streams, "interaction": interaction, "removed": removed}
    request = Request(
        experiments=experiments,
        jobs=jobs or cores(),
        data_arguments={key: value for key, value in arguments.items() if value is not None},
        missing=tuple(missing.split(",")) if missing else (),
        observe=frozenset({"weights"} if save_models else ()),
        command=_command_line(),
        **options,
    )
    with TerminalReporter(console) as reporter:
        report = carry_out(request, reporter)
    store = RunStore(request.out)
    paths = []
    for plan in report.plans:
        paths += write_tables(plan, store, request.out)
        if plan.not_applicable:
            console.print(f"{plan.experiment} does not apply: {plan.not_applicable}.", markup=False)
        table = rows_of(plan, store)
        if not page and not table.empty:
            _show(at_a_glance(plan, table))
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


def _audit(tables: Path | None, claims: Path | None, out: Path) -> None:
    """Check the numbers that the paper prints against each other, its text and its data."""
    from bench.paper.audit import audit
    from bench.paper.claims import CLAIMS, load_claims
    from bench.paper.finding import as_table, write_findings
    from bench.paper.printed import TABLES, read_tables

    said = load_claims(claims or CLAIMS)
    findings = audit(read_tables(tables or TABLES), said)
    _show(as_table(findings).iloc[:, :5])
    for path in write_findings(findings, out, said.paper):
        console.print(str(path), markup=False)


OUT = click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True)


@main.command()
@OUT
@_told_plainly
def tables(out: Path) -> None:
    """Draw the tables again from stored runs."""
    from bench.plan import load_plans
    from bench.report.tables import write_tables
    from bench.store import RunStore

    for plan in load_plans(out):
        for path in write_tables(plan, RunStore(out), out):
            console.print(str(path), markup=False)


@main.command()
@OUT
@_told_plainly
def figures(out: Path) -> None:
    """Draw the figures again from stored runs."""
    from bench.plan import load_plans
    from bench.report.figures import write_figures
    from bench.store import RunStore

    for figure in write_figures(load_plans(out), RunStore(out), out):
        console.print(str(figure.path_png), markup=False)


@main.command()
@OUT
@_told_plainly
def report(out: Path) -> None:
    """Write report.html from stored runs: one file with all tables and figures."""
    _draw_report(out)


def _draw_report(out: Path) -> None:
    from bench.plan import load_plans
    from bench.report.figures import write_figures
    from bench.report.page import write_page
    from bench.store import RunStore

    plans, store = load_plans(out), RunStore(out)
    console.print(str(write_page(plans, store, write_figures(plans, store, out), out)), markup=False)


@main.command("list")
@click.argument("what", type=click.Choice(["fusions", "encoders", "datasets", "experiments", "presets"]))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file that registers fusions.",
)
@_told_plainly
def list_(what: str, as_json: bool, plugins: tuple[Path, ...]) -> None:
    """Show what there is: fusions, encoders, datasets, experiments, presets."""
    from bench.inventory import inventory
    from bench.runner import load_plugins

    load_plugins(plugins)
    rows = inventory(what)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    elif what == "datasets":  # each has much to say
        for row in rows:
            _show(pd.DataFrame(list(row.items())[1:], columns=["name", row["name"]]))
            console.print()
    else:
        _show(pd.DataFrame(rows))


@main.command()
@_told_plainly
def doctor() -> None:
    """Show versions, devices, threads, which weights are present and the size of the cache."""
    from bench.doctor import findings

    _show(pd.DataFrame(findings(), columns=["what", "found"]))


@main.group()
def data() -> None:
    """Make, describe, check and convert datasets."""


@data.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--streams", type=click.IntRange(min=20), default=320, show_default=True)
@click.option(
    "--interaction", type=click.Choice(["entity", "modality", "none"]), default="entity", show_default=True
)
@click.option("--removed", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@_told_plainly
def make(name: str, folder: Path, **arguments: Any) -> None:
    """Write the embedded dataset NAME into FOLDER: tables, images, audio and video."""
    from bench.data import catalog

    console.print(f"wrote {catalog.make(name, folder, **arguments)}")


@data.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from", "origin", type=click.Path(path_type=Path), required=True, help="Where the original lies."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of this dataset; for mosi: split, sources."
)
@_told_plainly
def get(name: str, folder: Path | None, origin: Path, settings: tuple[str, ...]) -> None:
    """Convert the original of a published dataset into FOLDER (default: NAME); `bench list datasets`."""
    from bench.data import published

    pairs = [setting.partition("=") for setting in settings]
    for (key, equals, _), setting in zip(pairs, settings, strict=True):
        if not key or not equals:
            raise UsageError(f"--set {setting!r}: write key=value, such as split=standard.")
    chosen = {key.strip(): value.strip() for key, _, value in pairs}
    console.print(f"wrote {published.get(name, origin, folder or Path(name), chosen)}")


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_told_plainly
def init(folder: Path) -> None:
    """Look at the tables and media in FOLDER and propose a dataset.toml, to be edited."""
    from bench.data.proposal import propose

    path = folder / "dataset.toml"
    if path.exists():
        raise UsageError(f"{path} is there already; edit it, or move it away for a new proposal.")
    path.write_text(propose(folder), encoding="utf-8")
    console.print(f"wrote {path}; read its comments, then: bench data check {folder}", soft_wrap=True)


@main.group()
def perf() -> None:
    """Measure speed and memory on this machine."""


@perf.command("data")
@OUT
@click.option("--samples", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where the simulated features go and stay (temporary)."
)
@_told_plainly
def perf_data(out: Path, samples: int, folder: Path | None) -> None:
    """The loader on simulated features: first batch, samples per second, memory, against 10,000 samples."""
    from bench.perf.data import run_data, verdict
    from bench.progress import TerminalReporter

    with TerminalReporter(console) as reporter:
        table = run_data(out, samples, folder, reporter.working)
    _show(table.round(2))
    for line in verdict(table):
        console.print(line, markup=False)


def _show(table: pd.DataFrame) -> None:
    """Print a table; cells wrap where the terminal is narrow."""
    shown = Table(*table.columns, box=None, header_style="bold", pad_edge=False)
    for row in table.itertuples(index=False):
        shown.add_row(*(escape(str(cell)) for cell in row))
    console.print(shown)


def _command_line() -> str:
    """The command as it was typed, for captions."""
    return "bench " + " ".join(sys.argv[1:])


if __name__ == "__main__":
    main()
