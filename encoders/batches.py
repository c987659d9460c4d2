"""From prepared items to features: batches of one fixed size on the CPU, as large as fit on a device."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

from encoders.feature import EncoderFailed, Feature, Undecodable, checked

if TYPE_CHECKING:
    from encoders.base import Encoder

Key = TypeVar("Key")

WAITING = 4
"""Batches' worth of items that are kept waiting for others that go with them, at most."""


def layout(prepared: Any) -> Hashable:
    """What two prepared items must have in common to be stacked: the shapes of all arrays in them."""
    if hasattr(prepared, "shape"):
        return tuple(prepared.shape)
    if isinstance(prepared, Mapping):
        return tuple((str(name), layout(value)) for name, value in prepared.items())
    if isinstance(prepared, list | tuple):
        return tuple(layout(value) for value in prepared)
    return type(prepared).__qualname__


def one(prepared: Any) -> int:
    """The size of an item where batches are counted in items."""
    return 1


@dataclass(frozen=True)
class Batching:
    """How prepared items are put together.

    Attributes:
        most: the size of a batch at most; an item that is larger is a batch of its own.
        kind: what all items of a batch have in common.
        size: what an item adds to the size.
        waiting: how many batches' worth of items may wait for others.
    """

    most: int
    kind: Callable[[Any], Hashable] = layout
    size: Callable[[Any], int] = one
    waiting: int = WAITING

    @property
    def packs(self) -> bool:
        """Whether items of several sizes fill a batch."""
        return self.size is not one


@dataclass
class _Batch(Generic[Key]):
    """A batch that is still open."""

    kind: Hashable
    size: int = 0
    keys: list[Key] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)

    def add(self, key: Key, prepared: Any, size: int) -> None:
        self.size += size
        self.keys.append(key)
        self.items.append(prepared)


def embedded(
    encoder: Encoder, items: Iterable[tuple[Key, Any]], device: str
) -> Iterator[tuple[Key, Feature | Undecodable]]:
    """Embed prepared items, taking them as they come; what is Undecodable already passes through.

    Items of one kind are embedded together, so that the order may change. On the CPU a batch always has the
    same size, the last item repeated where there are fewer: in a batch of one size the bits of a feature
    depend on its item alone. On a device they are ``encoder.batch`` at most, and half as many from then on
    whenever that does not fit; while it embeds, items for the next batch are taken.

    Raises:
        EncoderFailed: the encoder's answer breaks the contract, or a single item does not fit.
    """
    batching = encoder.batching(device)
    if device == "cpu":
        for keys, prepared in alike(items, batching):
            ready = isinstance(prepared[0], Undecodable)
            yield from zip(keys, prepared if ready else _filled_up(encoder, batching, prepared), strict=True)
        return
    fitting = _Fitting(encoder, device)
    with ThreadPoolExecutor(1) as thread:  # it waits for the device, and this one for items
        started: list[tuple[list[Key], Future[list[Feature | Undecodable]]]] = []
        for keys, prepared in alike(items, batching):
            if isinstance(prepared[0], Undecodable):
                yield from zip(keys, prepared, strict=True)
                continue
            started.append((keys, thread.submit(fitting.embedded, prepared)))
            if len(started) > 1:  # no more than one batch waits for the device
                yield from _finished(*started.pop(0))
        for keys, features in started:
            yield from _finished(keys, features)


def _finished(
    keys: Sequence[Key], features: Future[list[Feature | Undecodable]]
) -> Iterator[tuple[Key, Feature | Undecodable]]:
    return zip(keys, features.result(), strict=True)


def alike(items: Iterable[tuple[Key, Any]], batching: Batching) -> Iterator[tuple[list[Key], list[Any]]]:
    """Batches of items with their keys; what is Undecodable does not wait for others."""
    waiting: list[_Batch[Key]] = []
    for key, prepared in items:
        if isinstance(prepared, Undecodable):
            yield [key], [prepared]
            continue
        kind, size = batching.kind(prepared), batching.size(prepared)
        fitting = (b for b in waiting if b.kind == kind and b.size + size <= batching.most)
        batch = next(fitting, None)
        if batch is None:
            batch = _Batch(kind)
            waiting.append(batch)
        batch.add(key, prepared, size)
        if batch.size < batching.most:
            if sum(b.size for b in waiting) < batching.waiting * batching.most:
                continue
            batch = max(waiting, key=lambda b: b.size)
        waiting.remove(batch)
        yield batch.keys, batch.items
    for batch in waiting:
        yield batch.keys, batch.items


def stacked(tensors: Sequence[torch.Tensor], device: str) -> torch.Tensor:
    """Tensors of one shape as one (B, ...) on a device; the copy to a GPU goes on beside what follows."""
    together = torch.stack(list(tensors))
    if device.startswith("cuda"):  # only from pinned memory is there no need to wait for it
        return together.pin_memory().to(device, non_blocking=True)
    return together.to(device)


def _filled_up(encoder: Encoder, batching: Batching, prepared: Sequence[Any]) -> list[Feature | Undecodable]:
    """The features of items of one kind, embedded in a batch of the size that the CPU always has."""
    room = batching.most - sum(map(batching.size, prepared))
    batch = [*prepared, *[prepared[-1]] * (room // batching.size(prepared[-1]))]
    return checked(encoder.embed(batch, "cpu"), len(batch), encoder.title)[: len(prepared)]


class _Fitting:
    """Embeds on a device, in parts that fit.

    Attributes:
        most: items in a part; halved whenever one does not fit.
    """

    def __init__(self, encoder: Encoder, device: str):
        self.encoder, self.device, self.most = encoder, device, encoder.batch

    def embedded(self, prepared: Sequence[Any]) -> list[Feature | Undecodable]:
        """The features of items of one kind. Raises EncoderFailed if a single one does not fit."""
        results: list[Feature | Undecodable] = []
        while len(results) < len(prepared):
            part = prepared[len(results) : len(results) + self.most]
            answer = self._attempt(part)
            if answer is not None:
                results += checked(answer, len(part), self.encoder.title)
            elif len(part) > 1:
                self.most = len(part) // 2
            else:
                raise EncoderFailed(
                    f"{self.encoder.title}: {self.device} has too little memory for it; use --device cpu"
                )
        return results

    def _attempt(self, part: Sequence[Any]) -> list[Feature] | None:
        """What the encoder returns, or None if the device has too little memory for that many."""
        try:
            return self.encoder.embed(part, self.device)
        except torch.OutOfMemoryError:
            pass
        # only now that the exception, and with it the tensors of its frames, is gone
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None
