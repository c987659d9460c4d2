"""Execute the runs of a plan that have no stored result yet."""

from __future__ import annotations

import importlib.util
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
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
from bench.errors import BenchError, UsageError
from bench.executors import EXECUTORS
from bench.features.store import FeatureSet
from bench.metrics import score
from bench.model import FusionModel, build_model
from bench.references import REFERENCES
from bench.robustness import missing_curves
from bench.store import RunResult, RunStore
from bench.train import attention_maps, flops, predict, train


@dataclass(frozen=True)
class Task:
    """One run to execute, with all that a fresh process needs for it."""

    spec: RunSpec
    features: FeatureSet
    out: Path
    device: str
    plugins: tuple[Path, ...] = ()
    observe: frozenset[str] = frozenset()


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
    force: bool = False,
    progress: Callable[[int, int, Outcome | None], None] = lambda done, total, last: None,
) -> Summary:
    """Execute every task without a stored result (or all of them, with `force`)."""
    store.sweep()
    distinct: dict[str, Task] = {}
    for task in tasks:  # experiments that share a run may want to observe different things in it
        others = distinct[task.spec.id].observe if task.spec.id in distinct else store.observed(task.spec)
        distinct[task.spec.id] = replace(task, observe=task.observe | others)
    todo = [t for t in distinct.values() if force or not store.has(t.spec, t.observe)]
    failures: list[Outcome] = []
    if todo:
        progress(0, len(todo), None)
        for done, outcome in enumerate(EXECUTORS[executor](run_task, todo, jobs), start=1):
            failures += [outcome] if outcome.error else []
            progress(done, len(todo), outcome)
    failures.sort(key=lambda outcome: (outcome.spec.method, outcome.spec.seed))
    return Summary(len(todo), len(distinct) - len(todo), tuple(failures))


def run_task(task: Task) -> Outcome:
    """Execute one run in this process and store it; a failure is stored as a failure."""
    store = RunStore(task.out)
    load_plugins(task.plugins)
    torch.set_num_threads(1)  # the same bits whatever the number of processes
    try:
        with threadpool_limits(1):
            result = execute(task.spec, _shared(task.features), torch.device(task.device), task.observe)
    except BenchError as error:
        store.save_failure(task.spec, str(error))
        return Outcome(task.spec, str(error))
    except Exception as error:  # a method of anyone's may fail in any way: keep why, go on with the others
        store.save_failure(task.spec, traceback.format_exc())
        return Outcome(
            task.spec, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
    store.save(task.spec, result)
    return Outcome(task.spec)


def execute(
    spec: RunSpec, features: FeatureSet, device: torch.device, observe: frozenset[str] = frozenset()
) -> RunResult:
    """Train and test one run.

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


_plugins: set[Path] = set()


def load_plugins(paths: Iterable[Path]) -> None:
    """Run plugin files, which register fusions, once per process. Raises UsageError."""
    for path in paths:
        path = path.resolve()
        if path in _plugins:
            continue
        spec = importlib.util.spec_from_file_location(f"bench_plugin_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise UsageError(f"--plugin {path}: not a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # anyone's code, which may fail in any way
            raise UsageError(f"--plugin {path}: {type(error).__name__}: {error}") from error
        _plugins.add(path)
