"""One source of a batch, before the trunk: vectors, or numbers in their places."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from fusions import Tokens


class Batch(NamedTuple):
    """The vectors of a batch. Padding is never stored, moved or projected.

    Attributes:
        values: (N, D) feature vectors of the N present tokens, in the order of the mask's True entries.
        mask: (B, M, L), True where present.
        slots: (N,) the attribute number of every present vector.
    """

    values: Tensor
    mask: Tensor
    slots: Tensor

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return type(self)(*(t.to(device) for t in self))

    @property
    def entries(self) -> tuple[Tensor, Tensor]:
        """What is standardised: (rows, columns), and which of it is present, (rows, columns) or (rows, 1)."""
        return self.values, torch.ones(len(self.values), 1)

    def place(self, tokens: Tensor) -> Tokens:
        """What has become of the values, (..., d), where it belongs: (B, M, L, d), zero where absent."""
        placed = tokens.new_zeros(*self.mask.shape, tokens.shape[-1])
        placed[self.mask] = tokens
        return Tokens(placed, self.mask)

    def pooled(self) -> Tensor:
        """The mean of each sample over all its tokens, (B, D), NaN without any."""
        count = self.mask.flatten(1).sum(1, keepdim=True)
        sample = torch.repeat_interleave(torch.arange(len(count)), count.squeeze(1))
        total = torch.zeros(len(count), self.values.shape[1], dtype=torch.double)
        return _mean(total.index_add_(0, sample, self.values.double()), count)


class NumberBatch(Batch):
    """The numbers of a batch: values (B, M, L), zero where absent; a number's slot is its place."""

    @property
    def entries(self) -> tuple[Tensor, Tensor]:
        """As of vectors, a column per attribute."""
        return self.values.flatten(0, 1), self.mask.flatten(0, 1)

    def place(self, tokens: Tensor) -> Tokens:
        """As of vectors; they are in their places, (B, M, L, d)."""
        return Tokens(tokens.masked_fill(~self.mask.unsqueeze(-1), 0), self.mask)

    def pooled(self) -> Tensor:
        """The mean of each sample over its items per attribute, (B, L), NaN where none has it."""
        return _mean(self.values.double().sum(1), self.mask.sum(1))


def _mean(total: Tensor, count: Tensor) -> Tensor:
    return torch.where(count > 0, total / count.clamp(min=1), torch.nan)
