"""What a trial of `bench tune` may cost: the floating-point operations of training.

Equal budget: every trial may spend the same operations, so N trials of any fusion may spend N times that. It
is what the costliest bundled fusion needs for all epochs of the default recipe: none gets fewer epochs than
that recipe has, cheaper ones may train longer, until early stopping; larger settings of one method, shorter.
An epoch is 3 forward passes (one forward, two backward) over the training part and one over the validation
part. Operations of references are not counted; for them a budget is the number of trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

import fusions
from bench.data.splits import Parts
from bench.features.store import FeatureSet
from bench.methods.network import build_model
from bench.methods.train import flops
from bench.spec import RunSpec
from bench.trial import parts_of


def epoch_cost(spec: RunSpec, features: FeatureSet, parts: Parts) -> int:
    """Floating-point operations of one epoch of a fusion's training."""
    model = build_model(features.layout, spec.method, spec.options, spec.model, spec.seed)
    once = flops(model, features, parts.train, torch.device("cpu"))
    return once * (3 * len(parts.train) + len(parts.validation))


def allowance(spec: RunSpec, features: FeatureSet, options: Mapping[str, Mapping[str, Any]]) -> int:
    """What the costliest bundled fusion needs for the epochs of a fusion's recipe.

    Whichever fusions are asked for, and whatever is registered beside, it is the same.

    Args:
        spec: a default run of any fusion, on the split in question.
        features: what it learns from.
        options: fusion -> its own options in that recipe.
    """
    parts, costs = parts_of(spec, features), [0]
    for name in fusions.names():
        if fusions.get(name).bundled:
            of_it = spec.model_copy(update={"method": name, "options": dict(options.get(name, {}))})
            try:
                costs.append(epoch_cost(of_it, features, parts))
            except ValueError:  # these features do not suit it, such as too many groups for an outer product
                continue
    return max(costs) * spec.training.epochs
