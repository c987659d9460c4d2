"""How often the order of fusion that fits what was planted wins, by the suite's own verdict.

Where interactions are planted within entities, entity-first fits, and modality-first where they are planted
within modalities. Both orders of MEMF are compared on several datasets of each kind, which share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from bench.compare.frame import load
from bench.compare.simultaneous import Gap
from bench.compare.tests import interval
from bench.errors import BenchError
from bench.experiments.order import changes
from bench.request import Request, resolve
from bench.runner import run_all
from bench.store import RunStore
from bench.workflow import Reporter, prepare

FITS = MappingProxyType({"entity": ("entity-first", 1), "modality": ("modality-first", -1)})
"""Where interactions are planted -> the order that fits, and the sign of modality-first less entity-first in
a loss where it is the better one."""
FIRST = 1
"""The first seed of data: 0 is the dataset that all else is reported on."""


def contested(
    datasets: int, *, seeds: int, data: Mapping[str, int], out: Path, jobs: int, reporter: Reporter
) -> pd.DataFrame:
    """A row for each planting: how often which order was found to be better, and by how much on average.

    `data` are arguments of the generator beside planting and seed.

    Raises:
        BenchError: a run failed.
    """
    asked = {
        (planted, number): Request(
            experiments=("order",), seeds=seeds, weights="random", out=out, jobs=jobs, device="cpu",
            data_arguments={**data, "interaction": planted, "seed": FIRST + number},
        )
        for number in range(datasets)
        for planted in FITS
    }  # fmt: skip
    store = RunStore(out)
    prepared = {key: prepare(one, resolve(one), reporter) for key, one in asked.items()}
    jobs_of_all = [job for one in prepared.values() for job in one.jobs]
    summary = run_all(jobs_of_all, store, processes=jobs, progress=reporter.running)
    if summary.failures:
        first = summary.failures[0]
        raise BenchError(f"order of fusion: {first.spec.method}, seed {first.spec.seed}: {first.error}")
    gaps: dict[str, list[Gap]] = {planted: [] for planted in FITS}
    for (planted, _), one in prepared.items():
        gaps[planted] += changes(load(one.plans[0], store)).values()
    return pd.DataFrame(row(planted, found) for planted, found in gaps.items())


def row(planted: str, gaps: Sequence[Gap]) -> dict[str, object]:
    """What the comparisons on datasets of one planting come to; gaps are modality-first less entity-first."""
    order, sign = FITS[planted]
    gains = np.array([sign * gap.value for gap in gaps])
    found = np.array([gap.found for gap in gaps])
    low, high = interval(gains, 1, 0)  # datasets share nothing
    return {
        "planted within": planted,
        "fits": order,
        "datasets": len(gaps),
        "found to be better": int((found & (gains > 0)).sum()),
        "found to be worse": int((found & (gains < 0)).sum()),
        "not distinguished": int((~found).sum()),
        "lower mean loss": int((gains > 0).sum()),
        "mean gain": float(gains.mean()),
        "low": low,
        "high": high,
    }
