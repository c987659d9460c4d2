"""The features of a dataset: what the cache lacks encoded, and the rest arranged by source, row and slot."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import encoders
from bench.data.dataset import Dataset, RawTokens
from bench.data.ragged import Ragged
from bench.errors import BenchError, DataError
from bench.failure import Failure
from bench.features.cache import ItemCache
from bench.features.fill import Place, Progress, check, fill
from bench.features.joined import ITEMS, JoinedFeatures
from bench.features.layout import Origin
from bench.features.sources import Numbers, SourceFeatures, Vectors
from bench.features.store import FeatureSet
from bench.files import cache_dir, content_key, damage, sweep, written_aside
from bench.isolation import undisturbed
from bench.labels import MARK
from bench.sourcecode import PROJECT, READING, digest
from fusions import Source

log = logging.getLogger("bench")

LAYOUT = "4"
"""Version of the arrays a source's folder holds; part of the folder's name."""

ABOUT = "encoding.json"
"""The file beside the arrays of a source that says how they came about."""

MISSING = ""
"""The key of a file that is not there."""


def encode(
    dataset: Dataset,
    chosen: Mapping[str, encoders.Encoder],
    *,
    jobs: int = 1,
    executor: str = "inline",
    device: str = "cpu",
    plugins: Sequence[Path] = (),
    progress: Progress = lambda what, done, total: None,
    told: set[str] | None = None,
) -> tuple[FeatureSet, int]:
    """Features of the sources of `dataset`, encoding only what no earlier call has encoded.

    Args:
        dataset: the data.
        chosen: modality -> encoder; sources of a text or media modality without one are left out.
        jobs: processes.
        executor: where items are encoded (`bench.executors`); "inline" is this process.
        device: where networks run. On the CPU that is in the workers; any other device is this process's,
            to which the workers hand prepared items.
        plugins: files that register encoders, loaded in the workers too.
        progress: called with how far it is.
        told: warnings that are not to be repeated; those that are given are added.

    Returns:
        The features, and the number of items that had to be encoded.

    Raises:
        BenchError: an encoder fails; the message names it.
        DataError: not one item of a source can be decoded.
    """
    for encoder in chosen.values():
        check(encoder)
    place = Place(jobs, executor, device, tuple(plugins), progress)
    # other code may read the same data otherwise
    home = cache_dir() / "features" / f"{dataset.fingerprint}-{digest([PROJECT], READING)}"
    sweep(home)
    encoded = 0
    folders: dict[Source, Path] = {}
    ways: list[tuple[str | None, encoders.Encoder | None]] = [(None, None), *chosen.items()]
    for modality, way in ways:
        sources = [s for s in dataset.schema.sources if _encoded_as(dataset, s) == modality]
        folders |= {s: _folder(home, s, dataset, way) for s in sources}
        absent = [s for s in sources if not _intact(folders[s])]
        if way is not None:
            encoded += _store_encoded(dataset, way, {s: folders[s] for s in absent}, place)
        else:
            _store_as_it_is(dataset, {s: folders[s] for s in absent})
    about = {source: _About.read(folder) for source, folder in folders.items()}
    told = set() if told is None else told
    for found in about.values():
        found.report(told)
    features = FeatureSet(
        dataset=_save_samples(dataset, home),
        target=dataset.schema.target,
        folders={s: folders[s] for s in dataset.schema.sources if s in folders},
        many=dataset.schema.many,
        ordered=dataset.schema.ordered
        | {s for s, found in about.items() if found.sequences and s.entity not in dataset.schema.many},
        stamps={modality: encoder.stamp for modality, encoder in chosen.items()},
        undecodable=sum(len(found.undecodable) for found in about.values()),
        fixed=dataset.schema.samples.fixed,
        origin=Origin.of(dataset.schema, chosen),
    )
    return features, encoded


def with_target(features: FeatureSet, dataset: Dataset) -> FeatureSet:
    """The same features beside another target of the same data, `Dataset.each`."""
    origin = features.origin and features.origin.model_copy(update={"data": dataset.schema})
    samples = _save_samples(dataset, features.dataset.parent)
    return replace(features, dataset=samples, target=dataset.schema.target, origin=origin)


def joined(
    features: FeatureSet,
    dataset: Dataset,
    chosen: Mapping[str, encoders.Encoder],
    modalities: Collection[str],
) -> JoinedFeatures:
    """The same features, those of some modalities as encoders have to make them that join the model.

    Args:
        features: what `encode` made of a dataset.
        dataset: the same.
        chosen: the encoders that it was made with.
        modalities: whose encoders are trained.
    """
    home = features.dataset.parent
    raw = {
        source: _save_items(dataset, source, chosen[source.modality], home)
        for source in features.folders
        if source.modality in modalities and _encoded_as(dataset, source)
    }
    stamps = {m: f"{s.removesuffix(')')}{MARK})" for m, s in features.stamps.items() if m in modalities}
    same = {f.name: getattr(features, f.name) for f in fields(features)}
    return JoinedFeatures(**same | {"stamps": {**features.stamps, **stamps}, "raw": raw})


def _save_items(dataset: Dataset, source: Source, encoder: encoders.Encoder, home: Path) -> Path:
    """Store the items of a source that have features, with how many steps each; the folder."""
    recipe = f"{_folder(home, source, dataset, encoder).name}/{dataset.root}"  # files are read again
    folder = home / f"items-{source}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not _intact(folder):
        raw = dataset.raw(source)
        keys = [key_of(item) for item in raw.items]
        stored = ItemCache(encoder.fingerprint).get(key for key in keys if key != MISSING)
        found = [(str(i), stored.get(key)) for i, key in zip(raw.items, keys, strict=True)]
        steps = {i: len(np.atleast_2d(f.values)) for i, f in found if isinstance(f, encoders.Feature)}
        with written_aside(folder) as aside:
            content = {"items": list(steps), "steps": list(steps.values())}
            (aside / ITEMS).write_text(json.dumps(content), encoding="utf-8")
    return folder


def _encoded_as(dataset: Dataset, source: Source) -> str | None:
    """The modality whose encoder serves a source; None for numbers and precomputed features."""
    by_itself = source.modality == "numeric" or dataset.schema.precomputed(source)
    return None if by_itself else source.modality


def _folder(home: Path, source: Source, dataset: Dataset, encoder: encoders.Encoder | None) -> Path:
    recipe = f"{LAYOUT}/{dataset.fingerprint}/{source}/{encoder.fingerprint if encoder else 'as it is'}"
    return home / f"{source}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def key_of(item: str | Path) -> str:
    """What an item is cached by: its content, or MISSING for a file that is not there."""
    return content_key(item) if isinstance(item, str) or item.is_file() else MISSING


def _store_as_it_is(dataset: Dataset, wanted: Mapping[Source, Path]) -> None:
    """Make the folders of sources of numbers and of precomputed features."""
    for source, folder in wanted.items():
        numeric = source.modality == "numeric"
        features = (_numeric if numeric else _precomputed)(dataset, source)
        _store(features, _About({}, sequences=False), folder)


def _store_encoded(
    dataset: Dataset, encoder: encoders.Encoder, wanted: Mapping[Source, Path], place: Place
) -> int:
    """Make the folders of sources of one encoder; how many items had to be encoded."""
    raw = {source: dataset.raw(source) for source in wanted}
    keys: dict[Source, list[str]] = {}
    items: dict[str, str | Path] = {}
    for source, tokens in raw.items():
        keys[source] = [key_of(item) for item in tokens.items]
        items.update(zip(keys[source], tokens.items, strict=True))
    items.pop(MISSING, None)
    encoded = fill(encoder, items, place) if wanted else 0
    for source, folder in wanted.items():
        _store(*_assemble(dataset, source, raw[source], keys[source], encoder), folder)
    return encoded


def _assemble(
    dataset: Dataset, source: Source, raw: RawTokens, keys: Sequence[str], encoder: encoders.Encoder
) -> tuple[SourceFeatures, _About]:
    """Arrange the cached features of one source; an item of T steps is T tokens, an undecodable one none."""
    stored = ItemCache(encoder.fingerprint).get(key for key in keys if key != MISSING)
    stored[MISSING] = encoders.Undecodable("there is no such file")
    results = [stored[key] for key in keys]
    items: Sequence[str | Path] = raw.items
    failed = {
        _name(dataset, item): result.reason
        for item, result in zip(items, results, strict=True)
        if isinstance(result, encoders.Undecodable)
    }
    good = [result for result in results if isinstance(result, encoders.Feature)]
    if keys and not good and dataset.labelled:  # rows to be predicted may lack a source
        raise DataError(
            f"not one of the {len(keys)} items of {source} could be decoded "
            f"({next(iter(failed.values()))}); fix the files."
        )
    _check_alike(good, encoder)
    blocks = [np.atleast_2d(feature.values) for feature in good]
    steps = np.zeros(len(results), dtype=np.int64)
    steps[[isinstance(result, encoders.Feature) for result in results]] = [len(block) for block in blocks]
    tokens, slots = _tokens(raw, steps)
    features = Vectors(
        items=dataset.items[source.entity],
        tokens=tokens,
        slots=slots,
        values=np.concatenate(blocks) if blocks else np.zeros((0, 0), np.float32),
        attributes=dataset.schema.entities[source.entity].attributes(source.modality),
    )
    sequences = any(feature.values.ndim == 2 for feature in good)
    read = [item for item, result in zip(items, results, strict=True) if isinstance(result, encoders.Feature)]
    return features, _About(failed, sequences, _remarks(encoder, source, read))


def _remarks(encoder: encoders.Encoder, source: Source, items: Sequence[str | Path]) -> list[str]:
    """What an encoder has to say of how it reads the items of a source, each in a sentence."""
    try:
        with undisturbed():
            said = Counter(filter(None, map(encoder.remark, items)))
    except Exception as error:  # anyone's code, which may do anything
        raise BenchError(f"{encoder.title}: {Failure.of(error).reason}") from error
    return [
        f"{count} of {len(items)} items of {source} are {what} ({encoder.name})"
        for what, count in said.items()
    ]


def _check_alike(features: Sequence[encoders.Feature], encoder: encoders.Encoder) -> None:
    """Raise BenchError unless all are vectors, or all sequences, of one width."""
    shapes = {(feature.values.ndim, feature.values.shape[-1]) for feature in features}
    kinds = [f"{'vectors' if ndim == 1 else 'sequences'} of width {width}" for ndim, width in sorted(shapes)]
    if len(kinds) > 1:
        raise BenchError(
            f"{encoder.title} gives {' and '.join(kinds[:2])}; all items must have features of one "
            f"kind and width"
        )


def _tokens(raw: RawTokens, steps: np.ndarray) -> tuple[Ragged, np.ndarray]:
    """The tokens of every row of an entity, as positions among the steps of all items, and their slots.

    `steps` (items,) is how many each item has.
    """
    items = raw.rows.values.astype(np.int64)
    first, count = (np.cumsum(steps) - steps)[items], steps[items]
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    row = np.repeat(np.arange(len(raw.rows)), np.diff(raw.rows.offsets))
    lengths = np.bincount(np.repeat(row, count), minlength=len(raw.rows))
    return Ragged.from_lengths(np.repeat(first, count) + within, lengths), np.repeat(raw.slots, count)


def _name(dataset: Dataset, item: str | Path) -> str:
    return str(item.relative_to(dataset.root)) if isinstance(item, Path) else repr(item)


def _numeric(dataset: Dataset, source: Source) -> SourceFeatures:
    return Numbers(
        items=dataset.items[source.entity],
        values=dataset.numeric(source),
        attributes=dataset.schema.entities[source.entity].attributes("numeric"),
    )


def _precomputed(dataset: Dataset, source: Source) -> SourceFeatures:
    vectors = dataset.vectors(source)
    return Vectors(
        items=dataset.items[source.entity],
        tokens=vectors.rows,
        slots=np.zeros(len(vectors.rows.values), dtype=np.int64),
        values=vectors.values.astype(np.float32, copy=False),
        attributes=dataset.schema.entities[source.entity].attributes(source.modality),
    )


class _About(NamedTuple):
    """What is kept beside the features of a source.

    Attributes:
        undecodable: the items without a feature, with the reason.
        sequences: whether its encoder gives sequences.
        remarks: what is to be known of how items were read, in sentences.
    """

    undecodable: dict[str, str]
    sequences: bool
    remarks: Sequence[str] = ()

    def write(self, folder: Path) -> None:
        """Write into a folder."""
        (folder / ABOUT).write_text(json.dumps(self._asdict()), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> _About:
        """What was written into a folder, which is intact."""
        return cls(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))

    def report(self, told: set[str]) -> None:
        """Warn of every item that could not be decoded, and of what else is to be known, if not `told`."""
        failed = [
            f"{item} cannot be decoded ({why}); its token is absent" for item, why in self.undecodable.items()
        ]
        for line in dict.fromkeys([*failed, *self.remarks]):
            if line not in told:
                log.warning("%s", line)
        told.update(failed, self.remarks)


def _store(features: SourceFeatures, about: _About, folder: Path) -> None:
    with written_aside(folder) as aside:
        features.save(aside)
        about.write(aside)


def _save_samples(dataset: Dataset, home: Path) -> Path:
    """Store what there is of the samples beside their features; the folder, which is named by the target."""
    target = hashlib.sha256(dataset.schema.target.model_dump_json().encode()).hexdigest()
    folder = home / f"samples-{LAYOUT}-{target[:12]}"
    if not _intact(folder):
        with written_aside(folder) as aside:
            for name, array in dataset.samples.items():
                np.save(aside / f"{name}.npy", array)
    return folder


def _intact(folder: Path) -> bool:
    """Whether a folder of the cache is there and is what was written; a damaged one is named and removed."""
    if not folder.is_dir():
        return False
    if found := damage(folder, exact=True):
        log.warning("the cached features %s are damaged (%s); they are made again", folder, found)
        shutil.rmtree(folder)
    return not found
