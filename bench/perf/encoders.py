"""`bench perf encoders`: how much of a network's own speed is left when real files are encoded?

The bench's own path (files read, decoded and prepared, embedded, put into a cache) and the bare forward pass,
on tensors in memory at the size of batch that is fastest, are measured in turns on the same items. On the CPU
both have one process with one thread, as each of the bench's workers has, and seconds are those of its
processor time; on a device the workers prepare, this process embeds, and seconds are those of the wall.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.environment import cores, processor
from bench.errors import UsageError
from bench.features.fill import Place, fill
from bench.files import content_key
from bench.isolation import one_thread, undisturbed
from bench.perf.again import FILES, Again, reencode
from bench.perf.forward import Clock, Forward, matrix_peak
from bench.perf.items import make_items
from bench.perf.simulated import Progress
from bench.report.sheet import plain_sheet
from bench.report.writers import markdown
from encoders import Encoder, Item, Network

ITEMS = {"text": 384, "image": 32, "video": 2, "audio": 4}
"""How many are encoded in a turn on the CPU: some seconds' worth."""
ON_DEVICE = 32
"""How many times as many on a device."""
TURNS = 5

LIMITS = {"image": 0.9, "text": 0.9, "video": 0.75, "audio": 0.75}
"""The least share of the bare pass's speed on the CPU."""
LIMIT_ON_DEVICE = 0.6
"""On a device, for which all cores decode."""
LIMIT_AGAIN = 2.0
"""Seconds for items that are unchanged."""


@dataclass(frozen=True)
class Row:
    """How fast one encoder is, medians over the turns.

    Attributes:
        encoder: its stamp.
        weights: where they come from.
        items: how many are encoded in a turn.
        batch: how many are embedded at once, at most; of texts that are laid end to end, how many tokens.
        items_per_s: from real files to the cache.
        bare_batch: the size of batch at which the bare forward pass is fastest.
        bare_items_per_s: its speed.
        ratio: of the two speeds in one turn.
        gflop: floating-point operations of the network for an item, in 10^9.
        peak_gflop_per_s: what a product of large float32 matrices reaches.
        share_of_peak: what encoding reaches of that in one turn.
    """

    modality: str
    encoder: str
    weights: str
    device: str
    items: int
    batch: int
    items_per_s: float
    bare_batch: int
    bare_items_per_s: float
    ratio: float
    gflop: float
    peak_gflop_per_s: float
    share_of_peak: float


@dataclass(frozen=True)
class Measured:
    """A row for each encoder, the columns of `Row`; and how long unchanged items take."""

    table: pd.DataFrame
    again: Again


def run_encoders(
    chosen: Sequence[Encoder],
    device: str = "cpu",
    plugins: tuple[Path, ...] = (),
    progress: Progress = lambda what, done, total: None,
    *,
    items: dict[str, int] | None = None,
    turns: int = TURNS,
) -> Measured:
    """Measure encoders, each alone, and re-encoding.

    Args:
        chosen: encoders that have a network.
        device: where the networks run.
        plugins: files that register encoders.
        progress: called with how far it is.
        items: modality -> how many are encoded in a turn.
        turns: how often each is measured.

    Raises:
        UsageError: an encoder has no network.
        BenchError: an encoder fails.
    """
    networks = [encoder for encoder in chosen if isinstance(encoder, Network)]
    for encoder in chosen:
        if encoder not in networks:
            raise UsageError(f"{encoder.title} has no network to be compared with; choose one that has.")
    times = 1 if device == "cpu" else ON_DEVICE
    counts = items or {modality: times * count for modality, count in ITEMS.items()}
    jobs, executor = (1, "inline") if device == "cpu" else (cores(), "local")
    place = Place(jobs, executor, device, plugins, _silent)
    rows = []
    surroundings = one_thread if device == "cpu" else undisturbed  # both put the environment back
    with tempfile.TemporaryDirectory(prefix="perf-") as folder, surroundings():
        os.environ["BENCH_CACHE"] = str(Path(folder, "cache"))
        for encoder in networks:
            made = make_items(encoder.modality, counts[encoder.modality], Path(folder))
            rows.append(measure(encoder, made, place, turns, progress))
        shutil.rmtree(os.environ["BENCH_CACHE"])
        again = reencode(Path(folder, "again"), FILES)
    return Measured(pd.DataFrame([asdict(row) for row in rows]), again)


