"""The search for each method's own settings: trials on the training and validation parts of one split.

A search belongs to one run of the default recipe, and is stored under that run's id, so that it is only ever
applied to the same method, data, encoders, split, recipe and code:

    tuning/<id of the default run>/  search.json  trials/0000/{trial.json,checksums.json} trials/0001/ ...

A trial is decided by its number and the trials before it, and sealed when it is complete: a search that was
killed goes on as if it never had been, whatever the number of processes.

What a trial may cost is in `bench.budget`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from bench.budget import allowance, epoch_cost
from bench.data.splits import Parts
from bench.errors import TrainingFailed, UsageError
from bench.executors import EXECUTORS
from bench.failure import Failure
from bench.features.store import FeatureSet
from bench.files import damage, sweep, write_text, written_aside
from bench.methods import catalog as methods
from bench.methods.base import Method
from bench.methods.references import REFERENCES
from bench.metrics import METRICS, PRIMARY, Metric, score
from bench.plugins import carried
from bench.predictions import Answers
from bench.runner import Job, prepared
from bench.seeds import derive
from bench.space import defaults, is_tunable, space, with_settings
from bench.spec import RunSpec
from bench.trial import parts_of

if TYPE_CHECKING:
    import optuna

RANDOM_TRIALS = 8
"""Trials, the default recipe among them, before the sampler learns from earlier ones."""
PRUNING = {"n_startup_trials": 5, "n_warmup_steps": 4}
"""Of the median pruner: complete trials it waits for, and epochs of a trial."""


class Trial(BaseModel):
    """One trial, as stored.

    Attributes:
        number: in its search; 0 is the default recipe.
        state: pruned is one that was stopped for being worse than the median at that epoch.
        settings: what was tried; empty where a crash left nothing to know.
        value: the primary metric on the validation part, the best epoch's; None if it failed.
        course: the same after every epoch; empty for references.
        epochs: how many it might train, 0 for references.
        flops: floating-point operations of its training; 0 where they are not counted.
        seconds: what it took.
        error: why it failed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    state: Literal["complete", "pruned", "failed"]
    settings: dict[str, Any] = {}
    value: float | None = None
    course: list[float] = []
    epochs: int = 0
    flops: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def recipe(self) -> dict[str, Any]:
        """All settings that make a run of it."""
        return self.settings | ({"training.epochs": self.epochs} if self.epochs else {})


@dataclass(frozen=True)
class Search:
    """One method on one split, about to make a trial.

    Attributes:
        job: the run of the default recipe.
        allowance: floating-point operations that a trial may train for; 0: the epochs of the recipe.
        number: of the trial.
    """

    job: Job
    allowance: int = 0
    number: int = 0

    @property
    def spec(self) -> RunSpec:
        """The default recipe."""
        return self.job.spec

    @property
    def folder(self) -> Path:
        """Where it is stored."""
        return folder_of(self.job.out, self.spec)

    @property
    def trials(self) -> list[Trial]:
        """What is stored of it."""
        return read_trials(self.folder)


def folder_of(out: Path, spec: RunSpec) -> Path:
    """Where the search that starts from a run is stored."""
    return out / "tuning" / spec.id


def read_trials(folder: Path) -> list[Trial]:
    """The stored trials of a search by number, no more than were asked for last.

    One that is damaged is not there, and is made again.
    """
    found = [path for path in sorted((folder / "trials").glob("[0-9]*")) if not damage(path)]
    trials = [Trial.model_validate_json((path / "trial.json").read_bytes()) for path in found]
    asked = _asked(folder).get("trials")
    return [trial for trial in trials if asked is None or trial.number < asked]


def best_of(trials: Sequence[Trial], metric: Metric) -> Trial | None:
    """The complete trial that is best on the validation part, the earliest of equals; None of none."""
    sign = 1 if metric.lower_is_better else -1
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return min(complete, key=lambda trial: sign * (trial.value or 0.0), default=None)


def primary_of(spec: RunSpec) -> Metric:
    """The metric that a search is about."""
    return METRICS[PRIMARY[spec.target.task]]


