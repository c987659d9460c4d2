"""Execute the runs of a plan that have no stored result yet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from threadpoolctl import threadpool_limits

from bench.config import RunSpec
from bench.data.splits import Parts, kind_of, split
from bench.environment import describe
from bench.executors import EXECUTORS
from bench.failure import Failure
from bench.features.store import FeatureSet
from bench.isolation import undisturbed
from bench.metrics import score
from bench.model import FusionModel, build_model
from bench.plugins import carried, load_plugins
from bench.references import REFERENCES
from bench.robustness import missing_curves
from bench.store import RunResult, RunStore
from bench.train import attention_maps, flops, predict, train
from fusions import registry
from fusions.hidden import unregistered

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Task:
    """One run to execute, with all that a fresh process needs for it.

    Attributes:
        entry: the method, where neither this package nor a plugin file brings it.
    """

    spec: RunSpec
    features: FeatureSet
    out: Path
    device: str
    plugins: tuple[Path, ...] = ()
    observe: frozenset[str] = frozenset()
    entry: registry.Entry | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `error` is empty where it succeeded."""

    spec: RunSpec
    error: str = ""


@dataclass(frozen=True)
class Summary:
    """What `run_all` did."""

    executed: int
    stored: int
    failures: tuple[Outcome, ...]


def run_all(
    tasks: Sequence[Task],
    store: RunStore,
    *,
    jobs: int,
    executor: str = "local",
    timeout: float = 0,
    force: bool = False,
    progress: Callable[[int, int, Outcome | None], None] = lambda done, total, last: None,
) -> Summary:
    """Execute every task without a stored result (or all of them, with `force`).

    Whatever a method does, it is one run that failed, which is stored as a failure; the others go on.
    `timeout` is in seconds for one run, 0 for none.
    """
    store.sweep()
    distinct: dict[str, Task] = {}
    for task in tasks:  # experiments that share a run may want to observe different things in it
        others = distinct[task.spec.id].observe if task.spec.id in distinct else store.observed(task.spec)
        distinct[task.spec.id] = replace(task, observe=task.observe | others)
    todo = [
        replace(t, entry=carried(t.spec.method, t.plugins))
        for t in distinct.values()
        if force or not store.has(t.spec, t.observe)
    ]
    failures: list[Outcome] = []
    hiding: set[str] = set()
    if todo:
        progress(0, len(todo), None)
    with closing(EXECUTORS[executor](run_task, todo, jobs, timeout=timeout)) as answers:
        for done, (task, answer) in enumerate(answers, start=1):
            outcome = Outcome(task.spec)
            if isinstance(answer, Failure):
                store.save_failure(task.spec, answer.detail)
                outcome = Outcome(task.spec, answer.reason)
                failures.append(outcome)
            elif answer and task.spec.method not in hiding:
                hiding.add(task.spec.method)
                log.warning("%s: %s", task.spec.method, answer[0])
            progress(done, len(todo), outcome)
    failures.sort(key=lambda outcome: (outcome.spec.method, outcome.spec.seed))
    return Summary(len(todo), len(distinct) - len(todo), tuple(failures))


def run_task(task: Task) -> list[str]:
    """Execute one run in this process and store it; what its method hides from the optimiser."""
    store = RunStore(task.out)
    load_plugins(task.plugins)
    if task.entry:
        registry.adopt(task.entry)
    spec, features, hidden = task.spec, _shared(task.features), []
    with undisturbed(), threadpool_limits(1):
        torch.set_num_threads(1)  # the same bits whatever the number of processes
        result = execute(
            spec,
            features,
            torch.device(task.device),
            task.observe,
            lambda m: hidden.extend(unregistered(m.fusion)),
        )
    store.save(spec, result)
    return hidden


def execute(
    spec: RunSpec,
    features: FeatureSet,
    device: torch.device,
    observe: frozenset[str] = frozenset(),
    built: Callable[[FusionModel], None] = lambda model: None,
) -> RunResult:
    """Train and test one run; `built` may look at its model before training.

    The test part is read once, after training. A test history, where it is to be observed, is recorded for
    drawing only: nothing in training or selection sees it.
    """
    parts = parts_of(spec, features)
    target, ids = features.samples["target"], features.samples["ids"]
    started = time.perf_counter()
    history, params, operations, weights, attention = [], 0, 0, {}, {}
    test_history: list[dict[str, float]] = []
    missing, chosen = None, ""
    if spec.method in REFERENCES:
        y_pred, chosen = REFERENCES[spec.method](features, parts, spec.seed)
    else:
        model = build_model(features, spec.method, spec.options, spec.model, spec.seed)
        built(model)

        def record(epoch: int) -> None:
            y_now = predict(model, features, parts.test, device)
            test_history.append({"epoch": epoch} | score(features.target, target[parts.test], y_now))

        after_epoch = record if "test-history" in observe else None
        history = train(model, features, parts, spec.training, spec.seed, device, after_epoch)
        y_pred = predict(model, features, parts.test, device)
        params = sum(p.numel() for p in model.parameters())
        operations = flops(model, features, parts.test, device)
        weights = {k: v.cpu() for k, v in model.state_dict().items()} if "weights" in observe else {}
        if "attention" in observe:
            maps = attention_maps(model, features, parts.test, device)
            attention = (
                maps | {"groups": np.array(model.fusion.groups), "ids": ids[parts.test]} if maps else {}
            )
        if "missing" in observe:
            missing = missing_curves(model, features, parts.test, spec.seed, device)
    y_true = target[parts.test]
    complete = features.complete[parts.test]
    metrics = score(features.target, y_true, y_pred) | {
        "params": params,
        "flops": operations,
        "seconds": time.perf_counter() - started,
        "epochs": len(history),
        "n_train": len(parts.train) + len(parts.validation),
        "n_test": len(parts.test),
        "undecodable": features.undecodable,
    }
    metrics |= {"chosen": chosen} if chosen else {}
    if not complete.all():
        # the one yardstick that keeping and dropping incomplete samples share
        on_complete = score(features.target, y_true[complete], y_pred[complete]) if complete.any() else {}
        metrics["complete"] = on_complete | {"n_test": int(complete.sum())}
    return RunResult(
        metrics=metrics,
        predictions=pd.DataFrame({"id": ids[parts.test], "y_true": y_true, "y_pred": y_pred}),
        history=pd.DataFrame(history, columns=["epoch", "train_loss", "validation_loss"]),
        environment=describe(device),
        weights=weights,
        test_history=pd.DataFrame(test_history) if test_history else None,
        attention=attention,
        missing=missing,
    )


def restore(spec: RunSpec, features: FeatureSet, folder: Path, device: torch.device) -> FusionModel:
    """The trained model of a run that was kept with its weights, on any device, wherever it was trained."""
    model = build_model(features, spec.method, spec.options, spec.model, spec.seed)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.to(device)


def parts_of(spec: RunSpec, features: FeatureSet) -> Parts:
    """The split of a run: the same for every method of one seed."""
    training = spec.training
    return split(
        features.samples,
        spec.seed,
        kind=kind_of(training.split, features.samples, features.fixed),
        test=training.test,
        validation=training.validation,
        kept=features.complete if training.missing == "drop" else None,
    )


_features: dict[str, FeatureSet] = {}


def _shared(features: FeatureSet) -> FeatureSet:
    """The copy of these features whose files this process has open already."""
    return _features.setdefault(features.fingerprint, features)
