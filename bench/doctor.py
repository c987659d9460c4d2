"""`bench doctor`: what this installation has: versions, devices, threads, weights, cache."""

from __future__ import annotations

import os
from collections.abc import Iterator

import torch

import encoders
from bench.environment import choose_device, processor, versions
from bench.files import cache_dir


def findings() -> Iterator[tuple[str, str]]:
    """Pairs of what was looked at and what was found."""
    yield from versions().items()
    yield "device", str(choose_device("auto"))
    if torch.cuda.is_available():
        yield "gpu", torch.cuda.get_device_name()
    yield "processor", f"{processor()}, {os.cpu_count()} cores"
    yield "threads", f"{torch.get_num_threads()} (each run uses 1; use --jobs for more runs at once)"
    for whose, folder in encoders.places().items():
        yield f"{whose} weights", f"looked for in {folder}"
    for name, where in encoders.weights_present().items():
        yield f"weights of {name}", str(where or "not here; `bench weights list` says more of them")
    folder = cache_dir()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    yield "cache", f"{folder} ({size / 1e6:.0f} MB)"
