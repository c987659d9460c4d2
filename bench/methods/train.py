"""Training one model: Adam, StepLR, early stopping on the validation part, best weights restored.

With averaging, the weights that are validated, kept and predicted with are a moving average of those that are
trained: noise of single steps and of the choice of an epoch goes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.config import TrainingConfig
from bench.data.splits import Parts
from bench.errors import TrainingFailed
from bench.features.store import FeatureSet
from bench.methods.base import AfterEpoch, Epoch
from bench.seeds import derive

if TYPE_CHECKING:
    from bench.methods.network import FusionModel

EVALUATION_BATCH = 256


def train(
    model: FusionModel,
    features: FeatureSet,
    parts: Parts,
    config: TrainingConfig,
    seed: int,
    device: torch.device,
    after_epoch: AfterEpoch | None = None,
) -> list[Epoch]:
    """Train `model` in place and leave it with the weights of its best validation epoch.

    Only the training and validation parts are read. `after_epoch` may look at the model, not change it.

    Raises:
        TrainingFailed: a loss or gradient stopped being finite.
    """
    target = features.samples["target"]
    model.fit_scales(features.batches(parts.train, EVALUATION_BATCH), target[parts.train])
    model.to(device)
    learner = copy.deepcopy(model) if config.averaging else model
    optimizer = torch.optim.Adam(
        learner.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    average = Average(model, learner, config.averaging)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, config.step_size, config.gamma)
    order = np.random.default_rng(derive(seed, "batches"))
    hiding = np.random.default_rng(derive(seed, "source-dropout"))
    best, best_epoch, best_state = float("inf"), -1, model.state_dict()
    history: list[Epoch] = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive(seed, "dropout"))
        for epoch in range(config.epochs):
            rows = order.permutation(parts.train)
            seen = hide_at_random(features, config.source_dropout, hiding)
            loss = _one_epoch(learner, seen, rows, optimizer, average, config, device)
            schedule.step()
            predicted = predict(model, features, parts.validation, device)
            validation = model.task.error(predicted, target[parts.validation], float(model.target_scale))
            history.append(Epoch(epoch, loss, validation))
            if after_epoch is not None:
                after_epoch(epoch)
            if not np.isfinite([loss, validation]).all():
                raise TrainingFailed(
                    f"epoch {epoch}: the loss is not finite (training {loss}, validation {validation}); "
                    "lower training.lr or check the features for extreme values."
                )
            if validation < best:
                best, best_epoch, best_state = validation, epoch, copy.deepcopy(model.state_dict())
            elif epoch - best_epoch >= config.patience:
                break
    model.load_state_dict(best_state)
    return history


class Average:
    """A moving average of the weights of a model that is trained; of no effect where the two are the same."""

    def __init__(self, model: FusionModel, learner: FusionModel, decay: float) -> None:
        self.model, self.learner, self.decay, self.steps = model, learner, decay, 0

    @torch.no_grad()
    def step(self) -> None:
        """Move towards the learner, faster in the first steps, whose weights are of the start."""
        if self.model is self.learner:
            return
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mean, weights in zip(self.model.parameters(), self.learner.parameters(), strict=True):
            mean.lerp_(weights, 1 - decay)
        for kept, state in zip(self.model.buffers(), self.learner.buffers(), strict=True):
            kept.copy_(state)


def hide_at_random(features: FeatureSet, rate: float, rng: np.random.Generator) -> FeatureSet:
    """Take every source away from a share `rate` of the samples, each drawn by itself."""
    if not rate:
        return features
    n = len(features.samples["target"])
    return features.hiding({source: rng.random(n) < rate for source in features.folders})


def _one_epoch(
    model: FusionModel,
    features: FeatureSet,
    rows: np.ndarray,
    optimizer: torch.optim.Optimizer,
    average: Average,
    config: TrainingConfig,
    device: torch.device,
) -> float:
    """One pass over the training rows; the mean main loss."""
    model.train()
    target, total = features.samples["target"], 0.0
    for start in range(0, len(rows), config.batch_size):
        chosen = rows[start : start + config.batch_size]
        batch = {source: part.to(device) for source, part in features.batch(chosen).items()}
        y = model.learned(torch.from_numpy(target[chosen]).float().to(device))
        outputs, fused = model(batch)
        loss = model.task.loss(outputs, y)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss + model.fusion.auxiliary_loss(fused, y))
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        if not torch.isfinite(norm):
            raise TrainingFailed(
                f"a gradient is not finite (loss {loss.item():.3g}); lower training.lr or check the features."
            )
        optimizer.step()
        average.step()
        total += loss.item() * len(chosen)
    return total / len(rows)


@torch.inference_mode()
def predict(model: FusionModel, features: FeatureSet, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """Predictions for `rows` in evaluation mode: (N,) on the transformed scale, or probabilities (N, K)."""
    model.eval()
    parts: list[Tensor] = []
    for batch in features.batches(rows, EVALUATION_BATCH):
        outputs, _ = model({source: part.to(device) for source, part in batch.items()})
        parts.append(model.predictions(outputs).cpu())
    return torch.cat(parts).numpy()


@torch.inference_mode()
def attention_maps(
    model: FusionModel, features: FeatureSet, rows: np.ndarray, device: torch.device
) -> dict[str, np.ndarray]:
    """Attention maps of the fusion for `rows`, name -> (N, heads, Q, K); empty if the method has none."""
    model.eval()
    model.fusion.want_attention = True
    found: dict[str, list[np.ndarray]] = {}
    for batch in features.batches(rows, EVALUATION_BATCH):
        _, fused = model({source: part.to(device) for source, part in batch.items()})
        for name, weights in fused.attention.items():
            found.setdefault(name, []).append(weights.float().cpu().numpy())
    model.fusion.want_attention = False
    return {name: np.concatenate(parts) for name, parts in found.items()}


def flops(model: FusionModel, features: FeatureSet, rows: np.ndarray, device: torch.device) -> int:
    """Floating-point operations of one prediction (trunk, fusion and head), the mean over some of `rows`.

    Products of matrices, convolutions and attention are counted, two operations a multiply-add; encoders,
    which run once per item and not per prediction, are not.
    """
    model.eval()
    some = rows[:EVALUATION_BATCH]
    batch = {source: part.to(device) for source, part in features.batch(some).items()}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(batch)
    operations: int = round(counter.get_total_flops() / len(some))
    return operations