def tuned(spec: RunSpec, out: Path) -> RunSpec:
    """The run with the settings that were found for it.

    Raises:
        UsageError: none were found for this method, data, encoders, split, recipe and code; or not yet all
            trials of its search are stored.
    """
    folder = folder_of(out, spec)
    asked = _asked(folder)
    trials = read_trials(folder)
    best = best_of(trials, primary_of(spec))
    if best is None or len(trials) < asked.get("trials", 0):
        done = f"only {len(trials)} of {asked['trials']} trials" if asked else "no tuned settings"
        done = done if len(trials) < asked.get("trials", 1) else "no trial without a failure"
        raise UsageError(
            f"{spec.method}, seed {spec.seed}: {done} under {out} for this dataset, encoders, split and "
            f"recipe; `bench tune --fusion {spec.method}` with the same options finds them."
        )
    return with_settings(spec, best.recipe)


def searches_of(
    jobs: Sequence[Job], options: Mapping[str, Mapping[str, Any]], *, equal: bool
) -> list[Search]:
    """A search for every distinct default run of a method that has anything to search.

    `options` are those of all fusions by the default recipe; with `equal`, trials have equal budgets.
    """
    distinct = {job.spec.id: job for job in jobs if is_tunable(job.spec.method)}
    budgets: dict[tuple[str, int], int] = {}
    searches = []
    for job in distinct.values():
        split = (job.features.fingerprint, job.spec.seed)
        if equal and job.spec.method not in REFERENCES and split not in budgets:
            budgets[split] = allowance(job.spec, job.features, options)
        searches.append(Search(job, 0 if job.spec.method in REFERENCES else budgets.get(split, 0)))
    return searches


# -- all searches ------------------------------------------------------------------------------------------


