"""Commands that train: `run` and `paper`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bench.commands.options import training
from bench.commands.tools import check_print
from bench.errors import UsageError, printable
from bench.terminal import carry_out, plain_errors

if TYPE_CHECKING:
    from bench.request import Request


@click.command()
@click.option(
    "--experiment", default="fusion", show_default=True, help="What to compare; `bench list experiments`."
)
@click.option("--tuned", is_flag=True, help="Also with the settings that `bench tune` found in OUT.")
@click.option(
    "--match",
    type=click.Choice(["params"]),
    help="params: each fusion as wide as it takes to have as many parameters as the largest.",
)
@click.option(
    "--finetune",
    metavar="MODALITIES",
    help="Also with these encoders trained together with the fusion: text,image. Settings: finetune.lr=2e-5, "
    "finetune.decay=0.9 a block, finetune.frozen=0.5 of the blocks.",
)
@training
@plain_errors
def run(experiment: str, tuned: bool, match: str | None, finetune: str | None, **options: Any) -> None:
    """Compare fusions: encode, train and test whatever is not stored yet, then draw tables and figures."""
    names, trained = split(experiment), split(finetune or "")
    if (tuned or match or trained) and names != ("fusion",):
        raise UsageError(
            "--tuned, --match and --finetune are of the comparison of fusions; leave out --experiment."
        )
    named = {"fusion-tuned": tuned, "fusion-matched": bool(match), "fusion-finetuned": bool(trained)}
    names = tuple(name for name, asked in named.items() if asked) or names
    carry_out(as_request(names, finetune=trained, **options), page=False)


@click.command()
@click.option("--audit", "audit_only", is_flag=True, help="Only check the numbers the paper prints.")
@click.option("--tables", type=click.Path(path_type=Path), help="With --audit: another paper's tables (CSV).")
@click.option("--claims", type=click.Path(path_type=Path), help="With --audit: what its text claims (TOML).")
@training
@plain_errors
def paper(audit_only: bool, tables: Path | None, claims: Path | None, **options: Any) -> None:
    """Every experiment of the paper, then all tables, figures and the report."""
    from bench.experiments import EXPERIMENTS

    if audit_only:
        context = click.get_current_context()
        for option in context.command.params:
            said = context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
            if said and option.name in options and option.name != "out":
                raise UsageError(f"--audit trains nothing and has no use for {option.opts[0]}.")
        check_print(tables, claims, options["out"])
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
    videos: int | None,
    jobs: int | None = None,
    missing: str | None = None,
    save_models: bool = False,
    **options: Any,
) -> Request:
    """What the options of a command that trains ask for."""
    from bench.environment import cores
    from bench.request import Request

    arguments = {"streams": streams, "interaction": interaction, "removed": removed, "videos": videos}
    short = {"image": backbone, "text": text, "video": video, "audio": audio}
    return Request(
        experiments=experiments,
        encoders=chosen_encoders(encoders, {m: names for m, names in short.items() if names is not None}),
        jobs=jobs or cores(),
        data_arguments={key: value for key, value in arguments.items() if value is not None},
        missing=tuple(missing.split(",")) if missing else (),
        observe=frozenset({"model"} if save_models else ()),
        command=printable("bench " + shlex.join(sys.argv[1:])),
        **options,
    )


def split(names: str) -> tuple[str, ...]:
    """Names that are separated by commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def chosen_encoders(pairs: tuple[str, ...], short: dict[str, str]) -> dict[str, str]:
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
