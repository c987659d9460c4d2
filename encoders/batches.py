"""From prepared items to features: batches of one fixed size on the CPU, as large as fit on a device."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
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
    then on whenever that does not fit.

    Raises:
        EncoderFailed: the encoder's answer breaks the contract, or a single item does not fit.
    """
    most = encoder.cpu_batch if device == "cpu" else encoder.batch
    groups: dict[Hashable, list[tuple[Key, Any]]] = {}
    waiting = 0
    for key, prepared in items:
        if isinstance(prepared, Undecodable):
            yield key, prepared
            continue
        group = groups.setdefault(layout(prepared), [])
        group.append((key, prepared))
        waiting += 1
        if len(group) >= most or waiting >= WAITING * most:
            largest = groups.pop(max(groups, key=lambda shape: len(groups[shape])))
            waiting -= len(largest)
            results, most = _together(encoder, [p for _, p in largest], device, most)
            yield from zip([k for k, _ in largest], results, strict=True)
    for group in groups.values():
        results, most = _together(encoder, [p for _, p in group], device, most)
        yield from zip([k for k, _ in group], results, strict=True)


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


def _together(
    encoder: Encoder, prepared: Sequence[Any], device: str, most: int
) -> tuple[list[Feature | Undecodable], int]:
    """The features of `most` items of one layout, or fewer, and the size of a batch from now on."""
    if device != "cpu":
        return _fitting(encoder, prepared, device, most)
    batch = [*prepared, *[prepared[-1]] * (most - len(prepared))]
    return checked(encoder.embed(batch, device), most, encoder.title)[: len(prepared)], most


def _fitting(
    encoder: Encoder, prepared: Sequence[Any], device: str, most: int
) -> tuple[list[Feature | Undecodable], int]:
    """The features of items of one layout, in parts that fit, and the size of a part that does."""
    results: list[Feature | Undecodable] = []
    while len(results) < len(prepared):
        part = prepared[len(results) : len(results) + most]
        answer = _attempt(encoder, part, device)
        if answer is not None:
            results += checked(answer, len(part), encoder.title)
        elif len(part) > 1:
            most = len(part) // 2
        else:
            raise EncoderFailed(f"{encoder.title}: {device} has too little memory for it; use --device cpu")
    return results, most


def _attempt(encoder: Encoder, part: Sequence[Any], device: str) -> list[Feature] | None:
    """What the encoder returns, or None if the device has too little memory for that many."""
    try:
        return encoder.embed(part, device)
    except torch.OutOfMemoryError:
        pass
    # only now that the exception, and with it the tensors of its frames, is gone
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
