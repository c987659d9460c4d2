"""From a request to tables: dataset, features, plan, runs. Every command that trains goes through here."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

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
from bench.experiments import EXPERIMENTS, Choice, Experiment, Variant
from bench.features.encode import encode
from bench.features.store import FeatureSet
from bench.plan import Plan, PlanRow
from bench.references import REFERENCES
from bench.runner import Outcome, Summary, Task, load_plugins, run_all
from bench.store import RunStore


@dataclass(frozen=True)
class Request:
    """What the user asked for; None means the preset's or the experiment's own choice."""

    experiments: tuple[str, ...] = ("fusion",)
    fusions: str | None = None
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
    observe: frozenset[str] = frozenset()
    command: str = ""


Encoding = tuple[tuple[str, str], ...]
"""A combination of encoders, as a key: sorted pairs of modality and name."""


class Reporter(Protocol):
    """Who is told how far the work is."""

    def encoding(self, what: str, done: int, total: int) -> None:
        """`done` of `total` items of one encoder are encoded."""

    def running(self, done: int, total: int, last: Outcome | None) -> None:
        """`done` of `total` runs are executed, `last` just now."""


@dataclass(frozen=True)
class Report:
    """What a request led to."""

    plans: list[Plan]
    summary: Summary
    encoded: int


def run(request: Request, reporter: Reporter) -> Report:
    """Carry out a request: encode, train and test what is not stored yet, and write down the plans.

    Raises:
        UsageError: a name or value in the request is wrong. DataError: the dataset is.
    """
    load_plugins(request.plugins)
    preset = _overridden(with_settings(load_preset(request.preset), list(request.settings)), request)
    experiments = [_experiment(name) for name in request.experiments]
    chosen = choose_fusions(request.fusions) if request.fusions else ()
    _check_options(preset.fusions)
    device = choose_device(request.device)
    store = RunStore(request.out)
    backbones, texts = _listed(request.backbones), _listed(request.text)
    for modality, names in {"image": backbones, "text": texts}.items():
        for name in names:
            _encoder(modality, name, preset)  # a wrong name is told before any work
    defaults = {m: getattr(preset.encoders, m) for m in encoders.MODALITIES}
    for modality, name in defaults.items():
        _encoder(modality, name, preset)
    dataset = catalog.load(request.data, **request.data_arguments)
    choice = Choice(dataset.schema, chosen, backbones, texts, defaults, preset.fusions)
    reasons = {e.name: e.applies(choice) for e in experiments}
    variants = {e.name: [] if reasons[e.name] else e.variants(choice) for e in experiments}
    features, encoded = _features(
        dataset,
        [v for found in variants.values() for v in found],
        preset,
        request.jobs,
        device.type,
        reporter,
    )
    tasks: list[Task] = []
    plans = []
    for experiment in experiments:
        rows = []
        for variant in variants[experiment.name]:
            row, row_tasks = _row(variant, preset, dataset, features, device, request)
            rows.append(row)
            tasks += row_tasks
        plan = Plan(
            experiment=experiment.name,
            title=experiment.title,
            paper=experiment.paper,
            ranked=experiment.ranked,
            dataset=dataset.schema.name,
            description=dataset.schema.description,
            samples=len(dataset),
            target=dataset.schema.target.label,
            preset=request.preset,
            seeds=max((len(row.runs) for row in rows), default=0),
            undecodable=max((found.undecodable for found in features.values()), default=0),
            command=request.command,
            rows=rows,
            not_applicable=reasons[experiment.name],
            facts={} if reasons[experiment.name] else experiment.facts(dataset, preset),
        )
        plan.save(request.out)
        plans.append(plan)
    summary = run_all(
        tasks,
        store,
        jobs=request.jobs,
        executor=request.executor,
        force=request.force,
        progress=reporter.running,
    )
    return Report(plans, summary, encoded)


def _row(
    variant: Variant,
    preset: Preset,
    dataset: Dataset,
    features: Mapping[Encoding, FeatureSet],
    device: torch.device,
    request: Request,
) -> tuple[PlanRow, list[Task]]:
    """The row of a variant, and the tasks of its runs."""
    found = features[_key(variant.encoders)]
    if variant.entities is not None:
        found = found.only(variant.entities)
    specs = [
        _spec(variant, preset, seed, dataset, found, device.type, request.plugins)
        for seed in range(variant.seeds or preset.seeds)
    ]
    observe = variant.observe | request.observe
    tasks = [Task(spec, found, request.out, str(device), request.plugins, observe) for spec in specs]
    return PlanRow.of(variant, found, specs), tasks


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


def _key(chosen: Mapping[str, str]) -> Encoding:
    return tuple(sorted(chosen.items()))


def _features(
    dataset: Dataset, variants: Sequence[Variant], preset: Preset, jobs: int, device: str, reporter: Reporter
) -> tuple[dict[Encoding, FeatureSet], int]:
    """The features of every combination of encoders in the plan, and how many items were encoded."""
    total, found = 0, {}
    available: dict[tuple[str, str], encoders.Encoder] = {}
    for chosen in {_key(v.encoders): v.encoders for v in variants}.values():
        for modality, name in chosen.items():
            if (modality, name) not in available:
                available[modality, name] = _encoder(modality, name, preset)
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
