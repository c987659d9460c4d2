"""What seeds can tell: what differs between them, the intervals over them, and what captions say of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.metrics import METRICS
from bench.plan import Plan
from bench.stats import corrected_interval

_SPLITS = {
    "random": "each its own random split",
    "official": "all on the official split",
    "time": "all on the split by time, tested on the latest samples",
}
_ONE_SPLIT = {
    "random": "a random split",
    "official": "the official split",
    "time": "the split by time, tested on the latest samples",
}


def seeds_of(plan: Plan) -> str:
    """How many seeds, and what differs between them."""
    if plan.seeds == 1:
        return f"One seed, on {_ONE_SPLIT[plan.split]}."
    if plan.split == "random":
        return f"{plan.seeds} seeds, {_SPLITS[plan.split]}."
    return (
        f"{plan.seeds} seeds, {_SPLITS[plan.split]}: spreads and intervals are those of training alone, and "
        "say nothing of other test samples."
    )


def split_of(plan: Plan) -> str:
    """The split of one run."""
    return _ONE_SPLIT[plan.split]


def intervals_of(plan: Plan) -> str:
    """What the 95 % intervals of a mean over seeds account for."""
    if plan.split == "random":
        return "Nadeau-Bengio, corrected for overlapping splits"
    return "t, over repeated training on one split: of training alone, not of other test samples"


def overlap_of(plan: Plan, metrics: Mapping[str, Any]) -> tuple[int, int]:
    """How many samples a run learned from, and how many were drawn to test it: what intervals correct for.

    Random splits share their samples. On one fixed split no samples are drawn, and nothing is corrected.
    """
    return int(metrics["n_train"]), int(metrics["n_test"]) if plan.split == "random" else 0


def interval_over_seeds(
    values: Sequence[float] | np.ndarray, overlap: tuple[int, int], metric: str = ""
) -> tuple[float, float]:
    """The 95 % interval of a mean over seeds, inside the metric's range; (nan, nan) where there is none."""
    bounds = METRICS[metric].bounds if metric else (-np.inf, np.inf)
    low, high = np.clip(corrected_interval(np.asarray(values), *overlap), *bounds)
    return float(low), float(high)
