"""From prepared items to features: batches of one fixed size on the CPU, as large as fit on a device."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from encoders.feature import EncoderFailed, Feature, Undecodable, checked

if TYPE_CHECKING:
    from encoders.base import Encoder

Key = TypeVar("Key")

WAITING = 4
"""Batches' worth of items of unlike layouts that are kept waiting for more of their own."""


def embedded(
    encoder: Encoder, items: Iterable[tuple[Key, Any]], device: str
) -> Iterator[tuple[Key, Feature | Undecodable]]:
    """Embed prepared items, taking them as they come; what is Undecodable already passes through.

    Items of one layout are embedded together, so that the order may change. On the CPU they are always
    ``encoder.cpu_batch``, the last one repeated where there are fewer: in a batch of one size the bits of a
    feature depend on its item alone. On a device they are ``encoder.batch`` at most, and half as many from
    then on whenever that does not fit; while it embeds, items for the next batch are taken.

    Raises:
        EncoderFailed: the encoder's answer breaks the contract, or a single item does not fit.
    """
    if device == "cpu":
        for keys, prepared in alike(items, encoder.cpu_batch):
            ready = isinstance(prepared[0], Undecodable)
            yield from zip(keys, prepared if ready else _filled_up(encoder, prepared), strict=True)
        return
    fitting = _Fitting(encoder, device)
    with ThreadPoolExecutor(1) as thread:  # it waits for the device, and this one for items
        started: list[tuple[list[Key], Future[list[Feature | Undecodable]]]] = []
        for keys, prepared in alike(items, encoder.batch):
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


def alike(items: Iterable[tuple[Key, Any]], most: int) -> Iterator[tuple[list[Key], list[Any]]]:
    """At most so many items of one layout, with their keys; what is Undecodable does not wait for others."""
    groups: dict[Hashable, list[tuple[Key, Any]]] = {}
    waiting = 0
    for key, prepared in items:
        if isinstance(prepared, Undecodable):
            yield [key], [prepared]
            continue
        group = groups.setdefault(layout(prepared), [])
        group.append((key, prepared))
        waiting += 1
        if len(group) >= most or waiting >= WAITING * most:
            largest = groups.pop(max(groups, key=lambda shape: len(groups[shape])))
            waiting -= len(largest)
            yield [k for k, _ in largest], [p for _, p in largest]
    for group in groups.values():
        yield [k for k, _ in group], [p for _, p in group]


def stacked(tensors: Sequence[torch.Tensor], device: str) -> torch.Tensor:
    """Tensors of one shape as one (B, ...) on a device; the copy to a GPU goes on beside what follows."""
    together = torch.stack(list(tensors))
    if device.startswith("cuda"):  # only from pinned memory is there no need to wait for it
        return together.pin_memory().to(device, non_blocking=True)
    return together.to(device)


def layout(prepared: Any) -> Hashable:
    """What two prepared items must have in common to be stacked: the shapes of all arrays in them."""
    if hasattr(prepared, "shape"):
        return tuple(prepared.shape)
    if isinstance(prepared, Mapping):
        return tuple((str(name), layout(value)) for name, value in prepared.items())
    if isinstance(prepared, list | tuple):
        return tuple(layout(value) for value in prepared)
    return type(prepared).__qualname__


def _filled_up(encoder: Encoder, prepared: Sequence[Any]) -> list[Feature | Undecodable]:
    """The features of items of one layout, embedded in a batch of the size that the CPU always has."""
    size = encoder.cpu_batch
    batch = [*prepared, *[prepared[-1]] * (size - len(prepared))]
    return checked(encoder.embed(batch, "cpu"), size, encoder.title)[: len(prepared)]


class _Fitting:
    """Embeds on a device, in parts that fit.

    Attributes:
        most: items in a part; halved whenever one does not fit.
    """

    def __init__(self, encoder: Encoder, device: str):
        self.encoder, self.device, self.most = encoder, device, encoder.batch

    def embedded(self, prepared: Sequence[Any]) -> list[Feature | Undecodable]:
        """The features of items of one layout. Raises EncoderFailed if a single one does not fit."""
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
