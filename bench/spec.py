"""What decides one number, and its hash."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import BaseModel, ConfigDict

from bench.config import ModelConfig, TrainingConfig
from bench.data.schema import Target


class RunSpec(BaseModel):
    """Everything that decides one number; its hash is the run's id.

    Attributes:
        method: a fusion, or a reference (`bench.methods`).
        options: the fusion's own options.
        model, training: shared settings; those that the method does not read are at their defaults.
        seed: which split, initialisation and order of batches.
        dataset: name of the dataset.
        target: what is predicted.
        encoders: modality -> encoder with the provenance of its weights.
        features: fingerprint of dataset and features.
        code: hash of the source that decides the number (`bench.sourcecode`).
        device: kind of device, since bits differ between them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    options: dict[str, Any] = {}
    model: ModelConfig
    training: TrainingConfig
    seed: int
    dataset: str
    target: Target
    encoders: dict[str, str]
    features: str
    code: str
    device: str = "cpu"

    @property
    def id(self) -> str:
        """Hash of the specification."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]
