"""The bare forward pass of an encoder's network, on tensors in memory: the least that encoding takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from encoders import Network, packing

MASK = "attention_mask"
"""The input of a network that says which tokens are present, (B, tokens)."""
ROUNDS = 2
"""How often each size of a batch is tried,"""
TRIED = 64
"""on how many items at most."""
SIDE = {"cpu": 2048}
LARGEST_SIDE = 8192
"""Rows of the square matrices whose product is the machine's peak: on the CPU, and on a device."""


@dataclass(frozen=True)
class Inputs:
    """What a network is called with; every tensor begins with the batch."""

    positional: tuple[torch.Tensor, ...]
    named: Mapping[str, torch.Tensor]

    def __len__(self) -> int:
        """Items in the batch."""
        return len(next(iter([*self.positional, *self.named.values()])))

    def of(self, rows: Any) -> Inputs:
        """Some items of the batch."""
        return Inputs(tuple(t[rows] for t in self.positional), {n: t[rows] for n, t in self.named.items()})

    @property
    def by_length(self) -> Inputs:
        """The same, the longest last."""
        return self.of(self.named[MASK].sum(dim=1).argsort(stable=True)) if MASK in self.named else self

    @property
    def trimmed(self) -> Inputs:
        """Without the padding that no item of the batch needs: others batch without buckets of lengths."""
        if MASK not in self.named:
            return self
        padded, longest = self.named[MASK].shape, int(self.named[MASK].sum(dim=1).max())
        named = {n: t[:, :longest] if t.shape == padded else t for n, t in self.named.items()}
        return replace(self, named=named)


@dataclass(frozen=True)
class Forward:
    """A network and what it is called with, all items of one kind together."""

    network: nn.Module
    inputs: Sequence[Inputs]
    device: str
    half: bool = False
    """Whether it computes in bfloat16, as its encoder does."""

    @classmethod
    def of(cls, encoder: Network, prepared: Sequence[Any], device: str) -> Forward:
        """The pass that `encoder` makes over prepared items; of texts the usual one, over padded ones."""
        kind = encoder.batching(device).kind
        groups: dict[Any, list[Any]] = {}
        for item in prepared:
            groups.setdefault(kind(item), []).append(item)
        inputs = [_inputs(encoder, group, device).by_length for group in groups.values()]
        return cls(encoder.network(device), inputs, device, encoder.half)

    @property
    def items(self) -> int:
        """How many there are."""
        return sum(map(len, self.inputs))

    def calls(self, size: int) -> list[Inputs]:
        """What the network is called with in batches of at most `size` items."""
        return [
            inputs.of(slice(start, start + size)).trimmed
            for inputs in self.inputs
            for start in range(0, len(inputs), size)
        ]

    def speed(self, size: int) -> float:
        """Items per second of one pass over all items."""
        calls, kind = self.calls(size), torch.device(self.device).type
        clock = Clock(self.device)
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=self.half):
            for call in calls:
                self.network(*call.positional, **call.named)
        return self.items / clock.seconds

    def best_size(self) -> int:
        """The size of a batch, a power of two, at which it is fastest; each is tried in turns.

        Only some items of the kind that most are of are tried.
        """
        largest = max(self.inputs, key=len)
        most = replace(self, inputs=[largest.of(slice(None, None, -(-len(largest) // TRIED)))])
        sizes = [1 << power for power in range((most.items - 1).bit_length() + 1)]
        fastest = dict.fromkeys(sizes, 0.0)
        for _ in range(ROUNDS):
            for size in sizes:
                fastest[size] = max(fastest[size], most.speed(size))
        return max(sizes, key=fastest.__getitem__)

    def flops(self, size: int) -> float:
        """Floating-point operations for an item, on average."""
        # in any other form of attention on the CPU they are not counted
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            for call in self.calls(size):
                self.network(*call.positional, **call.named)
        return float(counter.get_total_flops() / self.items)


def matrix_peak(device: str) -> float:
    """Floating-point operations per second of one product of float32 matrices."""
    side = SIDE.get(device, LARGEST_SIDE)
    left, right = torch.ones(2, side, side, device=device).unbind()
    clock = Clock(device)
    torch.mm(left, right)
    return 2 * side**3 / clock.seconds


class Clock:
    """Seconds since it was made: processor time on the CPU, whatever others do; else the wall's."""

    def __init__(self, device: str):
        self.device = device
        self._start = self._now()

    @property
    def seconds(self) -> float:
        """So far, with all that the device was given to do."""
        return self._now() - self._start

    def _now(self) -> float:
        if self.device == "cpu":
            return time.process_time()
        torch.accelerator.synchronize(self.device)
        return time.perf_counter()


class _Caught(BaseException):
    """Ends a call of `embed` where it calls its network; no Exception, which encoders may answer."""


def _inputs(encoder: Network, prepared: Sequence[Any], device: str) -> Inputs:
    """What `encoder` calls its network with to embed prepared items of one kind."""
    found: list[Inputs] = []

    def catch(module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        found.append(Inputs(positional, named))
        raise _Caught

    hook = encoder.network(device).register_forward_pre_hook(catch, with_kwargs=True)
    try:
        encoder.embed(prepared, device)
    except _Caught:
        pass
    finally:
        hook.remove()
    if packing.LENGTHS in found[0].named:
        return Inputs((), packing.padded(prepared, max(map(len, prepared))))
    return found[0]
