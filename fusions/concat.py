"""Concatenation: the reference that every fusion method should beat.

y = W_2 Dropout(ReLU(W_1 [x_1; ..; x_G]))      (B, G d) -> (B, d)
"""

from __future__ import annotations

from torch import Tensor, nn

from fusions.base import Fused, Inputs, VectorFusion
from fusions.registry import register


@register("concat", paper="reference: concatenation and an MLP")
class Concat(VectorFusion):
    """An MLP on the concatenated group vectors.

    Args:
        inputs: what the fusion is built for.
        dropout: dropout of the hidden layer.
    """

    def __init__(self, inputs: Inputs, *, dropout: float = 0.1) -> None:
        super().__init__(inputs)
        dim = inputs.dim
        self.mlp = nn.Sequential(
            nn.Linear(len(self.groups) * dim, dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dim, dim)
        )

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """(B, G, d) -> (B, d)."""
        return Fused(self.mlp(vectors.flatten(1)))
