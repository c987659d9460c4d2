"""What a method is: fitted on some samples, asked for predictions on others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
import torch

from bench.data.splits import Parts
from bench.features.layout import Layout
from bench.features.store import FeatureSet
from bench.spec import RunSpec

AfterEpoch = Callable[[int], None]
"""Called with the number of the epoch that has just ended."""

CLIP = 10.0
"""Standardised features are clipped to this many training deviations: a rare n-gram is no outlier of 50."""
SPLITTING = frozenset({"validation", "test", "split", "missing", "share"})
"""The settings of training that choose samples, which decide the numbers of every method."""


class Epoch(NamedTuple):
    """One row of the history; losses are those of the task, on the scale that is learned."""

    epoch: int
    train_loss: float
    validation_loss: float


class Method(ABC):
    """A network around a fusion, or a reference that needs none.

    Whoever makes one fits it once, and may then ask for predictions, its cost, and save it.

    Attributes:
        spec: all that decides what it learns, but the data.
        device: where it works.
        reads: the fields of `RunSpec.training` that it looks at, and "model" or "device" where it has use for
            these; the others do not set its runs apart.
        chosen: what it chose by the validation part, for tables; "" for nothing.
        history: a row per epoch; empty where nothing is trained in epochs.
        parameters: how many numbers are trained.
        remarks: what its author should know, a sentence each.
    """

    reads: ClassVar[frozenset[str]] = SPLITTING

    def __init__(self, spec: RunSpec, device: torch.device) -> None:
        self.spec, self.device = spec, device
        self.chosen = ""
        self.history: Sequence[Epoch] = ()
        self.parameters = 0
        self.remarks: Sequence[str] = ()

    @abstractmethod
    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """Learn from the training part, choose by the validation part; the test part is not read.

        Raises:
            TrainingFailed: it came to no finite result.
        """

    @abstractmethod
    def predict(self, features: FeatureSet, rows: np.ndarray) -> np.ndarray:
        """Predictions for `rows` (N,): numbers (N,) on the transformed scale, or probabilities (N, K)."""

    def operations(self, features: FeatureSet, rows: np.ndarray) -> int:
        """Floating-point operations of one prediction, where they are counted; 0 elsewhere."""
        return 0

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was fitted into an existing, empty folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, spec: RunSpec, layout: Layout, device: torch.device) -> Self:
        """What `save` wrote, for features of the same layout. Nothing in the folder is executed.

        Raises:
            ValueError: the folder does not hold a method of this kind for these features.
        """
