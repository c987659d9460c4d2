"""Experiments: each says, as data, which variants it compares. One file per experiment.

An experiment is a function ``Choice -> list[Variant]`` under the `experiment` decorator. The runner
repeats every variant over seeds; variants that two experiments share are executed once.
"""

from bench.experiments import backbones, entities, entity_fusion, fusion, missing, one_run, order, settings
from bench.experiments.base import EXPERIMENTS, Choice, Experiment, Facts, Variant, experiment

__all__ = ["EXPERIMENTS", "Choice", "Experiment", "Facts", "Variant", "experiment"]
__all__ += ["backbones", "entities", "entity_fusion", "fusion", "missing", "one_run", "order", "settings"]
