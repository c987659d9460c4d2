"""Simulated features on disk, of any number of samples, for measuring how they are read.

They are written through `SourceFeatures.save`, so that what is measured is what training reads.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.data.ragged import Ragged
from bench.data.schema import Target
from bench.errors import BenchError
from bench.features.sources import Numbers, Vectors
from bench.features.store import FeatureSet
from bench.seeds import derive
from fusions import Source

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""

CHUNK = 65_536
"""Vectors drawn and written at a time."""

INDEX_BYTES = 8
"""Of an item, an offset, a position or a slot."""


class Simulated(NamedTuple):
    """What one source looks like.

    Attributes:
        source: which one.
        width: floats per vector; for numbers, how many there are.
        attributes: their names; the tokens of a row take their slots in turn.
        tokens: fewest and most tokens of a row of the entity.
        rows: rows of the entity for each sample; 1 where every sample has its own, else samples share them.
        items: fewest and most rows of the entity that a sample has.
        absent: share of the rows without any token; for numbers, of the numbers without a value.
    """

    source: Source
    width: int
    attributes: tuple[str, ...]
    tokens: tuple[int, int] = (1, 1)
    rows: float = 1.0
    items: tuple[int, int] = (1, 1)
    absent: float = 0.0

    @property
    def numeric(self) -> bool:
        """Whether these are numbers, not vectors."""
        return self.source.modality == "numeric"


SOURCES = (
    Simulated(Source("anchor", "text"), 32, ("name", "title", "description"), tokens=(3, 3), rows=0.1),
    Simulated(Source("commodity", "image"), 64, ("image",), rows=0.5, items=(1, 4)),
    Simulated(Source("room", "numeric"), 6, tuple(f"number{i}" for i in range(6)), absent=0.05),
    Simulated(Source("video", "video"), 32, ("clips",), tokens=(1, 8), absent=0.05),
    Simulated(Source("audio", "audio"), 16, ("clips",), tokens=(1, 3), absent=0.05),
)
"""About 1.1 kB per sample: an anchor has ten streams, a commodity is shown in five."""


def simulate(
    folder: Path,
    samples: int,
    seed: int = 0,
    *,
    chunk: int = CHUNK,
    progress: Progress = lambda what, done, total: None,
) -> FeatureSet:
    """Write the features of `samples` samples into `folder`, as `bench.features.encode` lays them out.

    Vectors are drawn and written `chunk` at a time, so that only the index arrays (8 bytes a token) are ever
    in memory. What is written depends on `samples` and `seed` alone. A folder that exists is complete, for it
    is written aside and renamed: it is taken as it is.

    Raises:
        BenchError: the disk has no room for them.
    """
    if not folder.is_dir():
        aside = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _check_room(aside, samples)
        for simulated in SOURCES:
            rng = _rng(seed, str(simulated.source))
            _write_source(simulated, samples, rng, aside / str(simulated.source), chunk, progress)
        _write_samples(aside / "samples", samples, _rng(seed, "samples"))
        aside.rename(folder)
    return FeatureSet(
        dataset=folder / "samples",
        target=Target(column="target"),
        folders={s.source: folder / str(s.source) for s in SOURCES},
        many=frozenset(s.source.entity for s in SOURCES if s.items[1] > 1),
        ordered=frozenset(s.source for s in SOURCES if s.source.modality in ("video", "audio")),
        stamps={s.source.modality: "simulated" for s in SOURCES if not s.numeric},
    )


def _rng(seed: int, part: str) -> np.random.Generator:
    return np.random.default_rng(derive(seed, "simulated", part))


def _write_source(
    simulated: Simulated,
    samples: int,
    rng: np.random.Generator,
    folder: Path,
    chunk: int,
    progress: Progress,
) -> None:
    items, rows = _items(simulated, samples, rng)
    vectors = rows
    if not simulated.numeric:
        lengths = rng.integers(*simulated.tokens, size=rows, endpoint=True)
        lengths[rng.random(rows) < simulated.absent] = 0
        vectors = int(lengths.sum())
        tokens = Ragged.from_lengths(np.arange(vectors), lengths)
        slots = (np.arange(vectors) - np.repeat(tokens.offsets[:-1], lengths)) % len(simulated.attributes)
    folder.mkdir()
    aside = folder / ".values.npy"  # `save` copies it from disk to disk, without holding it
    values = np.lib.format.open_memmap(aside, "w+", np.float32, (vectors, simulated.width))
    gaps = rng.spawn(1)[0]  # a stream of its own, or the numbers would depend on `chunk`
    for start in range(0, vectors, chunk):
        part = values[start : start + chunk]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32)
        if simulated.numeric:
            part[gaps.random(part.shape) < simulated.absent] = np.nan
        progress(f"simulating {simulated.source}", min(start + chunk, vectors), vectors)
    if simulated.numeric:
        Numbers(items, values, simulated.attributes).save(folder)
    else:
        Vectors(items, values, simulated.attributes, tokens, slots).save(folder)
    aside.unlink()


def _items(simulated: Simulated, samples: int, rng: np.random.Generator) -> tuple[Ragged, int]:
    """Sample -> rows of the entity, and how many rows there are."""
    lengths = rng.integers(*simulated.items, size=samples, endpoint=True)
    if simulated.rows == 1:
        return Ragged.from_lengths(np.arange(samples), lengths), samples
    rows = max(1, round(simulated.rows * samples))
    return Ragged.from_lengths(rng.integers(rows, size=lengths.sum()), lengths), rows


def _write_samples(folder: Path, samples: int, rng: np.random.Generator) -> None:
    """Ids and targets, one array to a file, as `FeatureSet.samples` reads them."""
    folder.mkdir()
    np.save(folder / "ids.npy", np.arange(samples).astype(str))
    np.save(folder / "target.npy", rng.standard_normal(samples))


def _check_room(folder: Path, samples: int) -> None:
    sizes = [_bytes_per_sample(s) * samples for s in SOURCES]
    needed, free = sum(sizes) + max(sizes), shutil.disk_usage(folder).free
    if needed > free:
        raise BenchError(
            f"{samples:,} simulated samples need {needed / 1e9:.1f} GB while they are written, {folder} has "
            f"{free / 1e9:.1f} GB free; make room, name another folder or ask for fewer samples."
        )


def _bytes_per_sample(simulated: Simulated) -> float:
    """About how much disk a source takes per sample."""
    index = INDEX_BYTES * (sum(simulated.items) / 2 + 1)
    if simulated.numeric:
        return index + 4 * simulated.width
    tokens = sum(simulated.tokens) / 2 * (4 * simulated.width + 2 * INDEX_BYTES)
    return index + simulated.rows * (tokens + INDEX_BYTES)
