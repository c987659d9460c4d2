"""How often this suite's own runs come to a false verdict where there is nothing to find.

Every dataset has simulated features and a target that is noise. On each,

- equal methods are compared: one fusion from several initialisations, so that any difference found is false;
- fusions are compared with references: no fusion can be better than the mean of the target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import torch

from bench.compare.calibration import Case, cases, rates
from bench.compare.components import from_losses
from bench.compare.simultaneous import LEVEL, Simultaneous
from bench.config import ModelConfig, TrainingConfig
from bench.data.schema import Target
from bench.data.splits import Parts
from bench.errors import BenchError
from bench.executors import EXECUTORS
from bench.failure import Failure
from bench.features.store import FeatureSet
from bench.methods import catalog as methods
from bench.perf.simulated import simulate
from bench.report.sheet import plain_sheet
from bench.report.writers import markdown
from bench.spec import RunSpec
from bench.trial import parts_of, trial

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""
Work = TypeVar("Work")
Answer = TypeVar("Answer")

EQUAL = 4
"""How many initialisations of one fusion are compared."""
FUSIONS = ("concat", "gmu", "late")
REFERENCES = ("ridge", "predict-mean")
SAMPLES, SPLITS = 120, 3


class Found(NamedTuple):
    """What was concluded from one dataset of noise."""

    equal: bool
    excluded: bool
    helped: bool


def simulated(
    repeats: int, jobs: int = 1, seed: int = 0, progress: Progress = lambda what, done, total: None
) -> pd.DataFrame:
    """Rates over `repeats` simulated comparisons of each case, a row each (`bench.compare.calibration`)."""
    asked = cases(repeats, seed)
    found: dict[Case, dict[str, Any]] = _all(rates, asked, jobs, "cases of simulated comparisons", progress)
    return pd.DataFrame([found[case] for case in asked])


def trained(
    datasets: int, jobs: int = 1, seed: int = 0, progress: Progress = lambda what, done, total: None
) -> pd.DataFrame:
    """Rates of false verdicts over real trainings on `datasets` datasets of noise, with standard errors."""
    numbers = [seed + n for n in range(datasets)]
    found: list[Found] = list(_all(conclude, numbers, jobs, "datasets of noise", progress).values())
    shares = {
        f"{EQUAL} equal methods ({FUSIONS[0]}), any two distinguished": [one.equal for one in found],
        f"{EQUAL} equal methods ({FUSIONS[0]}), the first is no candidate": [one.excluded for one in found],
        f"{', '.join(FUSIONS)}: any better than {' and '.join(REFERENCES)}": [one.helped for one in found],
    }
    return pd.DataFrame(
        {
            "false verdict": name,
            "datasets": len(values),
            "rate": np.mean(values),
            "allowed": LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / len(values)),
        }
        for name, values in shares.items()
    )


def _all(
    work: Callable[[Work], Answer], tasks: Sequence[Work], jobs: int, what: str, progress: Progress
) -> dict[Work, Answer]:
    """Every task with its result, as they are done. Raises BenchError for one that failed."""
    found: dict[Work, Answer] = {}
    progress(what, 0, len(tasks))
    for task, result in EXECUTORS["local"](work, tasks, jobs):
        if isinstance(result, Failure):
            raise BenchError(f"{what}, {task}: {result}")
        found[task] = result
        progress(what, len(found), len(tasks))
    return found


def conclude(number: int) -> Found:
    """Train on one dataset of noise, and compare."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
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
    return Found(same.any_found, "copy 0" not in same.candidates(), helped)


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


def write(tables: dict[str, pd.DataFrame], out: Path, command: str) -> list[Path]:
    """``OUT/tables/calibration-NAME.csv`` and one Markdown page; the paths."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    lines, paths = ["# How often verdicts are false, and what they find", ""], []
    for name, table in tables.items():
        paths.append(folder / f"calibration-{name}.csv")
        table.to_csv(paths[-1], index=False)
        sheet = plain_sheet(name, "", table.to_dict("records"))
        lines += [f"## {name.capitalize()}", "", markdown(sheet), ""]
    paths.append(folder / "calibration.md")
    paths[-1].write_text("\n".join([*lines, f"Regenerate: `{command}`", ""]), encoding="utf-8")
    return paths
