"""Fill the feature cache: every distinct item once per encoder, ever, in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import encoders
from bench.errors import BenchError
from bench.executors import find
from bench.failure import Failure
from bench.features.cache import ItemCache
from bench.isolation import one_thread, undisturbed
from bench.plugins import carried_encoder, load_plugins

BATCHES, MOST_BATCHES, CHUNKS, PREPARED = 8, 64, 4, 16
"""What a worker takes at a time: of texts so many batches of the encoder, or more where that leaves as many
chunks for each worker, since the fewer chunks there are, the fewer batches are not full; of files one batch;
of anything that it only prepares, enough to keep it at work while the device embeds what came before."""

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""


class Place(NamedTuple):
    """Where and how items are encoded."""

    jobs: int
    executor: str
    device: str
    plugins: tuple[Path, ...]
    progress: Progress


class _Chunk(NamedTuple):
    """Items for a worker process, with all that it needs to know of their encoder.

    Attributes:
        entry: the encoder's, where neither this package nor a plugin file brings it.
        embed: whether to embed the items, too, rather than only to prepare them.
    """

    recipe: tuple[Any, ...]
    fingerprint: str
    plugins: tuple[Path, ...]
    entry: encoders.Entry | None
    embed: bool
    keys: Sequence[str]
    items: Sequence[str | Path]

    def split(self) -> list[_Chunk]:
        """Its items one by one."""
        return [self._replace(keys=[k], items=[i]) for k, i in zip(self.keys, self.items, strict=True)]


def check(encoder: encoders.Encoder) -> None:
    """Ask an encoder for what names it; one from outside may answer with anything. Raises BenchError."""
    try:
        with undisturbed():
            texts = encoder.stamp, encoder.fingerprint, *encoder.recipe[:3]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"its stamp, fingerprint and recipe are not all texts: {texts}")
        if type(encoder.cpu_batch) is not int or encoder.cpu_batch < 1:
            raise TypeError(f"its cpu_batch is no number of items: {encoder.cpu_batch!r:.40}")
    except (KeyboardInterrupt, encoders.WeightsUnavailable):
        raise
    except BaseException as error:
        raise _failed(encoder, Failure.of(error)) from error


def _failed(encoder: encoders.Encoder, failure: Failure) -> BenchError:
    """The error for what an encoder ended in; it names the encoder."""
    named = failure.reason.startswith(encoder.title)
    return BenchError(failure.reason if named else f"{encoder.title}: {failure.reason}")


def fill(encoder: encoders.Encoder, items: Mapping[str, str | Path], place: Place) -> int:
    """Encode those of `items`, by content key, that the cache lacks; how many there were.

    Raises BenchError, which names the encoder, for whatever it does but make features.
    """
    cache = ItemCache(encoder.fingerprint)
    missing = sorted(cache.missing(items), key=lambda key: -_length(items[key]))
    if not missing:
        return 0
    results = _results(encoder, _chunks(encoder, missing, items, place), place)
    if place.device != "cpu":
        results = _on_device(encoder, results, place.device)
    cache.put(_counted(results, encoder.stamp, len(missing), place.progress))
    return len(missing)


def _length(item: str | Path) -> int:
    """By which items are ordered: texts of one length fill a batch together, and long ones take long.

    Of files nothing is known.
    """
    return len(item) if isinstance(item, str) else 0


def _chunks(
    encoder: encoders.Encoder, keys: Sequence[str], items: Mapping[str, str | Path], place: Place
) -> list[_Chunk]:
    on_cpu = place.device == "cpu"
    if not on_cpu:
        size = PREPARED
    elif isinstance(items[keys[0]], str):
        fewest, most = BATCHES * encoder.cpu_batch, MOST_BATCHES * encoder.cpu_batch
        size = min(max(fewest, len(keys) // (CHUNKS * place.jobs)), most)
    else:
        size = encoder.cpu_batch
    entry = carried_encoder(encoder.modality, encoder.asked, place.plugins)
    if on_cpu and isinstance(items[keys[0]], str) and _packs(encoder):
        number = -(-len(keys) // size)
        batches = [keys[start::number] for start in range(number)]  # short texts fill what long ones leave
    else:
        batches = [keys[start : start + size] for start in range(0, len(keys), size)]
    return [
        _Chunk(encoder.recipe, encoder.fingerprint, place.plugins, entry, on_cpu, b, [items[k] for k in b])
        for b in batches
    ]


def _packs(encoder: encoders.Encoder) -> bool:
    """Whether texts of all lengths go together. Raises BenchError for whatever an encoder answers."""
    try:
        with undisturbed():
            return encoder.batching("cpu").packs
    except (KeyboardInterrupt, encoders.WeightsUnavailable):
        raise
    except BaseException as error:
        raise _failed(encoder, Failure.of(error)) from error


def _on_device(
    encoder: encoders.Encoder, prepared: Iterable[tuple[str, Any]], device: str
) -> Iterator[tuple[str, Any]]:
    """The results of what workers prepare, embedded in this process, which alone has the device."""
    try:
        with undisturbed():
            yield from encoders.embedded(encoder, prepared, device)
    except encoders.EncoderFailed as error:
        raise BenchError(str(error)) from error
    except (BenchError, GeneratorExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # anyone's code, which may do anything
        raise _failed(encoder, Failure.of(error)) from error


def _results(encoder: encoders.Encoder, chunks: Sequence[_Chunk], place: Place) -> Iterator[tuple[str, Any]]:
    """What workers make of every item, by key: its feature, or what is prepared for a device, or Undecodable.

    An item that ends its process, and again when alone, is undecodable. Raises BenchError.
    """
    suspects: list[_Chunk] = []
    for chunk, answer in _answers(encoder, chunks, place.jobs, place.executor):
        if isinstance(answer, Failure):
            suspects += chunk.split()
        else:
            yield from answer
    for chunk, answer in _answers(encoder, suspects, 1, place.executor):
        if isinstance(answer, Failure):
            answer = [(chunk.keys[0], encoders.Undecodable(f"its decoder crashed: {answer.reason}"))]
        yield from answer


def _answers(
    encoder: encoders.Encoder, chunks: Sequence[_Chunk], jobs: int, executor: str
) -> Iterator[tuple[_Chunk, list[tuple[str, Any]] | Failure]]:
    """Each chunk with what became of its items, or with how its process ended. Raises BenchError."""
    with closing(find(executor)(_encode_chunk, chunks, jobs, keep=True)) as answers:
        for chunk, answer in answers:
            if isinstance(answer, Failure) and not answer.crashed:
                raise _failed(encoder, answer)
            yield chunk, answer


def _counted(
    results: Iterable[tuple[str, Any]], what: str, total: int, progress: Progress
) -> Iterator[tuple[str, Any]]:
    progress(what, 0, total)
    for done, result in enumerate(results, start=1):
        yield result
        progress(what, done, total)


def _encode_chunk(chunk: _Chunk) -> list[tuple[str, Any]]:
    """What becomes of the items of a chunk, by key, in this process."""
    load_plugins(chunk.plugins)
    if chunk.entry:
        encoders.adopt(chunk.entry)
    with one_thread():
        encoder = _encoder(chunk.recipe, chunk.fingerprint)
        prepared = zip(chunk.keys, encoder.prepared(chunk.items), strict=True)
        try:
            return list(encoders.embedded(encoder, prepared, "cpu") if chunk.embed else prepared)
        except (encoders.WeightsUnavailable, encoders.EncoderFailed) as error:
            raise BenchError(str(error)) from error


@lru_cache(maxsize=2)
def _encoder(recipe: tuple[Any, ...], fingerprint: str) -> encoders.Encoder:
    """The encoder of a recipe. Raises BenchError if it is not the one with the fingerprint."""
    modality, name, weights, options = recipe
    encoder = encoders.get(modality, name, weights=weights, **dict(options))
    if encoder.fingerprint != fingerprint:
        raise BenchError(
            f"{encoder.title} is not the same in every process: either its file has just been edited, "
            f"then run again, or its fingerprint depends on the process"
        )
    return encoder
