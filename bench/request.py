"""What the user asks for, checked before any work: names, settings, device."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import encoders
import fusions
from bench.config import SECTIONS, Preset, load_preset, with_settings
from bench.data.dataset import Dataset
from bench.environment import choose_device
from bench.errors import UsageError, did_you_mean
from bench.executors import time_limit
from bench.experiments import EXPERIMENTS, Experiment
from bench.finetuning import SECTION, Finetuning, finetuning, is_setting
from bench.isolation import undisturbed
from bench.plugins import load_plugins


@dataclass(frozen=True)
class Request:
    """What the user asked for; None means the preset's or the experiment's own choice.

    Attributes:
        encoders: modality -> names of encoders, with commas.
        data: a name, a folder, or a dataset that was made in Python.
        fresh: whether every seed draws a dataset of its own, which takes a generator's name as `data`.
        allow_links: folders outside the dataset's that links in it may lead to.
        missing: "keep", "drop", or both to compare them.
        executor: where the work is done (`bench.executors`): "local", "inline", "loky" or "ray".
        timeout: seconds after which "local", the only one that can, ends a run, which has failed; 0 is no
            limit, None an hour.
        finetune: the modalities whose encoders are trained together with fusions.
    """

    experiments: tuple[str, ...] = ("fusion",)
    fusions: str | None = None
    encoders: Mapping[str, str] = field(default_factory=dict)
    data: str | Dataset = "livestream"
    data_arguments: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    allow_links: tuple[Path, ...] = ()
    preset: str = "quick"
    seeds: int | None = None
    weights: str | None = None
    split: str | None = None
    missing: tuple[str, ...] = ()
    out: Path = Path("results")
    jobs: int = 1
    executor: str = "local"
    timeout: float | None = None
    device: str = "auto"
    plugins: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()
    force: bool = False
    observe: frozenset[str] = frozenset()
    finetune: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Resolved:
    """A request whose names are known to exist.

    Attributes:
        preset: with the request's settings, encoders and seeds in place of its own.
        experiments: to carry out, in order.
        fusions: what was asked for; empty where nothing was said.
        encoders: modality -> what was asked for.
        defaults: modality -> the encoder of the preset.
        settled: the modalities whose default was set by hand; others have what the dataset suggests.
        device: to train and encode on.
        timeout: seconds after which a run has failed; 0 is no limit.
        finetuning: how encoders are trained; None where none is.
    """

    preset: Preset
    experiments: tuple[Experiment, ...]
    fusions: tuple[str, ...]
    encoders: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, str]
    settled: frozenset[str]
    device: torch.device
    timeout: float
    finetuning: Finetuning | None


def resolve(request: Request) -> Resolved:
    """Look up every name of a request. Raises UsageError for the first that is wrong."""
    timeout = time_limit(request.executor, request.timeout)
    load_plugins(request.plugins)
    of_encoders = [setting for setting in request.settings if is_setting(setting)]
    trained = finetuning(request.finetune, of_encoders)
    others = [setting for setting in request.settings if setting not in of_encoders]
    preset = _overridden(with_settings(load_preset(request.preset), others), request)
    _check_options(preset.fusions)
    experiments = tuple(_experiment(name) for name in request.experiments)
    if trained and not any(experiment.trains_encoders for experiment in experiments):
        raise UsageError("none of the experiments trains encoders; fusion-finetuned does (--finetune).")
    chosen = choose_fusions(request.fusions) if request.fusions else ()
    asked = {modality: _listed(names) for modality, names in request.encoders.items()}
    # a modality that the preset does not know of has the first of its encoders
    first = {m: names[0] for m in encoders.MODALITIES if (names := encoders.names(m))}
    defaults = {**first, **preset.encoders.defaults}
    for modality, name in [*((m, n) for m, names in asked.items() for n in names), *defaults.items()]:
        get_encoder(modality, name, preset)
    keys = (setting.partition("=")[0].strip() for setting in request.settings)
    settled = frozenset(key.removeprefix("encoders.") for key in keys if key.startswith("encoders."))
    device = choose_device(request.device)
    return Resolved(preset, experiments, chosen, asked, defaults, settled, device, timeout, trained)


def choose_fusions(patterns: str) -> tuple[str, ...]:
    """The fusions of ``all``, or of names and globs separated by commas. Raises UsageError."""
    known = fusions.names()
    chosen: list[str] = []
    for pattern in _listed(patterns):
        found = known if pattern == "all" else [n for n in known if fnmatch.fnmatchcase(n, pattern)]
        if not found:
            try:
                fusions.get(pattern)
            except fusions.UnknownFusion as error:
                raise UsageError(f"--fusion: {error}") from None
        chosen += [name for name in found if name not in chosen]
    if not chosen:
        raise UsageError("--fusion names no method; `bench list fusions` shows all.")
    return tuple(chosen)


def _listed(names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in (names or "").split(",") if part.strip()))


def _experiment(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise UsageError(f"no experiment {name!r}; {did_you_mean(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]


def _overridden(preset: Preset, request: Request) -> Preset:
    overrides = {} if request.weights is None else {"weights": request.weights}
    preset = preset.model_copy(update={"encoders": preset.encoders.model_copy(update=overrides)})
    # with both ways of handling missing values asked for, the workflow sets them arm by arm
    asked = {"split": request.split, "missing": request.missing[0] if request.missing else None}
    training = {key: value for key, value in asked.items() if value is not None}
    update: dict[str, Any] = {"training": preset.training.model_copy(update=training)}
    update |= {} if request.seeds is None else {"seeds": request.seeds}
    return preset.model_copy(update=update)


def _check_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Every `--set NAME.option` names a fusion and an option that it has."""
    for name, values in options.items():
        if name not in fusions.names():
            known = [*SECTIONS, *fusions.names()]
            raise UsageError(
                f"--set {name}.…: no settings and no fusion {name!r}; {did_you_mean(name, known)}"
            )
        there = fusions.get(name).options
        for option in values:
            if option not in there:
                raise UsageError(
                    f"--set {name}.{option}: {name!r} has no such option; {did_you_mean(option, there)}"
                )


