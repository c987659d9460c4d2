"""What captions say of seeds: what differs between them, and so what their spread can and cannot tell."""

from __future__ import annotations

from bench.plan import Plan

_SPLITS = {
    "random": "each its own random split",
    "official": "all on the official split",
    "time": "all tested on the latest samples",
}


def seeds_of(plan: Plan) -> str:
    """How many seeds, and what differs between them."""
    if plan.seeds == 1:
        return "One seed."
    if plan.split == "random":
        return f"{plan.seeds} seeds, {_SPLITS[plan.split]}."
    return (
        f"{plan.seeds} seeds, {_SPLITS[plan.split]}: spreads and intervals are those of training alone, and "
        "say nothing of other test samples."
    )


def intervals_of(plan: Plan) -> str:
    """What the 95 % intervals of a mean over seeds account for."""
    if plan.split == "random":
        return "Nadeau-Bengio, corrected for overlapping splits"
    return "Nadeau-Bengio, over repeated training on one split"
