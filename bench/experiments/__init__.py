"""Experiments: each says what it compares, measures, concludes and draws. One file each, loaded by name."""

import importlib
import pkgutil

from bench.experiments.base import EXPERIMENTS, Experiment, Facts, experiment

__all__ = ["EXPERIMENTS", "Experiment", "Facts", "experiment"]

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
