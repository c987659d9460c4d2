"""Methods by name: a fusion of the registry in its network, or a reference that needs none."""

from __future__ import annotations

import torch

import fusions
from bench.config import ModelConfig, RunSpec, TrainingConfig
from bench.methods.base import Epoch, Method
from bench.methods.network import Network
from bench.methods.references import REFERENCES, Reference, reference

__all__ = [
    "REFERENCES",
    "Epoch",
    "Method",
    "Network",
    "Reference",
    "build",
    "kind_of",
    "reference",
    "settings",
]


def kind_of(name: str) -> type[Method]:
    """What a method of this name is made of. Raises UnknownFusion."""
    if name in REFERENCES:
        return REFERENCES[name]
    fusions.get(name)
    return Network


def build(spec: RunSpec, device: torch.device) -> Method:
    """The method of a run, not fitted yet."""
    return kind_of(spec.method)(spec, device)


def settings(
    name: str, model: ModelConfig, training: TrainingConfig, device: str
) -> tuple[ModelConfig, TrainingConfig, str]:
    """The settings that decide the numbers of a method: those that it does not read are at their defaults."""
    reads = kind_of(name).reads
    read = {key: value for key, value in training.model_dump().items() if key in reads}
    return (
        model if "model" in reads else ModelConfig(),
        TrainingConfig.model_validate(read),
        device if "device" in reads else "cpu",
    )
