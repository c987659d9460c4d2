"""`bench perf data`: is a million samples read by the same code, as fast and in as little memory, as 10,000?

Simulated features of both sizes are read batch by batch as training does, each in a fresh process, in turns.
The first batch is timed with the files dropped from the page cache (where the system lets a process do that),
the speed with all of them in it. Resident memory counts the pages of mapped files that were touched, which
stay in the page cache and are the system's to take back; the process's own memory is what it holds itself.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from bench.config import TrainingConfig
from bench.errors import UsageError
from bench.features.encode import LAYOUT
from bench.files import cache_dir
from bench.perf.reader import reader, size
from bench.perf.simulated import SOURCES, Progress, simulate

SMALL, LARGE = 10_000, 1_000_000
"""Samples of the two datasets that are compared."""

FIRST_BATCH_S = 2.0
RESIDENT_MB = 1500.0
SPEED = 0.8
"""The limits: seconds to the first batch, memory, share of the small dataset's samples per second."""

TURNS = 20
"""The two sizes are read in turns, so that whatever else the machine does slows both."""

BATCHES = 10_000
"""Batches that are read of each size for its speed."""


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
        progress: called with how far it is.
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
        rows = measure(folder, reference, samples, batches=BATCHES, progress=progress)
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
    batch_size: int = TrainingConfig().batch_size,
    batches: int = BATCHES,
    *,
    progress: Progress = lambda what, done, total: None,
) -> list[Row]:
    """Read simulated datasets of both sizes, kept in `folder`; a row for each.

    Of each, `batches` batches of `batch_size` randomly permuted samples are read, over as many epochs as it
    takes; `batch_size` is that of training, because in larger batches the processor's caches, which hold all
    of a small dataset, would count for more.

    Raises:
        BenchError: the disk has no room for the datasets, or a measured process ended.
    """
    turns = min(TURNS, batches)
    sizes = (samples_small, samples_large)
    sets = [simulate(_named(folder, samples), samples, progress=progress) for samples in sizes]
    speeds: list[list[float]] = [[], []]
    with ExitStack() as stack:
        ask = [stack.enter_context(reader(features, batch_size, batches, turns)) for features in sets]
        firsts = [asked() for asked in ask]  # one after the other, each alone
        for turn in range(turns):
            for asked, speed in zip(ask, speeds, strict=True):
                speed.append(asked())
            progress("reading in turns", turn + 1, turns)
        memory = [asked() for asked in ask]
    return [
        Row(
            samples,
            first.seconds,
            first.cold,
            float(np.median(speed)),
            used.resident_mb,
            used.own_mb,
            size(features) / 1e6,
        )
        for samples, first, speed, used, features in zip(sizes, firsts, speeds, memory, sets, strict=True)
    ]


def _named(folder: Path, samples: int) -> Path:
    """Named by what decides the content, so that features kept from another version are not taken."""
    return folder / f"simulated-{samples}-{sha256(f'{LAYOUT}/{SOURCES}'.encode()).hexdigest()[:8]}"
