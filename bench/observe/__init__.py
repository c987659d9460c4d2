"""Observers: attention, entities hidden or exchanged, test metrics per epoch, sources taken away."""

from bench.observe import attention, entities, history, missing
from bench.observe.base import OBSERVERS, Observer, Record, Watched, observer

__all__ = [
    "OBSERVERS",
    "Observer",
    "Record",
    "Watched",
    "attention",
    "entities",
    "history",
    "missing",
    "observer",
]
