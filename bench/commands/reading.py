"""Commands that read what is stored: tables, figures, report, results, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.commands.options import ALLOW_LINKS, OUT, PLUGIN
from bench.terminal import console, plain_errors, show


@click.command()
@OUT
@click.option("--all", "everything", is_flag=True, help="Every metric in the Markdown too, as in the CSV.")
@plain_errors
def tables(out: Path, everything: bool) -> None:
    """Draw the tables again from stored runs."""
    from bench.publish import read_all

    for reading in read_all(out):
        for path in reading.write_tables(out, everything):
            console.print(str(path))


@click.command()
@OUT
@plain_errors
def figures(out: Path) -> None:
    """Draw the figures again from stored runs."""
    from bench.publish import read_all

    for reading in read_all(out):
        for figure in reading.write_figures(out):
            console.print(str(figure.path_png))


@click.command()
@OUT
@plain_errors
def report(out: Path) -> None:
    """Write report.html from stored runs: one file with all tables and figures."""
    from bench.publish import read_all, write_report

    console.print(str(write_report(read_all(out), out)[1]))


@click.command()
@click.argument("out", type=click.Path(path_type=Path), default=Path("results"))
@click.option(
    "--csv", "file", type=click.Path(path_type=Path), help="Where to; - or nothing: standard output."
)
@plain_errors
def results(out: Path, file: Path | None) -> None:
    """Every stored prediction of OUT as one CSV table: experiment, method, encoders, seed, sample, truth."""
    from bench.publish import all_predictions

    table = all_predictions(out)
    if file is None or str(file) == "-":
        click.echo(table.to_csv(index=False), nl=False)
    else:
        table.to_csv(file, index=False)
        console.print(f"wrote {len(table):,} predictions to {file}", soft_wrap=True)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--method", required=True, help="As tables name it: memf, boosted-trees.")
@click.option("--data", "new", type=click.Path(path_type=Path), required=True, help="A folder of new rows.")
@click.option("--backbone", help="Which row of the method, where a table has several.")
@click.option("--text", help="The same.")
@click.option("--variant", help='The same; "" for the one without a name.')
@click.option("--target", help="The same, where there are several targets; without, all of them.")
@click.option("--csv", "file", help="Where to write all rows; - for standard output (in OUT).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@PLUGIN
@ALLOW_LINKS
@plain_errors
def predict(
    out: Path, method: str, new: Path, file: str | None, allow_links: tuple[Path, ...], **options: Any
) -> None:
    """Apply a method that `run --save-models` kept in OUT to new rows: mean and spread over its seeds.

    Of several targets every one has rows of its own, named in the column `target`.
    """
    from bench.files import write_text
    from bench.predict import predict_each

    table = predict_each(out, method, new, allow_links=allow_links, **options)
    if file == "-":
        click.echo(table.to_csv(index=False), nl=False)
        return
    path = Path(file) if file else out / f"predictions-{method}.csv"
    write_text(path, table.to_csv(index=False))
    show(table.head(10))
    console.print(f"{len(table)} rows: {path}", soft_wrap=True)
