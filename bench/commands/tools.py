"""Commands beside the comparison: list, doctor, audit."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pandas as pd

from bench.commands.options import OUT, PLUGIN
from bench.terminal import console, plain_errors, show


@click.command("list")
@click.argument("what", type=click.Choice(["fusions", "encoders", "datasets", "experiments", "presets"]))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@PLUGIN
@plain_errors
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


@click.command()
@plain_errors
def doctor() -> None:
    """Show versions, devices, threads, which weights are present and the size of the cache."""
    from bench.doctor import findings

    show(pd.DataFrame(findings(), columns=["what", "found"], dtype=object))


@click.command()
@click.option("--tables", type=click.Path(path_type=Path), help="Another paper's tables (CSV).")
@click.option("--claims", type=click.Path(path_type=Path), help="What its text claims (TOML).")
@OUT
@plain_errors
def audit(tables: Path | None, claims: Path | None, out: Path) -> None:
    """Check a paper's printed numbers against each other, its text and its data."""
    check_print(tables, claims, out)


def check_print(tables: Path | None, claims: Path | None, out: Path) -> None:
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
