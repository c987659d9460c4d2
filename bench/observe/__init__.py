"""Observers: attention, test metrics per epoch, sources taken away. One file each."""

from bench.observe import attention, history, missing
from bench.observe.base import OBSERVERS, Observer, Record, Watched, observer

__all__ = ["OBSERVERS", "Observer", "Record", "Watched", "attention", "history", "missing", "observer"]
