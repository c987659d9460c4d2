"""The process that `bench perf data` measures: it reads features as training does, and imports no more."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from bench.errors import BenchError
from bench.features.store import FeatureSet

FRESH = multiprocessing.get_context("spawn")
"""A new interpreter: a fork would start with its parent's memory."""


class First(NamedTuple):
    """Seconds from opening the features to the first batch, and whether the page cache was cold."""

    seconds: float
    cold: bool


class Memory(NamedTuple):
    """Peak resident memory and own (anonymous) memory of the process, in MB (10^6 bytes)."""

    resident_mb: float
    own_mb: float


@contextmanager
def reader(features: FeatureSet, batch_size: int, batches: int, turns: int) -> Iterator[Callable[[], Any]]:
    """A fresh process that reads `features`; each call returns its next measurement.

    The first is a `First`, then come the samples per second of each of the `turns` that the `batches` are
    read in, at last a `Memory`.

    Raises:
        BenchError: from a call, if the process has ended.
    """
    ours, theirs = FRESH.Pipe()
    closed = replace(features)  # what is open here would be sent along
    process = FRESH.Process(target=_answer, args=(theirs, closed, batch_size, batches, turns), daemon=True)
    process.start()
    theirs.close()  # else its end would not be noticed here

    def next_measurement() -> Any:
        try:
            ours.send(None)
            return ours.recv()
        except (EOFError, OSError):
            raise BenchError("a measured process ended early; its own message is above.") from None

    try:
        yield next_measurement
    finally:
        process.terminate()
        process.join()
        ours.close()


def _answer(asked: Connection, features: FeatureSet, batch_size: int, batches: int, turns: int) -> None:
    """Measure, each time when asked: the first batch, the speed of every turn, the memory."""
    rng = np.random.default_rng(0)
    files = _files(features)
    asked.recv()
    cold = _drop_from_cache(files)
    start = time.perf_counter()
    samples = len(features.samples["target"])
    _read(features, rng.permutation(samples)[None, :batch_size])
    first = First(time.perf_counter() - start, cold)
    _read_into_cache(files)
    asked.send(first)
    epochs = -(-batches * batch_size // samples)
    order = np.concatenate([rng.permutation(samples) for _ in range(epochs)])[: batches * batch_size]
    for turn in np.array_split(order.reshape(batches, batch_size), turns):
        asked.recv()
        start = time.perf_counter()
        _read(features, turn)
        asked.send(turn.size / (time.perf_counter() - start))
    asked.recv()
    asked.send(_memory())


def _read(features: FeatureSet, batches: np.ndarray) -> None:
    """What an epoch of training reads of batches (N, B) of samples."""
    target = features.samples["target"]
    for chosen in batches:
        features.batch(chosen)
        torch.from_numpy(target[chosen]).float()


def _memory() -> Memory:
    """Of this process. Linux tells it per process image; getrusage also counts the parent before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        peak, own = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "RssAnon"))
        return Memory(peak, own)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return Memory(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, float("nan"))


def _files(features: FeatureSet) -> list[Path]:
    return [path for folder in (features.dataset, *features.folders.values()) for path in folder.iterdir()]


def size(features: FeatureSet) -> int:
    """How many bytes of disk the features take."""
    return sum(path.stat().st_size for path in _files(features))


def _drop_from_cache(files: list[Path]) -> bool:
    """Take files out of the page cache; False where the system has no call for that."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())  # pages not yet on disk would stay
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _read_into_cache(files: list[Path]) -> None:
    buffer = bytearray(1 << 20)
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
