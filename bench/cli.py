"""The command line: options, and which function does the work."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from click.core import ParameterSource

from bench import __version__
from bench.data.splits import KINDS
from bench.errors import UsageError, printable
from bench.terminal import carry_out, console, show, stderr_console, told_plainly

if TYPE_CHECKING:
    from bench.request import Request


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Which way of fusing several kinds of data is best, by how much, and is that real?"""


def _settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that trains."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


ALLOW_LINKS = click.option(
    "--allow-links",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="A folder outside the dataset that links in it may lead to; may be given several times.",
)

OPTIONS = [
    click.option("--fusion", "fusions", help="all, names or globs, with commas (default: the experiment's)."),
    click.option(
        "--encoder",
        "encoders",
        multiple=True,
        metavar="MODALITY=NAMES",
        help="Encoders of a modality, with commas: image=resnet50,densenet121.",
    ),
    click.option("--backbone", help="Short for --encoder image=NAMES."),
    click.option("--text", help="Short for --encoder text=NAMES: hashing, bert, xlnet, or of Hugging Face."),
    click.option("--video", help="Short for --encoder video=NAMES: motion, videomae."),
    click.option("--audio", help="Short for --encoder audio=NAMES: logmel, wav2vec2."),
    click.option("--data", default="livestream", show_default=True, help="An embedded dataset or a folder."),
    click.option("--streams", type=click.IntRange(20, 1_000_000), help="Size of the embedded dataset (320)."),
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
    ALLOW_LINKS,
    click.option("--split", type=click.Choice(KINDS), help="How the test part is chosen (auto)."),
    click.option(
        "--missing",
        type=click.Choice(["keep", "drop", "keep,drop"]),
        help="Samples that lack a source: keep (masked), or drop, as in the paper; or both (keep).",
    ),
    click.option("--preset", default="quick", show_default=True, help="quick, paper or a FILE.toml."),
    click.option("--seeds", type=click.IntRange(1, 10_000), help="How many seeds, each its own split (3)."),
    click.option("--weights", type=click.Choice(["auto", "pretrained", "random"]), help="Of the encoders."),
    click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True),
    click.option("--jobs", type=click.IntRange(1, 1024), help="Processes (default: one per core)."),
    click.option(
        "--executor",
        type=click.Choice(["local", "inline"]),
        default="local",
        show_default=True,
        help="local: worker processes; inline: this one, for debugging, unprotected from crashes and hangs.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=3600,
        show_default=True,
        help="Seconds after which a run has failed; 0: never.",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."),
    click.option(
        "--plugin",
        "plugins",
        type=click.Path(path_type=Path),
        multiple=True,
        help="A file that registers fusions or encoders.",
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
@told_plainly
def run(experiment: str, **options: Any) -> None:
    """Compare fusions: encode, train and test whatever is not stored yet, then draw tables and figures."""
    names = tuple(name.strip() for name in experiment.split(",") if name.strip())
    carry_out(as_request(names, **options), page=False)


@main.command()
@click.option("--audit", "audit_only", is_flag=True, help="Only check the numbers the paper prints.")
@click.option("--tables", type=click.Path(path_type=Path), help="With --audit: another paper's tables (CSV).")
@click.option("--claims", type=click.Path(path_type=Path), help="With --audit: what its text claims (TOML).")
@_settings
@told_plainly
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
    experiments = tuple(e.name for e in EXPERIMENTS.values() if e.paper)
    carry_out(as_request(experiments, **options), page=True)


def as_request(
    experiments: tuple[str, ...],
    *,
    encoders: tuple[str, ...],
    backbone: str | None,
    text: str | None,
    video: str | None,
    audio: str | None,
    streams: int | None,
    interaction: str | None,
    removed: float | None,
    missing: str | None,
    jobs: int | None,
    save_models: bool,
    **options: Any,
) -> Request:
    """What the options of a command that trains ask for."""
    from bench.environment import cores
    from bench.request import Request

    arguments = {"streams": streams, "interaction": interaction, "removed": removed}
    short = {"image": backbone, "text": text, "video": video, "audio": audio}
    return Request(
        experiments=experiments,
        encoders=_encoders(encoders, {m: names for m, names in short.items() if names is not None}),
        jobs=jobs or cores(),
        data_arguments={key: value for key, value in arguments.items() if value is not None},
        missing=tuple(missing.split(",")) if missing else (),
        observe=frozenset({"model"} if save_models else ()),
        command=printable("bench " + shlex.join(sys.argv[1:])),
        **options,
    )


def _encoders(pairs: tuple[str, ...], short: dict[str, str]) -> dict[str, str]:
    """Modality -> names, from ``image=resnet50,densenet121`` and the short forms."""
    chosen = dict(short)
    for pair in pairs:
        modality, equals, names = (part.strip() for part in pair.partition("="))
        if not equals or not names:
            raise UsageError(f"--encoder {pair!r}: write MODALITY=NAMES, such as image=resnet50,densenet121.")
        if modality in chosen:
            raise UsageError(f"--encoder: {modality} is given twice; separate its encoders with commas.")
        chosen[modality] = names
    return chosen


def _audit(tables: Path | None, claims: Path | None, out: Path) -> None:
    """Check the numbers that the paper prints against each other, its text and its data."""
    from bench.paper.audit import audit
    from bench.paper.claims import CLAIMS, load_claims
    from bench.paper.finding import as_table, write_findings
    from bench.paper.printed import TABLES, read_tables

    said = load_claims(claims or CLAIMS)
    findings = audit(read_tables(tables or TABLES), said)
    show(as_table(findings).iloc[:, :5])
    for path in write_findings(findings, out, said.paper):
        console.print(str(path))


OUT = click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True)


@main.command()
@OUT
@told_plainly
def tables(out: Path) -> None:
    """Draw the tables again from stored runs."""
    from bench.publish import read_all

    for reading in read_all(out):
        for path in reading.write_tables(out):
            console.print(str(path))


@main.command()
@OUT
@told_plainly
def figures(out: Path) -> None:
    """Draw the figures again from stored runs."""
    from bench.publish import read_all

    for reading in read_all(out):
        for figure in reading.write_figures(out):
            console.print(str(figure.path_png))


@main.command()
@OUT
@told_plainly
def report(out: Path) -> None:
    """Write report.html from stored runs: one file with all tables and figures."""
    from bench.publish import read_all, write_report

    console.print(str(write_report(read_all(out), out)[1]))


@main.command()
@click.argument("out", type=click.Path(path_type=Path), default=Path("results"))
@click.option(
    "--csv", "file", type=click.Path(path_type=Path), help="Where to; - or nothing: standard output."
)
@told_plainly
def results(out: Path, file: Path | None) -> None:
    """Every stored prediction of OUT as one CSV table: experiment, method, encoders, seed, sample, truth."""
    from bench.publish import all_predictions

    table = all_predictions(out)
    if file is None or str(file) == "-":
        click.echo(table.to_csv(index=False), nl=False)
    else:
        table.to_csv(file, index=False)
        console.print(f"wrote {len(table):,} predictions to {file}", soft_wrap=True)


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--method", required=True, help="As tables name it: memf, boosted-trees.")
@click.option("--data", "new", type=click.Path(path_type=Path), required=True, help="A folder of new rows.")
@click.option("--backbone", help="Which row of the method, where a table has several.")
@click.option("--text", help="The same.")
@click.option("--variant", help='The same; "" for the one without a name.')
@click.option("--csv", "target", help="Where to write all rows; - for standard output (in OUT).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file that registers fusions.",
)
@ALLOW_LINKS
@told_plainly
def predict(
    out: Path, method: str, new: Path, target: str | None, allow_links: tuple[Path, ...], **options: Any
) -> None:
    """Apply a method that `run --save-models` kept in OUT to new rows: mean and spread over its seeds."""
    from bench.files import write_text
    from bench.predict import load

    table = load(out, method, **options).predict(new, allow_links)
    if target == "-":
        click.echo(table.to_csv(index=False), nl=False)
        return
    path = Path(target) if target else out / f"predictions-{method}.csv"
    write_text(path, table.to_csv(index=False))
    show(table.head(10))
    console.print(f"{len(table)} rows: {path}", soft_wrap=True)


@main.command("list")
@click.argument("what", type=click.Choice(["fusions", "encoders", "datasets", "experiments", "presets"]))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file that registers fusions or encoders.",
)
@told_plainly
def list_(what: str, as_json: bool, plugins: tuple[Path, ...]) -> None:
    """Show what there is: fusions, encoders, datasets, experiments, presets."""
    from bench.inventory import inventory
    from bench.plugins import load_plugins

    load_plugins(plugins)
    rows = inventory(what)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    elif what == "datasets":  # each has much to say
        for row in rows:
            show(pd.DataFrame(list(row.items())[1:], columns=["name", row["name"]]))
            console.print()
    else:
        show(pd.DataFrame(rows))


