"""What encoding a dataset would take: what is not encoded yet, and the time of a few items of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import encoders
from bench.data.dataset import Dataset
from bench.errors import BenchError
from bench.features.cache import ItemCache
from bench.features.encode import MISSING, key_of
from bench.features.fill import check
from bench.isolation import one_thread

ENOUGH = 3.0
"""Seconds of measuring after which no further batch is begun."""


class Forecast(NamedTuple):
    """What one encoder has to do.

    Attributes:
        items: distinct ones, as far as there is a file.
        missing: those that are not encoded yet.
        measured: how many of them were encoded to see how long it takes, after those that warm up.
        seconds: that one took, in one process; NaN where nothing is missing.
    """

    modality: str
    encoder: str
    items: int
    missing: int
    measured: int
    seconds: float


def forecast(dataset: Dataset, modality: str, encoder: encoders.Encoder, device: str) -> Forecast:
    """Count the items of a modality, and encode a few that are not encoded yet; nothing of it is kept.

    Raises BenchError if the encoder fails.
    """
    check(encoder)
    items = distinct(dataset, modality)
    missing = ItemCache(encoder.fingerprint).missing(items)
    measured, seconds = _measured(encoder, items, missing, device)
    return Forecast(modality, encoder.stamp, len(items), len(missing), measured, seconds)


def distinct(dataset: Dataset, modality: str) -> dict[str, str | Path]:
    """Key -> item, of all sources of a modality that an encoder serves."""
    sources = [s for s in dataset.schema.sources if s.modality == modality]
    raw = [dataset.raw(s) for s in sources if not dataset.schema.precomputed(s)]
    found = {key_of(item): item for tokens in raw for item in tokens.items}
    found.pop(MISSING, None)
    return found


def _measured(
    encoder: encoders.Encoder, items: Mapping[str, str | Path], missing: list[str], device: str
) -> tuple[int, float]:
    """How many items were measured, spread over all that are missing, and seconds that one took."""
    size = encoder.cpu_batch if device == "cpu" else encoder.batch
    batches = [missing[start : start + size] for start in range(0, len(missing), size)]
    step = max(1, len(batches) // 8)
    chosen = batches[::step][:9]
    if not chosen:
        return 0, float("nan")
    done, spent = 0, 0.0
    try:
        with one_thread():
            # the first builds the network, and counts only where there is no other
            for number, batch in enumerate([chosen[0], *(chosen[1:] or chosen[:1])]):
                start = time.perf_counter()
                list(encoder.encode([items[key] for key in batch], device))
                took = time.perf_counter() - start
                if number:
                    done, spent = done + len(batch), spent + took
                if spent > ENOUGH:
                    break
    except (encoders.WeightsUnavailable, encoders.EncoderFailed) as error:
        raise BenchError(str(error)) from error
    return done, spent / done
