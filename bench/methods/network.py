"""The model every fusion is compared in: shared trunk -> one fusion -> shared head.

    batch --Trunk--> tokens (B, M, L, d) --Fusion--> vector (B, d) --Head--> outputs (B,) or (B, K)

Trunk and head are the same for every fusion, initialised from the same seed (MEMF, section 4.2: "feature
extraction, DNN predictor and other parts are completely consistent for fair comparison").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import fusions
from bench.config import HeadConfig, ModelConfig, TrainingConfig
from bench.data.splits import Parts
from bench.features.batch import Batch
from bench.features.layout import Layout
from bench.features.store import FeatureSet
from bench.methods import train
from bench.methods.base import AfterEpoch, Method
from bench.methods.tasks import Task, task_of
from bench.methods.trunk import Trunk
from bench.seeds import derive
from bench.spec import RunSpec
from fusions import Fused, Fusion, Inputs, Source
from fusions.hidden import unregistered

WEIGHTS = "weights.safetensors"


class Head(nn.Sequential):
    """The DNN predictor: Linear, ReLU, Dropout per hidden layer, then outputs; (..., d) -> (..., width)."""

    def __init__(self, dim: int, width: int, config: HeadConfig) -> None:
        widths = [dim, *config.hidden]
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            layers += [nn.Linear(wide, narrow), nn.ReLU(), nn.Dropout(config.dropout)]
        super().__init__(*layers, nn.Linear(widths[-1], width))


class FusionModel(nn.Module):
    """Trunk, fusion and head; its outputs are on the scale that the task learns on."""

    target_mean: Tensor
    target_scale: Tensor

    def __init__(self, trunk: Trunk, fusion: Fusion, head: Head, task: Task) -> None:
        super().__init__()
        self.trunk, self.fusion, self.head, self.task = trunk, fusion, head, task
        self.register_buffer("target_mean", torch.zeros(()))
        self.register_buffer("target_scale", torch.ones(()))

    def forward(self, batch: Mapping[Source, Batch]) -> tuple[Tensor, Fused]:
        """Outputs (B,), or (B, K) of several, and what the fusion returned."""
        fused = self.fusion(self.trunk(batch))
        outputs = self.head(fused.vector)
        if self.task.width == 1:
            outputs = outputs.squeeze(-1)
        return (outputs.mean(1) if fused.vector.dim() == 3 else outputs), fused

    def fit_scales(self, batches: Iterable[Mapping[Source, Batch]], target: np.ndarray) -> None:
        """Standardise inputs and target by the training part: its features and targets (N,)."""
        self.trunk.fit(batches)
        mean, scale = self.task.scale(target)
        self.target_mean.fill_(mean)
        self.target_scale.fill_(scale)
        self.fusion.calibrate(self.learned(torch.from_numpy(np.array(target))).float())

    def learned(self, target: Tensor) -> Tensor:
        """The target on the scale that is learned."""
        return (target - self.target_mean) / self.target_scale

    def predictions(self, outputs: Tensor) -> Tensor:
        """What outputs say on the target's own scale: (B,), or probabilities (B, K)."""
        return self.task.predictions(outputs, self.target_mean, self.target_scale)


def build_model(
    layout: Layout, name: str, options: Mapping[str, Any], config: ModelConfig, seed: int
) -> FusionModel:
    """Build the model around the fusion `name`; every part is initialised from its own derived seed."""
    task = task_of(layout.target)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "trunk"))
        trunk = Trunk(layout.sources, config.dim, slots=config.trunk.slots, dropout=config.trunk.dropout)
        torch.manual_seed(derive(seed, "head"))
        head = Head(config.dim, task.width, config.head)
        torch.manual_seed(derive(seed, "fusion", name))
        fusion = build_fusion(name, layout.inputs(config.dim), options, config)
    return FusionModel(trunk, fusion, head, task)


def build_fusion(name: str, inputs: Inputs, options: Mapping[str, Any], config: ModelConfig) -> Fusion:
    """Build a fusion with those of the shared settings that it has, then its own options."""
    known = fusions.get(name).options
    shared = {k: v for k, v in config.shared_options.items() if k in known}
    return fusions.build(name, inputs, **(shared | dict(options)))


class Network(Method):
    """A fusion in its model, trained end to end.

    Attributes:
        model: from `fit` on.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"model", "device", *TrainingConfig.model_fields})
    model: FusionModel

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Train, and keep the weights of the best validation epoch."""
        self._build(features.layout)
        self.remarks = unregistered(self.model.fusion)
        self.history = train.train(
            self.model, features, parts, self.spec.training, self.spec.seed, self.device, after_epoch
        )

    def predict(self, features: FeatureSet, rows: np.ndarray) -> np.ndarray:
        """Predictions in evaluation mode."""
        return train.predict(self.model, features, rows, self.device)

    def operations(self, features: FeatureSet, rows: np.ndarray) -> int:
        """The mean over some of `rows`; encoders are not counted."""
        return train.flops(self.model, features, rows, self.device)

    def save(self, folder: Path) -> None:
        """The state of the model, scales included."""
        state = {name: tensor.cpu().contiguous() for name, tensor in self.model.state_dict().items()}
        save_file(state, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path, spec: RunSpec, layout: Layout, device: torch.device) -> Self:
        """The trained model, on any device, wherever it was trained."""
        method = cls(spec, device)
        try:
            method._build(layout)
            method.model.load_state_dict(load_file(folder / WEIGHTS))
        except Exception as error:  # a damaged file makes the reader raise anything
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{folder / WEIGHTS} does not fit {spec.method} ({reason})") from None
        method.model.to(device)
        return method

    def _build(self, layout: Layout) -> None:
        spec = self.spec
        self.model = build_model(layout, spec.method, spec.options, spec.model, spec.seed)
        self.parameters = sum(p.numel() for p in self.model.parameters())
