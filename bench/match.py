"""Widths with which fusions have about the same number of trained parameters."""

from __future__ import annotations

from bench.errors import UsageError
from bench.features.layout import Layout
from bench.methods.network import build_model
from bench.spec import RunSpec

TOLERANCE = 0.10
"""Share of the goal that a method may be off."""


def parameters(spec: RunSpec, layout: Layout, dim: int | None = None) -> int:
    """Trained parameters of the model of a fusion (trunk, fusion, head), perhaps of another width."""
    config = spec.model if dim is None else spec.model.model_copy(update={"dim": dim})
    model = build_model(layout, spec.method, spec.options, config, spec.seed)
    return sum(parameter.numel() for parameter in model.parameters())


def matching_width(spec: RunSpec, layout: Layout, goal: int) -> int:
    """The width `model.dim`, a multiple of the heads, whose parameters come nearest to a goal.

    Raises:
        UsageError: the nearest is off by more than `TOLERANCE`.
    """
    step = spec.model.heads
    low, high = 1, 2
    while parameters(spec, layout, high * step) < goal:  # they grow with the width
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters(spec, layout, middle * step) < goal else (low, middle)
    reached = {width * step: parameters(spec, layout, width * step) for width in (low, high)}
    best = min(reached, key=lambda dim: abs(reached[dim] - goal))
    if abs(reached[best] - goal) > TOLERANCE * goal:
        raise UsageError(
            f"--match params: {spec.method} has {reached[best]:,} parameters at its nearest width ({best}), "
            f"not within {TOLERANCE:.0%} of {goal:,}; leave it out, or change its own options with --set."
        )
    return best
