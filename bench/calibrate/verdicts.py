"""How often this suite's own runs come to a false verdict where there is nothing to find.

Every dataset has simulated features and a target that is noise. On each,

- equal methods are compared: one fusion from several initialisations, so that any difference found is false;
- fusions are compared with references: no fusion can be better than the mean of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

import fusions
from bench.calibrate.work import Answer, Kept, Progress, quiet, work_through
from bench.compare.calibration import cases, rates
from bench.compare.components import from_losses
from bench.compare.simultaneous import LEVEL, Simultaneous
from bench.config import ModelConfig, TrainingConfig
from bench.data.schema import Target
from bench.data.splits import Parts
from bench.features.store import FeatureSet
from bench.isolation import one_thread
from bench.methods import catalog as methods
from bench.perf.simulated import simulate
from bench.spec import RunSpec
from bench.trial import parts_of, trial

EQUAL = 4
"""How many initialisations of one fusion are compared."""
FUSIONS = ("concat", "gmu", "late")
REFERENCES = ("ridge", "predict-mean")
SAMPLES, SPLITS = 120, 3


def simulated(
    repeats: int, *, out: Path | None = None, jobs: int = 1, seed: int = 0, progress: Progress = quiet
) -> pd.DataFrame:
    """Rates over `repeats` simulated comparisons of each case, a row each (`bench.compare.calibration`)."""
    kept = Kept(out, "simulated", ["bench.compare.calibration"]) if out else None
    what = "cases of simulated comparisons"
    return pd.DataFrame(
        work_through(rates, cases(repeats, seed), what, jobs=jobs, kept=kept, progress=progress)
    )


def trained(
    datasets: int, *, out: Path | None = None, jobs: int = 1, seed: int = 0, progress: Progress = quiet
) -> pd.DataFrame:
    """Rates of false verdicts over real trainings on `datasets` datasets of noise, and what is allowed."""
    numbers = [seed + n for n in range(datasets)]
    used = [__name__, *(fusions.get(name).cls.__module__ for name in FUSIONS)]
    kept = Kept(out, "trained", used) if out else None
    answers = work_through(conclude, numbers, "datasets of noise", jobs=jobs, kept=kept, progress=progress)
    found = pd.DataFrame(answers).astype(float)
    shares = {
        f"{EQUAL} equal methods ({FUSIONS[0]}), any two distinguished": found["equal"],
        f"{EQUAL} equal methods ({FUSIONS[0]}), the first is no candidate": found["excluded"],
        f"{', '.join(FUSIONS)}: any better than {' and '.join(REFERENCES)}": found["helped"],
    }
    return pd.DataFrame(
        {"false verdict": name, "datasets": datasets, "rate": values.mean(), "allowed": allowed(datasets)}
        for name, values in shares.items()
    )


def allowed(comparisons: int) -> float:
    """The rate of false verdicts that so many comparisons may show: the nominal one and 2 standard errors."""
    return float(LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / comparisons))


def conclude(number: int) -> Answer:
    """Train on one dataset of noise, and compare.

    `equal`: any two equal methods were distinguished; `excluded`: the first of them is no candidate for the
    best; `helped`: a fusion was better than every reference.
    """
    with one_thread(), TemporaryDirectory() as folder:
        features = simulate(Path(folder) / "features", SAMPLES, seed=number)
        equal: list[list[np.ndarray]] = []
        others: list[list[np.ndarray]] = []
        units, overlap = [], 0.0
        for split in range(SPLITS):
            parts = parts_of(_spec(FUSIONS[0], split), features)
            overlap = len(parts.test) / len(parts.train)
            units.append(parts.test)
            copies = [_spec(FUSIONS[0], split + 1000 * copy) for copy in range(EQUAL)]
            each = [_spec(name, split) for name in (*FUSIONS, *REFERENCES)]
            equal.append([_losses(spec, features, parts) for spec in copies])
            others.append([_losses(spec, features, parts) for spec in each])
        same = _compare([f"copy {n}" for n in range(EQUAL)], equal, units, overlap)
        rest = _compare([*FUSIONS, *REFERENCES], others, units, overlap)
    against = [rest.against(reference, FUSIONS) for reference in REFERENCES]
    helped = any(all(gaps[f].found and gaps[f].value < 0 for gaps in against) for f in FUSIONS)
    return {
        "equal": same.any_found,
        "excluded": "copy 0" not in same.candidates(),
        "helped": bool(helped),
    }


def _losses(spec: RunSpec, features: FeatureSet, parts: Parts) -> np.ndarray:
    """(N,) squared errors on the test part."""
    method = methods.kind_of(spec.method)(spec, torch.device("cpu"))
    return np.asarray((trial(method, features, parts) - features.samples["target"][parts.test]) ** 2)


def _compare(
    names: Sequence[str], losses: Sequence[Sequence[np.ndarray]], units: Sequence[np.ndarray], overlap: float
) -> Simultaneous:
    return Simultaneous(tuple(names), from_losses([np.stack(part) for part in losses], units, overlap), True)


def _spec(name: str, seed: int) -> RunSpec:
    return RunSpec(
        method=name,
        model=ModelConfig(dim=8, heads=2),
        training=TrainingConfig(epochs=8, patience=4, lr=5e-3, split="random"),
        seed=seed,
        dataset="noise",
        target=Target(column="target"),
        encoders={},
        features="",
        code="",
    )