def search_all(
    searches: Sequence[Search],
    trials: int,
    *,
    processes: int,
    executor: str = "local",
    timeout: float = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Bring every search to a number of trials, one more for all of them in each round; how many were made.

    Whatever a trial does, crash or exceed `timeout` seconds, it is one failed trial.

    Raises:
        UsageError: a search of the same run under another budget or other values is stored.
    """
    for search in searches:
        _begin(search, trials)
    known = {search.folder: {trial.number for trial in search.trials} for search in searches}
    missing = {n: [s for s in searches if n not in known[s.folder]] for n in range(trials)}
    made, total = 0, sum(map(len, missing.values()))
    for number, waiting in missing.items():
        todo = [
            replace(s, number=number, job=replace(s.job, entry=carried(s.spec.method, s.job.plugins)))
            for s in waiting
        ]
        last = number == trials - 1
        with closing(
            EXECUTORS[executor](make_trial, todo, processes, timeout=timeout, keep=not last)
        ) as done:
            for search, answer in done:
                if isinstance(answer, Failure):
                    _store(search, Trial(number=number, state="failed", error=answer.reason))
                made += 1
                progress(made, total)
    return made


def _begin(search: Search, trials: int) -> None:
    """Write down what is searched, or make sure that it is what was searched before."""
    values = {key: list(tried) for key, tried in space(search.spec).items()}
    asked = {"allowance": search.allowance, "space": values}
    earlier = _asked(search.folder)
    if earlier and {key: earlier.get(key) for key in asked} != asked:
        raise UsageError(
            f"{search.folder} holds a search of {search.spec.method} with another --budget or other values; "
            "go on with that one, or choose another --out."
        )
    content = {"spec": search.spec.model_dump(), "trials": trials, **asked}
    write_text(search.folder / "search.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    sweep(search.folder / "trials")


def _asked(folder: Path) -> dict[str, Any]:
    """What is searched for in a folder; nothing where it is none."""
    try:
        content: dict[str, Any] = json.loads((folder / "search.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content


def _store(search: Search, trial: Trial) -> None:
    with written_aside(search.folder / "trials" / f"{trial.number:04d}", replace=True) as folder:
        (folder / "trial.json").write_text(trial.model_dump_json(indent=1) + "\n", encoding="utf-8")


# -- one trial ---------------------------------------------------------------------------------------------


def make_trial(search: Search) -> None:
    """Make the next trial of a search in this process and store it."""
    with prepared(search.job) as features:
        parts = parts_of(search.spec, features)
        seen = features.blinded(parts.test)
        trial = attempt(search, seen, parts._replace(test=parts.test[:0]), torch.device(search.job.device))
    _store(search, trial)


def attempt(search: Search, features: FeatureSet, parts: Parts, device: torch.device) -> Trial:
    """Choose settings by the trials before this one, train with them, and judge by the validation part.

    `features` and `parts` are blind to the test part.
    """
    started = time.perf_counter()
    proposed, settings = _ask(search)
    spec, cost, course, error = with_settings(search.spec, settings), 0, list[float](), ""
    state: Literal["complete", "pruned", "failed"] = "complete"
    value: float | None = None
    try:
        if spec.method not in REFERENCES:
            cost = epoch_cost(spec, features, parts)
            epochs = max(1, search.allowance // cost) if search.allowance else spec.training.epochs
            spec = with_settings(spec, {"training.epochs": epochs})
        value = _train(spec, features, parts, device, course, proposed)
    except _Hopeless:
        state, value = "pruned", course[-1]
    except Exception as caught:  # settings that a method cannot have, or with which it diverges
        state, error = "failed", Failure.of(caught).reason
    return Trial(
        number=search.number,
        state=state,
        settings=settings,
        value=value,
        course=course,
        epochs=spec.training.epochs if cost else 0,
        flops=cost * len(course),
        seconds=time.perf_counter() - started,
        error=error,
    )


class _Hopeless(Exception):
    """A trial is worse than others were at this epoch."""


def _train(
    spec: RunSpec,
    features: FeatureSet,
    parts: Parts,
    device: torch.device,
    course: list[float],
    proposed: optuna.Trial,
) -> float:
    """Train with some settings: the primary metric on the validation part; `course` gets it by epoch."""
    method = methods.build(spec, device)

    def look(epoch: int) -> None:
        course.append(_judge(method, features, parts.validation))
        proposed.report(course[-1], epoch)
        if proposed.should_prune():
            raise _Hopeless

    method.fit(features, parts, look)
    return _judge(method, features, parts.validation)


def _judge(method: Method, features: FeatureSet, rows: np.ndarray) -> float:
    """The primary metric of a method on some samples. Raises TrainingFailed if it is not finite."""
    metric, target = primary_of(method.spec), features.samples["target"][rows]
    true = target.astype(int) if features.target.classes else target
    predicted = method.predict(features, rows)
    known = np.isfinite(predicted).all()
    value = score(Answers(features.target, true, predicted), [metric])[metric.name] if known else np.nan
    if not np.isfinite(value):
        raise TrainingFailed(f"the {metric.name} on the validation part is not finite.")
    return value


def _ask(search: Search) -> tuple[optuna.Trial, dict[str, Any]]:
    """Settings for a trial, and what tells whether to go on with it: from the trials before it alone.

    The sampler sees a value's place in the list of those to be tried.
    """
    import optuna  # it takes a second, which no run should need
    from optuna.distributions import BaseDistribution, IntDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    values = space(search.spec)
    places: dict[str, BaseDistribution] = {k: IntDistribution(0, len(v) - 1) for k, v in values.items()}
    seed = derive(search.spec.seed, "tune", search.spec.method, str(search.number)) % 2**32
    study = optuna.create_study(
        direction="minimize" if primary_of(search.spec).lower_is_better else "maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS),
        pruner=optuna.pruners.MedianPruner(**PRUNING),
    )
    states = {"complete": optuna.trial.TrialState.COMPLETE, "pruned": optuna.trial.TrialState.PRUNED}
    for trial in search.trials:
        if trial.number < search.number and trial.state in states:
            study.add_trial(
                optuna.trial.create_trial(
                    state=states[trial.state],
                    value=trial.value,
                    params={key: values[key].index(value) for key, value in trial.settings.items()},
                    distributions=places,
                    intermediate_values=dict(enumerate(trial.course)),
                )
            )
    start = defaults(search.spec)
    if search.number == 0:
        study.enqueue_trial({key: values[key].index(value) for key, value in start.items()})
    proposed = study.ask(places)
    return proposed, {key: values[key][place] for key, place in proposed.params.items()}
