"""Fill the feature cache: every distinct item of a dataset once per encoder, ever."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import encoders
from bench.data.dataset import Dataset, RawTokens
from bench.errors import BenchError, DataError
from bench.executors import EXECUTORS
from bench.failure import Failure
from bench.features.cache import ItemCache, cache_dir, content_key
from bench.features.layout import Origin
from bench.features.ragged import Ragged
from bench.features.store import FeatureSet, SourceFeatures
from bench.files import damage, sweep, written_aside
from fusions import Source

log = logging.getLogger("bench")

LAYOUT = "3"
"""Version of the arrays a source's folder holds; part of the folder's name."""

TEXTS = 8
"""Texts a worker encodes at a time, which take it a moment; files are encoded one by one."""

MISSING = ""
"""The key of a file that is not there."""

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""


def encode(
    dataset: Dataset,
    chosen: Mapping[str, encoders.Encoder],
    *,
    jobs: int = 1,
    executor: str = "inline",
    device: str = "cpu",
    progress: Progress = lambda what, done, total: None,
) -> tuple[FeatureSet, int]:
    """Features of the sources of `dataset`, encoding only what no earlier call has encoded.

    Args:
        dataset: the data.
        chosen: modality -> encoder; sources of a text or media modality without one are left out.
        jobs: processes.
        executor: where items are encoded (`bench.executors`); "inline" is this process.
        device: where the encoders run.
        progress: told how far it is.

    Returns:
        The features, and the number of items that had to be encoded.
    """
    home = cache_dir() / "features" / dataset.fingerprint
    sweep(home)
    encoded, undecodable = 0, 0
    folders: dict[Source, Path] = {}
    for modality, encoder in {None: None, **chosen}.items():
        sources = [s for s in dataset.schema.sources if _encoded_as(dataset, s) == modality]
        wanted = {s: _folder(home, s, dataset, encoder) for s in sources}
        absent = [s for s in sources if not _intact(wanted[s])]
        if absent and encoder is None:
            for source in absent:
                numeric = source.modality == "numeric"
                _store((_numeric if numeric else _precomputed)(dataset, source), {}, wanted[source])
        elif absent:
            raw = {s: dataset.raw(s) for s in absent}
            keys = {s: [_key(item) for item in raw[s].items] for s in absent}
            items = {k: i for s in absent for k, i in zip(keys[s], raw[s].items, strict=True) if k != MISSING}
            encoded += _encode_missing(encoder, items, jobs, executor, device, progress)
            for source in absent:
                features, failed = _assemble(dataset, source, raw[source], keys[source], encoder)
                _store(features, failed, wanted[source])
        undecodable += sum(_report(folder) for folder in wanted.values())
        folders |= wanted
    samples = home / f"samples-{LAYOUT}"
    _save_samples(dataset, samples)
    features = FeatureSet(
        dataset=samples,
        target=dataset.schema.target,
        folders={s: folders[s] for s in dataset.schema.sources if s in folders},
        many=dataset.schema.many,
        ordered=dataset.schema.ordered,
        stamps={modality: encoder.stamp for modality, encoder in chosen.items()},
        undecodable=undecodable,
        fixed=dataset.schema.samples.fixed,
        origin=Origin.of(dataset.schema, chosen),
    )
    return features, encoded


def _encoded_as(dataset: Dataset, source: Source) -> str | None:
    """The modality whose encoder serves a source; None for numbers and precomputed features."""
    by_itself = source.modality == "numeric" or dataset.schema.precomputed(source)
    return None if by_itself else source.modality


def _folder(home: Path, source: Source, dataset: Dataset, encoder: encoders.Encoder | None) -> Path:
    recipe = f"{LAYOUT}/{dataset.fingerprint}/{source}/{encoder.fingerprint if encoder else 'as it is'}"
    return home / f"{source}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _key(item: str | Path) -> str:
    return content_key(item) if isinstance(item, str) or item.is_file() else MISSING


def _encode_missing(
    encoder: encoders.Encoder,
    items: Mapping[str, str | Path],
    jobs: int,
    executor: str,
    device: str,
    progress: Progress,
) -> int:
    """Encode what the cache lacks; an item that ends its process, and again when alone, is undecodable."""
    cache = ItemCache(encoder.fingerprint)
    missing = sorted(cache.missing(items))
    total, done = len(missing), 0
    if not missing:
        return 0
    progress(encoder.stamp, done, total)
    chunks = [
        _Chunk(encoder.recipe, keys, [items[k] for k in keys], device) for keys in _chunks(missing, items)
    ]
    suspects: list[_Chunk] = []
    for chunk, failure in _encoded(chunks, jobs, executor):
        if failure:
            suspects += [
                chunk._replace(keys=[k], items=[i]) for k, i in zip(chunk.keys, chunk.items, strict=True)
            ]
        else:
            done += len(chunk.keys)
            progress(encoder.stamp, done, total)
    for chunk, failure in _encoded(suspects, 1, executor):
        if failure:
            cache.put([(chunk.keys[0], encoders.Undecodable(f"its decoder crashed: {failure.reason}"))])
        done += 1
        progress(encoder.stamp, done, total)
    return total


def _encoded(chunks: Sequence[_Chunk], jobs: int, executor: str) -> Iterator[tuple[_Chunk, Failure | None]]:
    """Each chunk once its items are in the cache, or with how its process ended. Raises BenchError."""
    with closing(EXECUTORS[executor](_encode_chunk, chunks, jobs, keep=True)) as answers:
        for chunk, answer in answers:
            if isinstance(answer, Failure) and not answer.crashed:
                raise BenchError(answer.reason)
            yield chunk, answer


def _chunks(keys: Sequence[str], items: Mapping[str, str | Path]) -> list[Sequence[str]]:
    size = TEXTS if isinstance(items[keys[0]], str) else 1
    return [keys[start : start + size] for start in range(0, len(keys), size)]


class _Chunk(NamedTuple):
    recipe: tuple[Any, ...]
    keys: Sequence[str]
    items: Sequence[str | Path]
    device: str


def _encode_chunk(chunk: _Chunk) -> None:
    torch.set_num_threads(1)  # the same bits whatever the number of processes
    with threadpool_limits(1):
        encoder = _encoder(*chunk.recipe)
        results = encoder.encode(chunk.items, device=chunk.device)
        ItemCache(encoder.fingerprint).put(zip(chunk.keys, results, strict=True))


@lru_cache(maxsize=2)
def _encoder(
    modality: str, name: str, weights: str, options: tuple[tuple[str, Any], ...]
) -> encoders.Encoder:
    return encoders.get(modality, name, weights=weights, **dict(options))


def _assemble(
    dataset: Dataset, source: Source, raw: RawTokens, keys: Sequence[str], encoder: encoders.Encoder
) -> tuple[SourceFeatures, dict[str, str]]:
    """Arrange the cached vectors of one source; tokens of undecodable items are left out."""
    values, failed = ItemCache(encoder.fingerprint).get([key for key in keys if key != MISSING])
    failed |= {MISSING: "there is no such file"}
    good = np.array([key not in failed for key in keys], dtype=bool)
    position = np.cumsum(good) - 1
    keep = good[raw.rows.values] if len(keys) else np.zeros(0, dtype=bool)
    row_of = np.repeat(np.arange(len(raw.rows)), np.diff(raw.rows.offsets))
    lengths = np.bincount(row_of[keep], minlength=len(raw.rows))
    kept = raw.rows.values[keep]
    features = SourceFeatures(
        items=dataset.items[source.entity],
        tokens=Ragged.from_lengths(position[kept] if len(keys) else kept, lengths),
        slots=raw.slots[keep],
        values=values,
        attributes=dataset.schema.entities[source.entity].attributes(source.modality),
    )
    if not good.any() and len(keys) and dataset.labelled:  # to be predicted, they are absent
        reason = failed[keys[0]]
        raise DataError(
            f"not one of the {len(keys)} items of {source} could be decoded ({reason}); mend the files."
        )
    names = {_name(dataset, item): failed[k] for k, item in zip(keys, raw.items, strict=True) if k in failed}
    return features, names


def _name(dataset: Dataset, item: str | Path) -> str:
    return str(item.relative_to(dataset.root)) if isinstance(item, Path) else repr(item)


def _numeric(dataset: Dataset, source: Source) -> SourceFeatures:
    return SourceFeatures(
        items=dataset.items[source.entity],
        tokens=None,
        slots=np.zeros(0, dtype=np.int64),
        values=dataset.numeric(source),
        attributes=dataset.schema.entities[source.entity].attributes("numeric"),
    )


def _precomputed(dataset: Dataset, source: Source) -> SourceFeatures:
    vectors = dataset.vectors(source)
    return SourceFeatures(
        items=dataset.items[source.entity],
        tokens=vectors.rows,
        slots=np.zeros(len(vectors.rows.values), dtype=np.int64),
        values=vectors.values.astype(np.float32, copy=False),
        attributes=dataset.schema.entities[source.entity].attributes(source.modality),
    )


def _store(features: SourceFeatures, failed: Mapping[str, str], folder: Path) -> None:
    with written_aside(folder) as aside:
        features.save(aside)
        (aside / "undecodable.json").write_text(json.dumps(dict(failed)), encoding="utf-8")


def _save_samples(dataset: Dataset, folder: Path) -> None:
    if not _intact(folder):
        with written_aside(folder) as aside:
            for name, array in dataset.samples.items():
                np.save(aside / f"{name}.npy", array)


def _intact(folder: Path) -> bool:
    """Whether a folder of the cache is there and is what was written; a damaged one is named and removed."""
    if not folder.is_dir():
        return False
    if found := damage(folder, exact=True):
        log.warning("the cached features %s are damaged (%s); they are made again", folder, found)
        shutil.rmtree(folder)
    return not found


def _report(folder: Path) -> int:
    """Warn of every item of a source that could not be decoded; how many there are."""
    failed = json.loads((folder / "undecodable.json").read_text(encoding="utf-8"))
    for item, reason in failed.items():
        log.warning("%s cannot be decoded (%s); its token is absent", item, reason)
    return len(failed)
