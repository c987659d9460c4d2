"""`bench perf data`: is a million samples read by the same code, as fast and in as little memory, as 10,000?

Simulated features of both sizes are read batch by batch as training does, each in a fresh process, in turns.
The first batch is timed with the files dropped from the page cache (where the system lets a process do that),
the speed with all of them in it. Resident memory counts the pages of mapped files that were touched, which
stay in the page cache and are the system's to take back; the process's own memory is what it holds itself.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from bench.errors import BenchError, UsageError
from bench.features.cache import cache_dir
from bench.features.encode import LAYOUT
from bench.features.store import FeatureSet
from bench.perf.simulated import SOURCES, Progress, simulate

SMALL, LARGE = 10_000, 1_000_000
"""Samples of the two datasets that are compared."""

FIRST_BATCH_S = 2.0
RESIDENT_MB = 1500.0
SPEED = 0.8
"""The limits: seconds to the first batch, memory, share of the small dataset's samples per second."""

TURNS = 20
"""The two sizes are read in turns, so that whatever else the machine does slows both."""

FRESH = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Row:
    """How a dataset of one size is read.

    Attributes:
        samples: its size.
        first_batch_s: seconds from opening the features to the first batch in hand.
        cold: whether the files were out of the page cache then.
        samples_per_s: median over the turns, with the files in the page cache.
        resident_mb: peak resident memory of the process in MB (10^6 bytes), touched pages of files included.
        own_mb: its own (anonymous) memory at the end in MB; NaN where the system does not tell.
        disk_mb: the size of the files in MB.
    """

    samples: int
    first_batch_s: float
    cold: bool
    samples_per_s: float
    resident_mb: float
    own_mb: float
    disk_mb: float


def run_data(
    out: Path,
    samples: int = LARGE,
    folder: Path | None = None,
    progress: Progress = lambda what, done, total: None,
    *,
    reference: int = SMALL,
) -> pd.DataFrame:
    """Measure reading `samples` samples against `reference`; also written to ``out/perf/data.csv``.

    Args:
        out: the folder of results.
        samples: size of the large dataset.
        folder: where the simulated features are kept for another time; None for a temporary folder in the
            cache, deleted afterwards.
        progress: told how far it is.
        reference: size of the small dataset.

    Returns:
        A row for each size, the columns of `Row`.

    Raises:
        UsageError: `samples` is not more than `reference`.
        BenchError: the disk has no room, or a measured process ended.
    """
    if samples <= reference:
        raise UsageError(f"{samples:,} samples are compared with {reference:,}; ask for more.")
    with ExitStack() as stack:
        if folder is None:
            cache_dir().mkdir(parents=True, exist_ok=True)
            temporary = tempfile.TemporaryDirectory(prefix="perf-", dir=cache_dir())
            folder = Path(stack.enter_context(temporary))
        rows = measure(folder, reference, samples, progress=progress)
    table = pd.DataFrame([asdict(row) for row in rows])
    (out / "perf").mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "perf" / "data.csv", index=False)
    return table


def verdict(table: pd.DataFrame) -> list[str]:
    """What the rows of `run_data` say of each of the three limits, a line each, ending in pass or FAIL."""
    small, large = table.iloc[0], table.iloc[-1]
    share = large.samples_per_s / small.samples_per_s
    return [
        f"first batch of {large.samples:,} samples: {large.first_batch_s:.2f} s, page cache "
        f"{'cold' if large.cold else 'warm'}; limit {FIRST_BATCH_S:g} s: "
        f"{_passed(large.first_batch_s < FIRST_BATCH_S)}",
        f"resident memory: {large.resident_mb:,.0f} MB, of which the process's own {large.own_mb:,.0f} MB "
        f"({small.own_mb:,.0f} MB over {small.samples:,} samples), the rest mapped files; "
        f"limit {RESIDENT_MB:,.0f} MB: {_passed(large.resident_mb < RESIDENT_MB)}",
        f"speed: {large.samples_per_s:,.0f} samples/s, {share:.0%} of the {small.samples_per_s:,.0f} over "
        f"{small.samples:,} samples, page cache warm; limit {SPEED:.0%}: {_passed(share >= SPEED)}",
    ]


def _passed(passed: bool) -> str:
    return "pass" if passed else "FAIL"


def measure(
    folder: Path,
    samples_small: int = SMALL,
    samples_large: int = LARGE,
    batch_size: int = 256,
    batches: int | None = None,
    *,
    progress: Progress = lambda what, done, total: None,
) -> list[Row]:
    """Read simulated datasets of both sizes, kept in `folder`; a row for each.

    `batches` batches of randomly permuted samples are read of each size, by default as many as one epoch of
    the large one has.
    """
    count = batches or -(-samples_large // batch_size)
    turns = min(TURNS, count)
    sizes = (samples_small, samples_large)
    sets = [simulate(_named(folder, samples), samples, progress=progress) for samples in sizes]
    speeds: list[list[float]] = [[], []]
    with ExitStack() as stack:
        readers = [stack.enter_context(_reader(features, batch_size, count, turns)) for features in sets]
        firsts = [_asked(reader) for reader in readers]  # one after the other, each alone
        for turn in range(turns):
            for reader, speed in zip(readers, speeds, strict=True):
                speed.append(_asked(reader))
            progress("reading in turns", turn + 1, turns)
        memory = [_asked(reader) for reader in readers]
    return [
        Row(samples, *first, float(np.median(speed)), *used, disk_mb=_size(features) / 1e6)
        for samples, first, speed, used, features in zip(sizes, firsts, speeds, memory, sets, strict=True)
    ]


def _named(folder: Path, samples: int) -> Path:
    """Named by what decides the content, so that features kept from another version are not taken."""
    return folder / f"simulated-{samples}-{sha256(f'{LAYOUT}/{SOURCES}'.encode()).hexdigest()[:8]}"


# -- the measured process ---------------------------------------------------------------------------


class _First(NamedTuple):
    seconds: float
    cold: bool


class _Memory(NamedTuple):
    resident_mb: float
    own_mb: float


@contextmanager
def _reader(features: FeatureSet, batch_size: int, batches: int, turns: int) -> Iterator[Connection]:
    """A fresh process that answers each message with its next measurement."""
    ours, theirs = FRESH.Pipe()
    process = FRESH.Process(target=_answer, args=(theirs, features, batch_size, batches, turns), daemon=True)
    process.start()
    theirs.close()  # or its end would not be noticed here
    try:
        yield ours
    finally:
        process.terminate()
        process.join()
        ours.close()


def _asked(reader: Connection):
    try:
        reader.send(None)
        return reader.recv()
    except (EOFError, OSError):
        raise BenchError("a measured process ended early; its own message is above.") from None


def _answer(asked: Connection, features: FeatureSet, batch_size: int, batches: int, turns: int) -> None:
    """Measure, each time when asked: the first batch, the speed of every turn, the memory."""
    rng = np.random.default_rng(0)
    files = _files(features)
    asked.recv()
    cold = _drop_from_cache(files)
    start = time.perf_counter()
    samples = len(features.samples["target"])
    _read(features, rng.permutation(samples)[None, :batch_size])
    first = _First(time.perf_counter() - start, cold)
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


def _memory() -> _Memory:
    """Of this process. Linux tells it per process image; getrusage also counts the parent before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        peak, own = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "RssAnon"))
        return _Memory(peak, own)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return _Memory(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, float("nan"))


def _files(features: FeatureSet) -> list[Path]:
    return [path for folder in (features.dataset, *features.folders.values()) for path in folder.iterdir()]


def _size(features: FeatureSet) -> int:
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
