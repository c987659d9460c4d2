"""Observers: what a run can record beside its predictions. Every file here is one, found by itself."""

import importlib
import pkgutil

from bench.observe.base import OBSERVERS, Observer, Record, Watched, observer

__all__ = ["OBSERVERS", "Observer", "Record", "Watched", "observer"]

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
