"""Execute the runs of a plan that have no stored result yet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from bench.environment import describe
from bench.executors import find
from bench.failure import Failure
from bench.features.store import FeatureSet
from bench.isolation import one_thread
from bench.methods import catalog as methods
from bench.methods.base import Epoch, Method
from bench.observe import OBSERVERS, Watched
from bench.plugins import carried, load_plugins
from bench.predictions import predicted_columns, true_column
from bench.spec import RunSpec
from bench.store import MODEL, RunResult, RunStore
from bench.trial import parts_of, trial
from fusions import registry

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Job:
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
    jobs: Sequence[Job],
    store: RunStore,
    *,
    processes: int,
    executor: str = "local",
    timeout: float = 0,
    force: bool = False,
    progress: Callable[[int, int, Outcome | None], None] = lambda done, total, last: None,
) -> Summary:
    """Execute every run without a stored result (or all of them, with `force`).

    Whatever a method does, it is one run that failed, which is stored as a failure; the others go on.
    `timeout` is in seconds for one run, 0 for none.
    """
    store.sweep()
    distinct: dict[str, Job] = {}
    for job in jobs:  # experiments that share a run may want to observe different things in it
        others = distinct[job.spec.id].observe if job.spec.id in distinct else store.observed(job.spec)
        distinct[job.spec.id] = replace(job, observe=job.observe | others)
    todo = [
        replace(job, entry=carried(job.spec.method, job.plugins))
        for job in distinct.values()
        if force or not store.has(job.spec, job.observe)
    ]
    failures: list[Outcome] = []
    remarked: set[str] = set()
    if todo:
        progress(0, len(todo), None)
    with closing(find(executor)(run_job, todo, processes, timeout=timeout)) as answers:
        for done, (job, answer) in enumerate(answers, start=1):
            outcome = Outcome(job.spec)
            if isinstance(answer, Failure):
                store.save_failure(job.spec, answer.detail)
                outcome = Outcome(job.spec, answer.reason)
                failures.append(outcome)
            elif answer and job.spec.method not in remarked:
                remarked.add(job.spec.method)
                log.warning("%s: %s", job.spec.method, answer[0])
            progress(done, len(todo), outcome)
    failures.sort(key=lambda outcome: (outcome.spec.method, outcome.spec.seed))
    return Summary(len(todo), len(distinct) - len(todo), tuple(failures))


def run_job(job: Job) -> Sequence[str]:
    """Execute one run in this process and store it; what the author of its method should know."""
    store = RunStore(job.out)
    with prepared(job) as features:
        result = execute(job.spec, features, torch.device(job.device), job.observe)
    store.save(job.spec, result)
    return result.remarks


@contextmanager
def prepared(job: Job) -> Iterator[FeatureSet]:
    """This process as every run finds it, whatever it did before, with the features of the run."""
    load_plugins(job.plugins)
    if job.entry:
        registry.adopt(job.entry)
    with one_thread():
        yield _shared(job.features)


def execute(
    spec: RunSpec, features: FeatureSet, device: torch.device, observe: frozenset[str] = frozenset()
) -> RunResult:
    """Train and test one run, and record what is to be observed: `OBSERVERS` by name, or the model itself."""
    started = time.perf_counter()
    parts, method = parts_of(spec, features), methods.build(spec, device)
    watched = Watched(spec, method, features, parts)
    observers = {name: OBSERVERS[name](watched) for name in sorted(observe - {MODEL})}

    def look(epoch: int) -> None:
        for observer in observers.values():
            observer.after_epoch(epoch)

    predicted = trial(method, features, parts, look if observers else None)
    records = {OBSERVERS[name].file: observer.record(predicted) for name, observer in observers.items()}
    operations = method.operations(features, parts.test)
    samples, test = features.samples, parts.test
    return RunResult(
        measured={
            "params": method.parameters,
            "flops": operations,
            "seconds": time.perf_counter() - started,
            "epochs": len(method.history),
            "n_train": len(parts.train) + len(parts.validation),
            "n_fitted": len(parts.train),
            "undecodable": features.undecodable,
            "chosen": method.chosen,
        },
        predictions=pd.DataFrame(
            {
                "id": samples["ids"][test],
                "group": samples.get("groups", samples["ids"])[test],
                "split": "test",
                "complete": features.complete[test],
                "y_true": true_column(features.target, samples["target"][test]),
                **predicted_columns(features.target, predicted),
            }
        ),
        history=pd.DataFrame(method.history, columns=list(Epoch._fields)),
        environment=describe(device),
        records={file: record for file, record in records.items() if record is not None},
        save=partial(_keep, method, features) if MODEL in observe else None,
        remarks=method.remarks,
    )


def _keep(method: Method, features: FeatureSet, folder: Path) -> None:
    """Write a fitted method with all that is to be known to apply it to other samples (`bench.predict`)."""
    features.description.write(folder)
    method.save(folder)


_features: dict[str, FeatureSet] = {}


def _shared(features: FeatureSet) -> FeatureSet:
    """The copy of these features whose files this process has open already."""
    return _features.setdefault(features.fingerprint, features)
