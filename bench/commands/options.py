"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.data.splits import KINDS

OUT = click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True)
PLUGIN = click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file that registers fusions or encoders; may be given several times.",
)

ALLOW_LINKS = click.option(
    "--allow-links",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="A folder outside the dataset that links in it may lead to; may be given several times.",
)

EXECUTOR = click.option(
    "--executor",
    metavar="NAME",
    default="local",
    show_default=True,
    help="local: worker processes; loky: those of joblib; ray: a cluster whose machines see the same "
    "files; inline: this process, for debugging, unprotected from crashes and hangs.",
)

ENCODER = click.option(
    "--encoder",
    "encoders",
    multiple=True,
    metavar="MODALITY=NAMES",
    help="Encoders of a modality, with commas: image=resnet50,densenet121; NAME:random has random weights, "
    "NAME:bfloat16 computes in that.",
)
WEIGHTS = click.option(
    "--weights", type=click.Choice(["auto", "pretrained", "random"]), help="Of the encoders."
)
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="training.lr=0.01, trunk.slots=false, mfb.factor=3.",
)


def _use_weights_dir(context: click.Context, option: click.Parameter, folder: Path | None) -> None:
    if folder is not None:
        from encoders.weights import FOLDER

        os.environ[FOLDER] = str(folder.resolve())  # which worker processes see too


WEIGHTS_DIR = click.option(
    "--weights-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    expose_value=False,
    callback=_use_weights_dir,
    help="Look for pretrained weights in DIR first (BENCH_WEIGHTS=DIR); `bench weights fetch` fills it.",
)

CHOOSING = [
    ENCODER,
    click.option(
        "--backbone",
        help="Short for --encoder image=NAMES: of torchvision (resnet50, resnet50:IMAGENET1K_V1), of timm "
        "(timm/NAME), or with a file of your own (resnet50@FILE).",
    ),
    click.option(
        "--text", help="Short for --encoder text=NAMES: hashing, bert, xlnet, minilm, OWNER/MODEL, a folder."
    ),
    click.option("--video", help="Short for --encoder video=NAMES: motion, flow, videomae."),
    click.option("--audio", help="Short for --encoder audio=NAMES: logmel, music, wav2vec2."),
    click.option("--data", default="livestream", show_default=True, help="An embedded dataset or a folder."),
    click.option("--streams", type=click.IntRange(20, 1_000_000), help="Size of the embedded dataset (440)."),
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
    click.option("--videos", type=click.IntRange(12, 1_000_000), help="Size of the data shortvideo (240)."),
    ALLOW_LINKS,
    click.option("--preset", default="quick", show_default=True, help="quick, paper or a FILE.toml."),
    WEIGHTS,
    WEIGHTS_DIR,
    PLUGIN,
    SETTINGS,
]
"""What decides what is encoded, and how."""

ENCODING = [
    *CHOOSING,
    click.option("--jobs", type=click.IntRange(1, 1024), help="Processes (default: one per core)."),
    EXECUTOR,
    DEVICE,
]
"""The same, and where."""

TRAINING = [
    click.option("--fusion", "fusions", help="all, names or globs, with commas (default: the experiment's)."),
    click.option(
        "--fresh",
        is_flag=True,
        help="Of an embedded dataset: every seed draws data of its own; verdicts are then about new data.",
    ),
    click.option("--split", type=click.Choice(KINDS), help="How the test part is chosen (auto)."),
    click.option(
        "--missing",
        type=click.Choice(["keep", "drop", "keep,drop"]),
        help="Samples that lack a source: keep (masked), or drop, as in the paper; or both (keep).",
    ),
    click.option("--seeds", type=click.IntRange(1, 10_000), help="How many seeds, each its own split (3)."),
    click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        help="Seconds after which a run has failed; 0: never (3600; only of local).",
    ),
    click.option("--force", is_flag=True, help="Execute runs again that are stored."),
    click.option("--save-models", is_flag=True, help="Keep every trained model in its run folder."),
]


def training(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that trains."""
    return _with(command, [TRAINING[0], *ENCODING, *TRAINING[1:]])


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that only look at what would be encoded."""
    return _with(command, CHOOSING)


def encoding(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that encode and do not train."""
    return _with(command, ENCODING)


def _with(command: Callable[..., Any], options: list[Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
