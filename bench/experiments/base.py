"""What an experiment is: variants to run, what is measured in them, how the result is read and drawn.

One file each: a subclass of `Experiment` under the `experiment` decorator, in this folder.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import pandas as pd

from bench.compare.frame import Results, Run
from bench.compare.handling import handling_verdict
from bench.compare.verdict import default_verdict
from bench.config import Preset
from bench.data.dataset import Dataset
from bench.metrics import Metric
from bench.plan import PlanRow
from bench.report.figures.drawing import Drawing
from bench.report.sheet import Sheet
from bench.variants import Choice, Variant

Facts = dict[str, list[dict[str, Any]]]
"""Tables by name, each a list of rows: what an experiment states without any run."""


class Experiment:
    """A named comparison.

    Attributes:
        name: on the command line and in file names.
        paper: the table or figure of the MEMF paper that it regenerates; "" for what the paper has not.
        title: one line for captions.
        ranked: whether its rows are shown best first, or in their own order.
        trains_encoders: whether some of its rows train the encoders that the choice names.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    title: ClassVar[str]
    ranked: ClassVar[bool] = True
    trains_encoders: ClassVar[bool] = False

    def applies(self, choice: Choice) -> str:
        """Why it says nothing about a choice, or ""."""
        return ""

    @abstractmethod
    def variants(self, choice: Choice) -> list[Variant]:
        """What is compared; empty where the experiment only states facts."""

    def facts(self, dataset: Dataset, preset: Preset) -> Facts:
        """What it states without any run."""
        return {}

    def left_out(self, choice: Choice) -> str:
        """Rows that it would have, and why it has not; "" where there are none."""
        return ""

    def measures(self, task: str) -> list[Metric]:
        """Records of what `measure` gives, beside the metrics."""
        return []

    def measure(self, run: Run) -> Mapping[str, float]:
        """What is measured of a run beside the metrics."""
        return {}

    def printed(self, row: PlanRow) -> Mapping[str, Any] | None:
        """What the paper prints for a row, by metric; None for nothing."""
        return None

    def verdict(self, results: Results) -> str:
        """A sentence or two on the rows; "" where there is nothing to compare.

        Where incomplete samples were both kept and dropped, what that changes is the question.
        """
        return handling_verdict(results) or default_verdict(results)

    def tables(self, results: Results) -> dict[str, pd.DataFrame]:
        """Further tables by name, each written as ``tables/EXPERIMENT-NAME.csv``."""
        return {}

    def sheets(self, results: Results, tables: Mapping[str, pd.DataFrame]) -> Sequence[Sheet]:
        """Further tables for people, from those of `tables`."""
        return ()

    def figures(self, results: Results) -> Sequence[Drawing]:
        """What is drawn; a figure whose data are not stored is left out, never drawn empty."""
        return ()


EXPERIMENTS: dict[str, Experiment] = {}
"""By name, in the order of modules."""
E = TypeVar("E", bound=type[Experiment])


def experiment(name: str, *, title: str, paper: str = "", ranked: bool = True) -> Callable[[E], E]:
    """Class decorator: make an experiment known."""

    def add(cls: E) -> E:
        cls.name, cls.title, cls.paper, cls.ranked = name, title, paper, ranked
        EXPERIMENTS[name] = cls()
        return cls

    return add


def several_entities(choice: Choice) -> str:
    """An answer of `applies` for what compares entities."""
    entities = list(choice.schema.entities)
    return "" if len(entities) > 1 else f"the dataset has one entity ({entities[0]}); it takes two or more"
