"""What a run can record beside its predictions. None of it changes a prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from bench.data.splits import Parts
from bench.features.store import FeatureSet
from bench.methods.base import Method
from bench.spec import RunSpec

Record: TypeAlias = pd.DataFrame | Mapping[str, np.ndarray]
"""A table, stored as Parquet, or arrays by name, stored as .npz."""


class Watched(NamedTuple):
    """The run that is watched."""

    spec: RunSpec
    method: Method
    features: FeatureSet
    parts: Parts


class Observer:
    """Watches one run.

    Attributes:
        file: in the run's folder that has the record: .parquet for a table, .npz for arrays.
    """

    file: ClassVar[str]

    def __init__(self, run: Watched) -> None:
        self.run = run

    def after_epoch(self, epoch: int) -> None:
        """Look at the method between two epochs."""

    def record(self, predicted: np.ndarray) -> Record | None:
        """What is to be stored, now that the test part is `predicted`; None if there is nothing to record."""
        return None


OBSERVERS: dict[str, type[Observer]] = {}
"""Name -> what watches a run under it."""
O = TypeVar("O", bound=type[Observer])  # noqa: E741


def observer(name: str, file: str) -> Callable[[O], O]:
    """Class decorator: make an observer known, with the file of its record."""

    def add(cls: O) -> O:
        cls.file = file
        OBSERVERS[name] = cls
        return cls

    return add
