"""From a request to tables: dataset, features, plan, runs. Every command that trains goes through here."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import encoders
import fusions
from bench.config import (
    SECTIONS,
    ModelConfig,
    Preset,
    RunSpec,
    TrainingConfig,
    code_hash,
    load_preset,
    with_settings,
)
from bench.data import catalog
from bench.data.dataset import Dataset
from bench.environment import choose_device
from bench.errors import UsageError, did_you_mean
from bench.experiments import EXPERIMENTS, Choice, Variant
from bench.features.encode import encode
from bench.features.store import FeatureSet
from bench.plan import Plan, PlanRow
from bench.references import REFERENCES
from bench.runner import Outcome, Summary, Task, load_plugins, run_all
from bench.store import RunStore


@dataclass(frozen=True)
class Request:
    """What the user asked for; None means the preset's value."""

    experiment: str = "fusion"
    fusions: str = "all"
    backbones: str | None = None
    text: str | None = None
    video: str | None = None
    audio: str | None = None
    data: str = "livestream"
    data_arguments: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "quick"
    seeds: int | None = None
    weights: str | None = None
    out: Path = Path("results")
    jobs: int = 1
    executor: str = "local"
    device: str = "auto"
    plugins: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()
    force: bool = False
    keep_weights: bool = False
    command: str = ""


class Reporter(Protocol):
    """Who is told how far the work is."""

    def encoding(self, what: str, done: int, total: int) -> None:
        """`done` of `total` items of one encoder are encoded."""

    def running(self, done: int, total: int, last: Outcome | None) -> None:
        """`done` of `total` runs are executed, `last` just now."""


@dataclass(frozen=True)
class Report:
    """What a request led to."""

    plan: Plan
    summary: Summary
    encoded: int


def run(request: Request, reporter: Reporter) -> Report:
    """Carry out a request: encode, train and test what is not stored yet, and write down the plan.

    Raises:
        UsageError: a name or value in the request is wrong. DataError: the dataset is.
    """
    load_plugins(request.plugins)
    preset = with_settings(load_preset(request.preset), list(request.settings))
    preset = _overridden(preset, request)
    experiment = _experiment(request.experiment)
    chosen = choose_fusions(request.fusions)
    _check_options(preset.fusions)
    device = choose_device(request.device)
    store = RunStore(request.out)
    backbones = _listed(request.backbones) or (preset.encoders.image,)
    texts = _listed(request.text) or (preset.encoders.text,)
    wanted = {
        "image": backbones,
        "text": texts,
        "video": (preset.encoders.video,),
        "audio": (preset.encoders.audio,),
    }
    available = {(m, name): _encoder(m, name, preset) for m, names in wanted.items() for name in names}
    dataset = catalog.load(request.data, **request.data_arguments)
    choice = Choice(
        schema=dataset.schema,
        fusions=chosen,
        backbones=backbones,
        texts=texts,
        video=preset.encoders.video,
        audio=preset.encoders.audio,
        options=preset.fusions,
    )
    variants = experiment.variants(choice)
    features, encoded = _features(dataset, variants, available, request.jobs, device.type, reporter)
    tasks, rows = [], []
    for variant in variants:
        found = features[_key(variant.encoders)]
        specs = [
            _spec(variant, preset, seed, dataset, found, device.type, request.plugins)
            for seed in range(preset.seeds)
        ]
        tasks += [
            Task(spec, found, request.out, str(device), request.plugins, request.keep_weights)
            for spec in specs
        ]
        rows.append(PlanRow.of(variant, found, specs))
    undecodable = max(found.undecodable for found in features.values())
    plan = Plan.of(experiment, dataset, preset, request, rows, undecodable)
    plan.save(request.out)
    summary = run_all(
        tasks,
        store,
        jobs=request.jobs,
        executor=request.executor,
        force=request.force,
        progress=reporter.running,
    )
    return Report(plan, summary, encoded)


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


def _experiment(name: str) -> Any:
    if name not in EXPERIMENTS:
        raise UsageError(f"no experiment {name!r}; {did_you_mean(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]


def _overridden(preset: Preset, request: Request) -> Preset:
    chosen = {"video": request.video, "audio": request.audio, "weights": request.weights}
    overrides = {key: value for key, value in chosen.items() if value is not None}
    preset = preset.model_copy(update={"encoders": preset.encoders.model_copy(update=overrides)})
    return preset if request.seeds is None else preset.model_copy(update={"seeds": request.seeds})


def _check_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    """Every `--set NAME.option` names a fusion and an option that it has."""
    for name, values in options.items():
        if name not in fusions.names():
            known = [*SECTIONS, *fusions.names()]
            raise UsageError(
                f"--set {name}.…: no settings and no fusion {name!r}; {did_you_mean(name, known)}"
            )
        known = fusions.get(name).options
        for option in values:
            if option not in known:
                raise UsageError(
                    f"--set {name}.{option}: {name!r} has no such option; {did_you_mean(option, known)}"
                )


def _encoder(modality: str, name: str, preset: Preset) -> encoders.Encoder:
    options = {"size": preset.encoders.image_size} if modality == "image" else {}
    try:
        return encoders.get(modality, name, weights=preset.encoders.weights, **options)
    except encoders.UnknownEncoder as error:
        raise UsageError(str(error)) from None


def _key(chosen: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(chosen.items()))


def _features(
    dataset: Dataset,
    variants: Sequence[Variant],
    available: Mapping[tuple[str, str], encoders.Encoder],
    jobs: int,
    device: str,
    reporter: Reporter,
) -> tuple[dict[tuple[tuple[str, str], ...], FeatureSet], int]:
    """The features of every combination of encoders in the plan, and how many items were encoded."""
    total, found = 0, {}
    for chosen in {_key(v.encoders): v.encoders for v in variants}.values():
        built = {modality: available[modality, name] for modality, name in chosen.items()}
        try:
            found[_key(chosen)], encoded = encode(
                dataset, built, jobs=jobs, device=device, progress=reporter.encoding
            )
        except encoders.WeightsUnavailable as error:
            raise UsageError(str(error)) from None
        total += encoded
    return found, total


def _spec(
    variant: Variant,
    preset: Preset,
    seed: int,
    dataset: Dataset,
    features: FeatureSet,
    device: str,
    plugins: Sequence[Path],
) -> RunSpec:
    is_reference = variant.method in REFERENCES
    code, training = code_hash(), preset.training
    if is_reference:
        # of the training settings, references only use the split
        training = TrainingConfig(validation=training.validation, test=training.test)
    else:
        file = Path(fusions.get(variant.method).file)
        if file.resolve() in {p.resolve() for p in plugins}:
            code = hashlib.sha256(code.encode() + file.read_bytes()).hexdigest()[:16]
    return RunSpec(
        method=variant.method,
        options=dict(variant.options),
        model=ModelConfig() if is_reference else preset.model,
        training=training,
        seed=seed,
        dataset=dataset.schema.name,
        encoders=dict(features.stamps),
        features=features.fingerprint,
        code=code,
        device="cpu" if is_reference else device,
    )