@main.command()
@told_plainly
def doctor() -> None:
    """Show versions, devices, threads, which weights are present and the size of the cache."""
    from bench.doctor import findings

    show(pd.DataFrame(findings(), columns=["what", "found"], dtype=object))


@main.group()
def data() -> None:
    """Make, describe, check and convert datasets."""


@data.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--streams", type=click.IntRange(20, 1_000_000), default=320, show_default=True)
@click.option(
    "--interaction", type=click.Choice(["entity", "modality", "none"]), default="entity", show_default=True
)
@click.option("--removed", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@told_plainly
def make(name: str, folder: Path, **arguments: Any) -> None:
    """Write the embedded dataset NAME into FOLDER: tables, images, audio and video."""
    from bench.data import catalog

    console.print(f"wrote {catalog.make(name, folder, **arguments)}", markup=False, soft_wrap=True)


@data.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from", "origin", type=click.Path(path_type=Path), required=True, help="Where the original lies."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of this dataset; for mosi: split, sources."
)
@told_plainly
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
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@ALLOW_LINKS
@told_plainly
def check(folder: Path, deep: bool, jobs: int | None, as_json: bool, allow_links: tuple[Path, ...]) -> None:
    """Every problem of the dataset in FOLDER, worst first, each with its mend; exit 1 if it cannot run."""
    from bench.data import checks
    from bench.environment import cores
    from bench.progress import TerminalReporter

    with TerminalReporter(stderr_console) as reporter:
        problems = checks.check(
            folder, deep=deep, jobs=jobs or cores(), progress=reporter.working, allow_links=allow_links
        )
    if as_json:
        click.echo(json.dumps(checks.as_json(problems), ensure_ascii=False, indent=1))
    else:
        for problem in problems:
            console.print(f"{problem.severity}: {problem}", soft_wrap=True)
    stopping = sum(problem.stops for problem in problems)
    if not as_json:
        told = f"{stopping} of them in the way of a run" if stopping else "it can run"
        deeper = "" if deep else "; --deep decodes every media file too"
        found = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
        console.print(f"{folder}: {found}, {told}{deeper}.", soft_wrap=True)
    if stopping:
        sys.exit(1)


