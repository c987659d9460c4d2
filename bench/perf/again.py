"""How long it takes to find that nothing is to be encoded: ten thousand files that are what they were."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import encoders
from bench.data.dataset import read_dataset
from bench.errors import BenchError
from bench.features.cache import ItemCache
from bench.features.encode import encode
from bench.files import content_key
from encoders import Feature

FILES, BYTES, WIDTH = 10_000, 10_000, 512
"""How many files of how many bytes, and numbers in the feature of each."""
DESCRIPTION = """name = "unchanged"
[target]
column = "target"
[samples]
table = "samples.csv"
id = "id"
[entities.item]
image = ["files/{id}.jpg"]
"""


class Again(NamedTuple):
    """Seconds of processor time of `bench.features.encode.encode`; files are compared by their content.

    Attributes:
        files: how many.
        from_cache: where all items are in the cache of items, and are to be arranged for this dataset.
        unchanged: where the dataset has been encoded before, as when a command is repeated.
    """

    files: int
    from_cache: float
    unchanged: float


def reencode(folder: Path, files: int) -> Again:
    """Measure it in a new `folder`, with the cache as BENCH_CACHE says, which it fills with made-up features.

    Raises:
        BenchError: an item was encoded after all.
    """
    rng = np.random.default_rng(0)
    (folder / "files").mkdir(parents=True)
    (folder / "dataset.toml").write_text(DESCRIPTION, encoding="utf-8")
    table = pd.DataFrame({"id": range(files), "target": rng.normal(size=files)})
    table.to_csv(folder / "samples.csv", index=False)
    paths = [folder / "files" / f"{number}.jpg" for number in range(files)]
    for path in paths:
        path.write_bytes(rng.bytes(BYTES))
    encoder = encoders.get("image", "resnet50", weights="random")
    values = rng.standard_normal((files, WIDTH), dtype=np.float32)
    keys = (content_key(path) for path in paths)
    ItemCache(encoder.fingerprint).put(zip(keys, map(Feature, values), strict=True))
    return Again(files, _seconds(folder, encoder), _seconds(folder, encoder))


def _seconds(folder: Path, encoder: encoders.Encoder) -> float:
    dataset = read_dataset(folder)
    start = time.process_time()
    _, encoded = encode(dataset, {"image": encoder})
    if encoded:
        raise BenchError(f"{encoded} of the unchanged items were encoded again; the cache does not hold.")
    return time.process_time() - start
