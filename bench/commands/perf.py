"""`bench perf`: speed and memory on this machine."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from bench.commands.options import DEVICE, ENCODER, OUT, PLUGIN, SETTINGS, WEIGHTS
from bench.commands.training import chosen_encoders
from bench.errors import printable
from bench.terminal import console, plain_errors, show


@click.group()
def perf() -> None:
    """Measure speed and memory on this machine."""


@perf.command("data")
@OUT
@click.option("--samples", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where the simulated features go and stay (temporary)."
)
@plain_errors
def perf_data(out: Path, samples: int, folder: Path | None) -> None:
    """The loader on simulated features: first batch, samples per second, memory, against 10,000 samples."""
    from bench.perf.data import run_data, verdict
    from bench.progress import TerminalReporter

    with TerminalReporter(console) as reporter:
        table = run_data(out, samples, folder, reporter.working)
    show(table.round(2))
    for line in verdict(table):
        console.print(line)


@perf.command("encoders")
@ENCODER
@WEIGHTS
@DEVICE
@PLUGIN
@SETTINGS
@OUT
@plain_errors
def perf_encoders(
    encoders: tuple[str, ...],
    weights: str | None,
    device: str,
    plugins: tuple[Path, ...],
    settings: tuple[str, ...],
    out: Path,
) -> None:
    """Encoding real files against the bare forward pass; by default the paper's encoder of each modality."""
    from bench.perf.encoders import run_encoders, verdict, write
    from bench.progress import TerminalReporter
    from bench.request import Request, get_encoder, resolve

    asked = chosen_encoders(encoders, {})
    found = resolve(
        Request(
            preset="paper", encoders=asked, weights=weights, device=device, plugins=plugins, settings=settings
        )
    )
    names = found.encoders or {modality: (name,) for modality, name in found.defaults.items()}
    chosen = [get_encoder(modality, name, found.preset) for modality in names for name in names[modality]]
    with TerminalReporter(console) as reporter:
        measured = run_encoders(chosen, str(found.device), plugins, reporter.working)
    show(measured.table.round(3))
    for line in verdict(measured):
        console.print(line)
    for path in write(measured, out, printable("bench " + shlex.join(sys.argv[1:]))):
        console.print(str(path))
