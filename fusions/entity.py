"""Simple fusers of entity vectors, to take the place of MEMF's Multi-Entity Transformer (Table 7, 4.4.2).

The entity vectors v_1 .. v_E (B, E, d) come from the very encoders of `fusions.memf`.

    mean   y = mean of the present v_e
    fc     y = W [v_1; ..; v_E] + b
    lstm   y = last hidden state of an LSTM over v_1 .. v_E
    cnn    y = W [max_e c_1; c_3; c_5] + b,  c_k = conv_k(ReLU(conv_k(v))) along the entities, kernel k

The paper names the four and gives no sizes; these are the plainest. An absent entity has no vector: the mean
leaves it out, the other three put one learned vector per entity in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusions.base import Fused, Inputs
from fusions.memf import EntityFusion
from fusions.registry import register

TABLE_7 = "Table 7 of MEMF, Decision Support Systems DECSUP-D-23-01630"
KERNELS = (1, 3, 5)


@register("mean", paper=TABLE_7)
class Mean(EntityFusion):
    """Mean over the present entity vectors.

    Args:
        inputs: what the fusion is built for.
        heads: attention heads of the entity encoders.
        layers: layers of the entity encoders.
        dropout: dropout of the entity encoders.
    """

    def __init__(self, inputs: Inputs, *, heads: int = 8, layers: int = 6, dropout: float = 0.1) -> None:
        super().__init__(inputs, heads, layers, dropout)

    def fuse_vectors(self, vectors: Tensor, present: Tensor) -> Fused:
        """(B, E, d) -> (B, d)."""
        # absent vectors are zero already
        return Fused(vectors.sum(1) / present.sum(1, keepdim=True).clamp(min=1).to(vectors.dtype))


class FilledEntityFusion(EntityFusion):
    """Base of the fusers that need a vector for every entity; subclasses define `fuse_filled`."""

    def __init__(self, inputs: Inputs, heads: int, layers: int, dropout: float) -> None:
        super().__init__(inputs, heads, layers, dropout)
        self.absent = nn.Parameter(torch.zeros(len(self.groups), inputs.dim))

    def fuse_vectors(self, vectors: Tensor, present: Tensor) -> Fused:
        """Put the learned vectors where an entity is absent, and fuse."""
        return Fused(self.fuse_filled(torch.where(present.unsqueeze(-1), vectors, self.absent)))

    def fuse_filled(self, vectors: Tensor) -> Tensor:
        """(B, E, d) -> (B, d)."""
        raise TypeError(f"{type(self).__name__} must define fuse_filled()")


@register("fc", paper=TABLE_7)
class FC(FilledEntityFusion):
    """One fully connected layer on the concatenated entity vectors; arguments as `Mean`."""

    def __init__(self, inputs: Inputs, *, heads: int = 8, layers: int = 6, dropout: float = 0.1) -> None:
        super().__init__(inputs, heads, layers, dropout)
        self.output = nn.Linear(len(self.groups) * inputs.dim, inputs.dim)

    def fuse_filled(self, vectors: Tensor) -> Tensor:
        """(B, E, d) -> (B, d)."""
        out: Tensor = self.output(vectors.flatten(1))
        return out


@register("lstm", paper=TABLE_7)
class LSTM(FilledEntityFusion):
    """An LSTM over the entity vectors in the order of the inputs; arguments as `Mean`."""

    def __init__(self, inputs: Inputs, *, heads: int = 8, layers: int = 6, dropout: float = 0.1) -> None:
        super().__init__(inputs, heads, layers, dropout)
        self.lstm = nn.LSTM(inputs.dim, inputs.dim, batch_first=True)

    def fuse_filled(self, vectors: Tensor) -> Tensor:
        """(B, E, d) -> (B, d)."""
        hidden: Tensor = self.lstm(vectors)[1][0]
        return hidden[-1]


@register("cnn", paper=TABLE_7)
class CNN(FilledEntityFusion):
    """Two stacked convolutions along the entities for each of three kernel sizes; arguments as `Mean`."""

    def __init__(self, inputs: Inputs, *, heads: int = 8, layers: int = 6, dropout: float = 0.1) -> None:
        super().__init__(inputs, heads, layers, dropout)
        dim = inputs.dim
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(dim, dim, kernel, padding="same"),
                nn.ReLU(),
                nn.Conv1d(dim, dim, kernel, padding="same"),
            )
            for kernel in KERNELS
        )
        self.output = nn.Linear(len(KERNELS) * dim, dim)

    def fuse_filled(self, vectors: Tensor) -> Tensor:
        """(B, E, d) -> (B, d)."""
        channels = vectors.transpose(1, 2)
        out: Tensor = self.output(torch.cat([branch(channels).amax(-1) for branch in self.branches], dim=-1))
        return out