@data.command()
@click.argument("data", metavar="NAME|FOLDER")
@click.option("--split", type=click.Choice(KINDS), default="auto", show_default=True)
@ALLOW_LINKS
@told_plainly
def stats(data: str, split: str, allow_links: tuple[Path, ...]) -> None:
    """The target per part, what is missing from every source, samples that occur in two parts."""
    from bench.data import catalog
    from bench.data.statistics import as_bars, statistics

    dataset = catalog.load(data, allow_links=allow_links)
    head = f"{dataset.schema.name}: {len(dataset)} samples, target {dataset.schema.target.label}"
    console.print(head, soft_wrap=True)
    tables = statistics(dataset, split)
    for name, table in tables.items():
        console.print(f"\n{name}", style="bold")
        if table.empty:
            console.print("none")
        elif name == "histogram":
            console.print(as_bars(table))
        else:
            show(table.round(4))


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@ALLOW_LINKS
@told_plainly
def init(folder: Path, allow_links: tuple[Path, ...]) -> None:
    """Look at the tables and media in FOLDER and propose a dataset.toml, to be edited."""
    from bench.data.proposal import propose

    path = folder / "dataset.toml"
    if os.path.lexists(path):  # a link to nothing, too, would be written through
        raise UsageError(f"{path} is there already; edit it, or move it away for a new proposal.")
    path.write_text(propose(folder, allow_links), encoding="utf-8")
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
@told_plainly
def perf_data(out: Path, samples: int, folder: Path | None) -> None:
    """The loader on simulated features: first batch, samples per second, memory, against 10,000 samples."""
    from bench.perf.data import run_data, verdict
    from bench.progress import TerminalReporter

    with TerminalReporter(console) as reporter:
        table = run_data(out, samples, folder, reporter.working)
    show(table.round(2))
    for line in verdict(table):
        console.print(line)


if __name__ == "__main__":
    main()
