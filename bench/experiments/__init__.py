"""Experiments: each says, as data, which variants it compares. One file per experiment.

An experiment is a function ``Choice -> list[Variant]`` under the `experiment` decorator. The runner
repeats every variant over seeds; variants that two experiments share are executed once.
"""

from bench.experiments.base import EXPERIMENTS, Choice, Experiment, Variant, experiment
from bench.experiments.fusion import fusion

__all__ = ["EXPERIMENTS", "Choice", "Experiment", "Variant", "experiment", "fusion"]