def get_encoder(modality: str, name: str, preset: Preset) -> encoders.Encoder:
    """The encoder of a name, with the preset's options and choice of weights. Raises UsageError."""
    try:
        known = encoders.entry(modality, name).options
        options: dict[str, Any] = {}
        if modality == "image" and "size" in known:
            options = {"size": preset.encoders.image_size}
        elif (modality, name) == ("text", "hashing"):
            options = {"width": preset.encoders.hashing_width}
        options |= {
            option: v for (of, option), v in _asked(preset).items() if of == modality and option in known
        }
        with undisturbed():  # making one runs its author's code
            return encoders.get(modality, name, weights=preset.encoders.weights, **options)
    except (encoders.UnknownEncoder, encoders.EncoderFailed) as error:
        raise UsageError(str(error)) from None


def check_taken(chosen: Iterable[encoders.Encoder], preset: Preset) -> None:
    """Raise UsageError if none of the encoders has an option that was asked for."""
    there = {(encoder.modality, option) for encoder in chosen for option in encoder.options}
    for (modality, option), value in _asked(preset).items():
        if (modality, option) not in there:
            setting = f"encoders.{modality}_{option}={json.dumps(value)}"
            raise UsageError(f"--set {setting}: no encoder of this run has such an option.")


def check_set_fusions(settings: Iterable[str], methods: Collection[str]) -> None:
    """Raise UsageError for a `--set NAME.option=value` of a fusion that does not take part."""
    for setting in settings:
        name = setting.partition(".")[0].strip()
        if name not in (*SECTIONS, SECTION, *methods):
            raise UsageError(
                f"--set {setting}: {name} does not take part in this run; "
                f"add it with --fusion, or leave the setting out."
            )


def _asked(preset: Preset) -> dict[tuple[str, str], Any]:
    """The options of encoders that are not as they are by default: (modality, option) -> value."""
    settings = {"text_cleaning", "text_pooling", "audio_sequence", "video_sequence"}
    asked = preset.encoders.model_dump(include=settings, exclude_defaults=True)
    return {(name.split("_")[0], name.split("_")[1]): value for name, value in asked.items()}
