"""From a request to stored runs. Every command that trains goes through here."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Protocol

import encoders
from bench.config import Preset
from bench.data import catalog
from bench.data.dataset import Dataset
from bench.data.schema import Schema
from bench.data.splits import kind_of
from bench.data.statistics import first_parts
from bench.data.truth import ceiling
from bench.errors import DataError, UsageError
from bench.experiments import Experiment, Facts
from bench.features.encode import encode, joined, with_target
from bench.features.store import FeatureSet
from bench.finetuning import FinetunedSpec
from bench.match import matching_width, parameters
from bench.methods import catalog as methods
from bench.plan import FRESH, Plan, PlanRow, store_plan
from bench.request import Request, Resolved, check_set_fusions, check_taken, get_encoder, resolve
from bench.runner import Job, Outcome, Summary, run_all
from bench.spec import RunSpec
from bench.store import RunStore
from bench.tune import tuned
from bench.variants import Choice, Variant
from bench.weights import check_trained, to_be_had, warn_of_size

log = logging.getLogger("bench")

Encoding = tuple[bool, tuple[tuple[str, str], ...]]
"""A combination of encoders, as a key: whether some are trained, and sorted pairs of modality and name."""


class Reporter(Protocol):
    """Who hears how far the work is."""

    def drawing(self, done: int, total: int) -> None:
        """`done` of `total` datasets are drawn."""

    def encoding(self, what: str, done: int, total: int) -> None:
        """`done` of `total` items of one encoder are encoded."""

    def running(self, done: int, total: int, last: Outcome | None) -> None:
        """`done` of `total` runs are executed, `last` just now."""


class Quiet:
    """A reporter that says nothing."""

    def drawing(self, done: int, total: int) -> None:
        """Say nothing."""

    def encoding(self, what: str, done: int, total: int) -> None:
        """Say nothing."""

    def running(self, done: int, total: int, last: Outcome | None) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Report:
    """What a request led to.

    Attributes:
        plans: of its experiments, with the rows that were stored under the same settings.
        archived: earlier plans of other settings whose place they took.
        encoded: how many items had to be encoded.
    """

    plans: list[Plan]
    archived: list[Plan]
    summary: Summary
    encoded: int


@dataclass(frozen=True)
class Prepared:
    """A request of which all is encoded and nothing trained.

    Attributes:
        plans: of its experiments, not stored yet.
        jobs: the runs of all their rows, some perhaps more than once.
        encoded: how many items had to be encoded.
    """

    plans: list[Plan]
    jobs: list[Job]
    encoded: int


def run(request: Request, reporter: Reporter | None = None) -> Report:
    """Carry out a request: encode, train and test what is not stored yet, and write down the plans.

    Raises:
        UsageError: a name or value in the request is wrong. DataError: the dataset is.
    """
    asked, reporter = resolve(request), reporter or Quiet()
    store = RunStore(request.out)
    prepared = prepare(request, asked, reporter)
    stored = [store_plan(plan, request.out) for plan in prepared.plans]
    summary = run_all(
        prepared.jobs,
        store,
        processes=request.jobs,
        executor=request.executor,
        timeout=asked.timeout,
        force=request.force,
        progress=reporter.running,
    )
    archived = [displaced for _, displaced in stored if displaced]
    return Report([plan for plan, _ in stored], archived, summary, prepared.encoded)


def prepare(request: Request, asked: Resolved, reporter: Reporter) -> Prepared:
    """Encode what is not encoded yet, and say which runs make up which rows.

    Raises:
        UsageError: a value in the request does not go with the dataset. DataError: the dataset is at fault.
    """
    datasets = _datasets(request, asked.preset.seeds, reporter)
    dataset, training = datasets[0], asked.preset.training
    kind = kind_of(training.split, dataset.samples, dataset.schema.samples.fixed)
    if request.fresh and kind != "random":
        raise UsageError(
            f"--fresh: every seed has data of its own, split at random; leave out --split {kind}."
        )
    every = dataset.each
    for one in (one for drawn in datasets for one in drawn.each):
        first_parts(one, training)  # too small a dataset is refused before anything is encoded
    choice = choice_of(asked, dataset.schema)
    for modality in sorted(request.encoders.keys() - dataset.schema.encoded):
        log.warning("--encoder %s: %s has nothing of it to encode", modality, dataset.schema.name)
    variants = {e.name: variants_of(e, choice, request.missing) for e in asked.experiments}
    check_set_fusions(request.settings, [v.method for found in variants.values() for v in found])
    features, encoded = [], 0
    for drawn in datasets:
        found, items = _features(
            drawn, [v for some in variants.values() for v in some], asked, request, reporter
        )
        features.append(found)
        encoded += items
    by_target = [
        (
            one,
            [
                {key: with_target(some, drawn.each[i]) for key, some in found.items()}
                for drawn, found in zip(datasets, features, strict=True)
            ],
        )
        for i, one in enumerate(every)
    ]
    plans, jobs = [], []
    for experiment in asked.experiments:
        rows = [
            _row(variant, asked, one, seen, request, several=len(every) > 1)
            for one, seen in by_target
            for variant in _matched(variants[experiment.name], asked, one, seen[0])
        ]
        jobs += [job for _, row_jobs in rows for job in row_jobs]
        reason = experiment.applies(choice)
        plan = Plan(
            experiment=experiment.name,
            settings=_settings(asked, dataset, request),
            title=experiment.title,
            paper=experiment.paper,
            ranked=experiment.ranked,
            dataset=dataset.schema.name,
            description=dataset.schema.description,
            samples=len(dataset),
            target=dataset.schema.target,
            targets=[one.schema.target for one in every] if len(every) > 1 else [],
            preset=request.preset,
            split=FRESH if request.fresh else kind,
            seeds=max((len(row.runs) for row, _ in rows), default=0),
            undecodable=max((some.undecodable for found in features for some in found.values()), default=0),
            command=request.command,
            rows=[row for row, _ in rows],
            not_applicable=reason,
            left_out="" if reason else experiment.left_out(choice),
            facts={} if reason else _facts(experiment, every, asked.preset),
            ceiling=_ceiling(datasets),
        )
        plans.append(plan)
    return Prepared(plans, jobs, encoded)


def _datasets(request: Request, seeds: int, reporter: Reporter) -> list[Dataset]:
    """The dataset of a request; where data are drawn anew, one for every seed."""
    data = request.data
    if not request.fresh:
        read = {"allow_links": request.allow_links, **request.data_arguments}
        return [data if isinstance(data, Dataset) else catalog.load(data, **read)]
    name = f"a dataset in hand ({data.schema.name})" if isinstance(data, Dataset) else data
    found = []
    for one in catalog.fresh(name, seeds, **request.data_arguments):
        found.append(one)
        reporter.drawing(len(found), seeds)
    return found


def _ceiling(datasets: Sequence[Dataset]) -> dict[str, float]:
    """Metric -> the best that can be reached, the mean over datasets; nothing where that is not known."""
    known = [ceiling(dataset) for dataset in datasets]
    return {name: fmean(one[name] for one in known) for name in known[0] if all(known)}


def _settings(asked: Resolved, dataset: Dataset, request: Request) -> str:
    """A hash of what all rows of a plan have in common, whichever methods and encoders they are of."""
    preset = asked.preset.model_dump(exclude={"description", "seeds", "encoders"})
    options = asked.preset.encoders.model_dump(exclude={*asked.preset.encoders.defaults, "weights"})
    targets = [one.schema.target.model_dump() for one in dataset.each]
    data = [dataset.schema.name, dataset.fingerprint, targets]
    common = [*data, preset, options, request.missing, asked.device.type, *[FRESH] * request.fresh]
    common += [asked.finetuning.model_dump()] if asked.finetuning else []
    return hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()[:16]


def _facts(experiment: Experiment, every: Sequence[Dataset], preset: Preset) -> Facts:
    """What an experiment states without any run; where that depends on the target, its rows name theirs."""
    facts = {one.schema.target.column: experiment.facts(one, preset) for one in every}
    first, *others = facts.values()
    if all(other == first for other in others):
        return first
    return {
        name: [{"target": column, **row} for column, found in facts.items() for row in found.get(name, [])]
        for name in first
    }


def choice_of(asked: Resolved, schema: Schema) -> Choice:
    """What an experiment chooses from: the request on a dataset of this description.

    Raises:
        DataError: the description suggests an encoder that there is not.
        UsageError: an encoder's weights are not to be had, and nothing can take its place.
    """
    preset = asked.preset
    defaults = dict(asked.defaults)
    suggested = {m: name for m, name in schema.encoders.items() if m not in asked.settled}
    for modality, name in suggested.items():
        try:
            get_encoder(modality, name, preset)
        except UsageError as error:
            raise DataError(f"dataset.toml of {schema.name}: [encoders]: {error}") from None
        defaults[modality] = name
    wanted, defaults = to_be_had(asked, defaults, schema.encoded)
    trained = asked.finetuning.encoders if asked.finetuning else ()
    choice = Choice(schema, asked.fusions, wanted, defaults, preset.fusions, preset.encoders.weights, trained)
    check_trained(choice, preset)
    return choice


def variants_of(experiment: Experiment, choice: Choice, missing: Sequence[str] = ()) -> list[Variant]:
    """What an experiment compares, none if it does not apply.

    With two ways of handling missing values each variant comes under both. What drops incomplete samples is
    only tested on complete ones; what keeps them is shown on both.
    """
    variants = [] if experiment.applies(choice) else experiment.variants(choice)
    if len(missing) < 2:
        return variants
    arms: list[dict[str, Any]] = [
        {"missing": "keep"},
        {"missing": "keep", "scored": "complete"},
        {"missing": "drop"},
    ]
    return [
        replace(variant, training={**variant.training, "missing": arm["missing"]}, **arm)
        for variant in variants
        for arm in arms
    ]


def _row(
    variant: Variant,
    asked: Resolved,
    dataset: Dataset,
    features: Sequence[Mapping[Encoding, FeatureSet]],
    request: Request,
    *,
    several: bool,
) -> tuple[PlanRow, list[Job]]:
    """The row of a variant, and the jobs of its runs; `several` targets stand in the plan.

    Features are those that all seeds have, or each seed's own.
    """
    every = [found[_key(variant)] for found in features]
    if variant.entities:
        every = [found.only(variant.entities) for found in every]
    first = _spec(variant, asked, dataset.schema.name, every[0])
    own = [{"features": found.fingerprint, "target": found.target} for found in every]
    seeds = range(variant.seeds or asked.preset.seeds)
    places = {seed: seed if request.fresh else 0 for seed in seeds}
    specs = [first.model_copy(update={"seed": seed, **own[place]}) for seed, place in places.items()]
    if variant.recipe == "tuned":
        specs = [tuned(spec, request.out) for spec in specs]
    observe = variant.observe | request.observe
    device = str(asked.device)
    jobs = [
        Job(spec, every[places[spec.seed]], request.out, device, request.plugins, observe) for spec in specs
    ]
    target = dataset.schema.target.column if several else ""
    return PlanRow.of(variant, every[0], specs, target), jobs


def _matched(
    variants: Sequence[Variant], asked: Resolved, dataset: Dataset, features: Mapping[Encoding, FeatureSet]
) -> list[Variant]:
    """The variants, those to be matched with a width each; among those of the same encoders."""
    goals: dict[Encoding, int] = {}
    specs: dict[int, RunSpec] = {}
    for i, variant in enumerate(variants):
        if variant.recipe == "matched":
            key = _key(variant)
            specs[i] = _spec(variant, asked, dataset.schema.name, features[key])
            goals[key] = max(goals.get(key, 0), parameters(specs[i], features[key].layout))
    found = list(variants)
    for i, spec in specs.items():
        key = _key(variants[i])
        dim = matching_width(spec, features[key].layout, goals[key])
        found[i] = replace(variants[i], model={"dim": dim}, goal=goals[key])
    return found


def _key(variant: Variant) -> Encoding:
    return variant.recipe == "finetuned", tuple(sorted(variant.encoders.items()))


def _features(
    dataset: Dataset, variants: Sequence[Variant], asked: Resolved, request: Request, reporter: Reporter
) -> tuple[dict[Encoding, FeatureSet], int]:
    """The features of every combination of encoders in the plan, and how many items were encoded."""
    total, found = 0, {}
    wanted = dict.fromkeys(pair for variant in variants for pair in variant.encoders.items())
    available = {pair: get_encoder(*pair, asked.preset) for pair in wanted}
    check_taken(available.values(), asked.preset)
    told: set[str] = set()
    keys = {_key(v): v.encoders for v in variants}
    for pairs, chosen in {pairs: chosen for (_, pairs), chosen in keys.items()}.items():
        built = {modality: available[modality, name] for modality, name in chosen.items()}
        try:
            warn_of_size(built, asked)
            found[False, pairs], encoded = encode(
                dataset,
                built,
                jobs=request.jobs,
                executor=request.executor,
                device=str(asked.device),
                plugins=request.plugins,
                progress=reporter.encoding,
                told=told,
            )
        except encoders.WeightsUnavailable as error:
            raise UsageError(str(error)) from None
        total += encoded
        if asked.finetuning and (True, pairs) in keys:
            trained = asked.finetuning.encoders
            found[True, pairs] = joined(found[False, pairs], dataset, built, trained)
    # a sample is complete or not, whichever of the sources a method looks at
    every = {source: folder for some in found.values() for source, folder in some.folders.items()}
    for key, some in found.items():
        if some.folders.keys() != every.keys():
            found[key] = replace(some, required=every)
    return found, total


def _spec(variant: Variant, asked: Resolved, dataset: str, features: FeatureSet) -> RunSpec:
    """All that decides the run of the first seed."""
    training = asked.preset.training.model_copy(update=dict(variant.training))
    sizes = asked.preset.model.model_copy(update=dict(variant.model))
    model, training, device = methods.settings(variant.method, sizes, training, asked.device.type)
    trained = asked.finetuning if variant.recipe == "finetuned" else None
    spec = RunSpec(
        method=variant.method,
        options=dict(variant.options),
        model=model,
        training=training,
        seed=0,
        dataset=dataset,
        target=features.target,
        encoders=dict(features.stamps),
        features=features.fingerprint,
        code=methods.code_of(variant.method, finetuned=trained is not None),
        device=device,
    )
    return FinetunedSpec(**spec.model_dump(), finetune=trained) if trained else spec