def measure(encoder: Network, items: Sequence[Item], place: Place, turns: int, progress: Progress) -> Row:
    """Measure one encoder, whose features go into the cache that BENCH_CACHE names and are removed again."""
    forward = Forward.of(encoder, list(encoder.prepared(items)), place.device)
    best = forward.best_size()
    flops = forward.flops(best)
    _speed(encoder, items[: encoder.cpu_batch], place)  # networks are built at the first item
    speeds = np.zeros((turns, 3))
    for turn in range(turns):
        progress(encoder.stamp, turn, turns)
        speeds[turn] = _speed(encoder, items, place), forward.speed(best), matrix_peak(place.device)
    progress(encoder.stamp, turns, turns)
    ours, bare, peak = speeds.T
    return Row(
        modality=encoder.modality,
        encoder=encoder.stamp,
        weights=encoder.source,
        device=place.device,
        items=len(items),
        batch=encoder.batching(place.device).most,
        items_per_s=float(np.median(ours)),
        bare_batch=best,
        bare_items_per_s=float(np.median(bare)),
        ratio=float(np.median(ours / bare)),
        gflop=flops / 1e9,
        peak_gflop_per_s=float(np.median(peak)) / 1e9,
        share_of_peak=float(np.median(ours * flops / peak)),
    )


def verdict(measured: Measured) -> list[str]:
    """What the limits say of what was measured, a line each, ending in pass or FAIL."""
    lines = []
    for row in measured.table.itertuples():
        limit = LIMITS[row.modality] if row.device == "cpu" else LIMIT_ON_DEVICE
        lines.append(
            f"{row.encoder}: {row.items_per_s:.3g} items/s from files, {row.ratio:.0%} of the bare pass's "
            f"{row.bare_items_per_s:.3g}; limit {limit:.0%}: {_passed(row.ratio >= limit)}"
        )
    again = measured.again
    lines.append(
        f"{again.files:,} unchanged items: {again.unchanged:.2f} s where the dataset was encoded before, "
        f"{again.from_cache:.2f} s where only its items were; limit {LIMIT_AGAIN:g} s: "
        f"{_passed(max(again.unchanged, again.from_cache) < LIMIT_AGAIN)}"
    )
    return lines


def write(measured: Measured, out: Path, command: str) -> list[Path]:
    """``OUT/perf/encoders.csv`` and ``.md``; the paths."""
    folder = out / "perf"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "encoders.csv", folder / "encoders.md"]
    measured.table.to_csv(paths[0], index=False)
    sheet = plain_sheet("encoders", "", measured.table.to_dict("records"))
    lines = [
        "# How fast items are encoded",
        "",
        "Items per second from real files to the cache, beside the bare forward pass on tensors in memory at "
        "its fastest size of batch; medians over turns in which both are measured. On the CPU both have one "
        "thread, as a worker has, and so has the matrix product that is the peak, and seconds are those of "
        "processor time.",
        "",
        markdown(sheet),
        "",
        *(f"- {line}" for line in verdict(measured)),
        "",
        f"{processor()}, {cores()} cores.",
        "",
        f"Regenerate: `{command}`",
        "",
    ]
    paths[1].write_text("\n".join(lines), encoding="utf-8")
    return paths


def _speed(encoder: Encoder, items: Sequence[Item], place: Place) -> float:
    """Items per second from real files into an empty cache."""
    shutil.rmtree(os.environ["BENCH_CACHE"], ignore_errors=True)
    clock = Clock(place.device)
    fill(encoder, {content_key(item): item for item in items}, place)
    return len(items) / clock.seconds


def _passed(passed: bool) -> str:
    return "pass" if passed else "FAIL"


def _silent(what: str, done: int, total: int) -> None:
    """No progress of single items: it would be measured too."""
