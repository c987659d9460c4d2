"""What is predicted: a number or a class. Everything that differs between the two in learning is said here.

A task says how wide the head is, what the loss is, on which scale a network learns, and what its outputs
become as predictions: numbers (N,) on the target's transformed scale, or probabilities of the classes (N, K).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.data.schema import Target

SMALLEST = 1e-12
"""Probability below which a prediction is not punished further: its logarithm would be infinite."""


class Task(ABC):
    """What a method learns.

    Attributes:
        target: the description, with the names of the classes where there are any.
        width: outputs of the head for one sample.
        loss_label: what the training loss is, for figures.
    """

    width: int = 1
    loss_label: str

    def __init__(self, target: Target) -> None:
        self.target = target

    def scale(self, y: np.ndarray) -> tuple[float, float]:
        """What is taken from the training targets (N,), and what they are then divided by, to learn them."""
        return 0.0, 1.0

    @abstractmethod
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The training loss, a scalar: outputs (B,) or (B, width), targets y (B,) on the learned scale."""

    @abstractmethod
    def predictions(self, outputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """What outputs (B,) or (B, width) say: numbers on the target's scale, or probabilities (B, K)."""

    @abstractmethod
    def error(self, predicted: np.ndarray, y: np.ndarray, scale: float) -> float:
        """The loss of predictions on targets (N,) that both are on the target's own scale."""


class Regression(Task):
    """A number, learned in training deviations under the mean squared error."""

    loss_label = "mean squared error\n(standardised target)"

    def scale(self, y: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation."""
        return float(y.mean()), float(y.std())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(outputs, y)

    def predictions(self, outputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Back to the target's scale: (B,)."""
        return (outputs * scale + mean).double()

    def error(self, predicted: np.ndarray, y: np.ndarray, scale: float) -> float:
        """Mean squared error in training deviations."""
        return float(np.mean(((predicted - y) / scale) ** 2))


class Classes(Task):
    """One of several classes, whose number is the target, learned under the cross-entropy."""

    loss_label = "cross-entropy [nat]"

    def error(self, predicted: np.ndarray, y: np.ndarray, scale: float) -> float:
        """Cross-entropy of probabilities (N, K)."""
        chosen = predicted[np.arange(len(y)), y.astype(int)]
        return float(-np.log(np.maximum(chosen, SMALLEST)).mean())


class Binary(Classes):
    """One of two classes: a single output, the log odds of the second class."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Binary cross-entropy."""
        return F.binary_cross_entropy_with_logits(outputs, y)

    def predictions(self, outputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Probabilities (B, 2)."""
        odds = outputs.double()
        return torch.stack([torch.sigmoid(-odds), torch.sigmoid(odds)], dim=-1)


class Multiclass(Classes):
    """One of K classes: an output for each."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.width = len(target.classes)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(outputs, y.long())

    def predictions(self, outputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Probabilities (B, K)."""
        return outputs.double().softmax(-1)


TASKS: dict[str, type[Task]] = {"regression": Regression, "binary": Binary, "multiclass": Multiclass}
"""Kind of target -> its task."""


def task_of(target: Target) -> Task:
    """The task of a dataset's target."""
    return TASKS[target.task](target)
