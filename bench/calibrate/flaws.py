"""Does a method look where it may not, or not look at all?

Each is fitted to small data with something to find, then again to altered data. What is altered is on disk,
so that it does not matter by which way a method looks.

- *Spoiled*: the test samples have other targets while it is fitted, when it predicts as well, and other
  features while it is fitted. An honest method predicts the same, to the bit.
- *Renumbered*: all samples stand in another order under other ids. An honest method predicts the same of
  each.
- *Shuffled*: the fitted method sees the features of other test samples. One that looks at them predicts
  otherwise.

A method that knows where the unaltered data lie, or remembers them from its first fit, is not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

import fusions
from bench.calibrate.planted import PLANTED
from bench.calibrate.work import Answer, Kept, Progress, quiet, work_through
from bench.config import ModelConfig, TrainingConfig, load_preset
from bench.data.schema import Target
from bench.data.splits import Parts
from bench.failure import Failure
from bench.features.altered import written
from bench.features.store import FeatureSet
from bench.isolation import one_thread
from bench.methods import catalog as methods
from bench.methods.base import Method
from bench.methods.references import REFERENCES, Reference
from bench.perf.simulated import simulate
from bench.plugins import load_plugins
from bench.spec import RunSpec
from bench.trial import parts_of, trial
from fusions import Source

SAMPLES, EPOCHS = 120, 8
INFORMATIVE = Source("room", "numeric")
"""The source whose numbers the target follows from."""
TOUCHED = 1e-6
"""Standard deviations of the target by which a prediction may move where nothing may move: rounding."""
IGNORED = 1e-3
"""The same that it must move by where a method looks at what was changed."""


class Suspect(NamedTuple):
    """A method to be examined.

    Attributes:
        method: a fusion, a reference or one of PLANTED.
        code: a hash of all source that decides what it does.
        plugins: files that may register it.
    """

    method: str
    code: str = ""
    plugins: tuple[Path, ...] = ()


def examined(
    plugins: Sequence[Path] = (), *, out: Path | None = None, jobs: int = 1, progress: Progress = quiet
) -> pd.DataFrame:
    """Every registered fusion and reference, and the planted ones, a row each."""
    load_plugins(plugins)
    names = [*fusions.names(), *REFERENCES]
    suspects = [Suspect(name, methods.code_of(name), tuple(plugins)) for name in names]
    suspects += [Suspect(name) for name in PLANTED]
    kept = Kept(out, "methods", [__name__]) if out else None
    answers = work_through(examine, suspects, "methods examined", jobs=jobs, kept=kept, progress=progress)
    return pd.DataFrame(
        row(suspect.method, answer) for suspect, answer in zip(suspects, answers, strict=True)
    )


def row(name: str, answer: Answer) -> dict[str, object]:
    """What was found of a method, in words: how far its predictions moved, in standard deviations."""
    kind = _kind_of(name)
    looks = not issubclass(kind, Reference) or kind.looks
    moved = {key: answer.get(key, np.nan) for key in ("spoiled", "renumbered", "shuffled")}
    flaws = {
        "reads the test part": moved["spoiled"] > TOUCHED,
        "goes by ids or order": moved["renumbered"] > TOUCHED,
        "ignores its inputs": looks and moved["shuffled"] < IGNORED,
        f"failed: {answer.get('failed')}": "failed" in answer,
    }
    found = "; ".join(flaw for flaw, there in flaws.items() if there)
    return {
        "method": name,
        "kind": "planted" if name in PLANTED else "reference" if name in REFERENCES else "fusion",
        **moved,
        "flagged": found or "no" + ", looks at no feature and says so" * (not looks),
    }


def examine(suspect: Suspect) -> Answer:
    """How far predictions move, in standard deviations of the target; or why the method failed."""
    load_plugins(suspect.plugins)
    try:
        with one_thread():
            return moved(suspect.method, _kind_of(suspect.method))
    except Exception as error:  # anyone's code, which may raise anything
        return {"failed": Failure.of(error).reason}


def moved(name: str, kind: type[Method]) -> Answer:
    """How far predictions for the test part move at most, in standard deviations of the target."""
    with TemporaryDirectory() as folder:
        root, spec = Path(folder), _spec(name, kind)
        features = world(root, spec.target)
        parts, device = parts_of(spec, features), torch.device("cpu")
        honest = kind(spec, device)
        expected = trial(honest, features, parts)

        other = kind(spec, device)
        fitted_to, asked = spoiled(features, parts, root)
        other.fit(fitted_to, parts)
        found = {"spoiled": other.predict(asked, parts.test)}
        found["renumbered"] = trial(kind(spec, device), *renumbered(features, parts, root))
        found["shuffled"] = honest.predict(shuffled(features, parts, root), parts.test)
        scale = np.std(features.samples["target"])
        return {name: float(np.abs(seen - expected).max() / scale) for name, seen in found.items()}


def spoiled(features: FeatureSet, parts: Parts, root: Path) -> tuple[FeatureSet, FeatureSet]:
    """The test samples with other targets: with features of training samples, and with their own."""
    rng, target, test = np.random.default_rng(1), features.samples["target"], parts.test
    other, rows = np.array(target), np.arange(len(target))
    other[test] = 1 - target[test] if features.target.classes else rng.permutation(target[test]) + 1
    samples = {**features.samples, "target": other}
    replaced = rows.copy()
    replaced[test] = rng.choice(parts.train, len(test))
    return (
        written(features, root / "spoiled", replaced, samples),
        written(features, root / "relabelled", rows, samples),
    )


def renumbered(features: FeatureSet, parts: Parts, root: Path) -> tuple[FeatureSet, Parts]:
    """All samples in another order under other ids, and the same parts of them."""
    rng, n = np.random.default_rng(2), len(features.samples["target"])
    order = rng.permutation(n)
    names = np.array([f"s{number}" for number in rng.permutation(n)])
    samples = {"ids": names, "target": features.samples["target"][order]}
    places = np.argsort(order)
    return written(features, root / "renumbered", order, samples), Parts(*(places[part] for part in parts))


def shuffled(features: FeatureSet, parts: Parts, root: Path) -> FeatureSet:
    """Every test sample with the features of another."""
    order = np.arange(len(features.samples["target"]))
    order[parts.test] = np.roll(parts.test, 1)
    return written(features, root / "shuffled", order, features.samples)


def world(root: Path, target: Target) -> FeatureSet:
    """Simulated features on disk, and a target that follows from one of their sources and little noise."""
    noise = simulate(root / "noise", SAMPLES)
    rows = np.arange(SAMPLES)
    numbers = noise.sources[INFORMATIVE].batch(rows).pooled().numpy()
    y = np.nan_to_num(numbers[:, 0]) + 0.1 * np.asarray(noise.samples["target"])
    y = (y > np.median(y)).astype(float) if target.classes else y
    told = written(noise, root / "told", rows, {"ids": noise.samples["ids"], "target": y})
    return replace(told, target=target)


def _kind_of(name: str) -> type[Method]:
    return PLANTED[name] if name in PLANTED else methods.kind_of(name)


def _spec(name: str, kind: type[Method]) -> RunSpec:
    classes = issubclass(kind, Reference) and "regression" not in kind.tasks
    task = {"task": "binary", "classes": ("low", "high")} if classes else {}
    return RunSpec(
        method=name,
        options=load_preset("quick").fusions.get(name, {}),
        model=ModelConfig(dim=8, heads=2),
        training=TrainingConfig(epochs=EPOCHS, patience=4, lr=5e-3, split="random"),
        seed=0,
        dataset="examined",
        target=Target.model_validate({"column": "target"} | task),
        encoders={},
        features="",
        code="",
    )
