"""TFN: tensor fusion network.

Zadeh, Chen, Poria, Cambria, Morency. Tensor Fusion Network for Multimodal Sentiment Analysis. EMNLP 2017.
doi:10.18653/v1/D17-1115

    h_g = ReLU(W_g x_g)                        (B, b)            one small subnet per group
    z = [1; h_1] x [1; h_2] x .. x [1; h_G]    (B, (b + 1)^G)    flattened, last group fastest
    y = Linear(ReLU(Linear(ReLU(Linear(Dropout(z))))))            (B, d)

Differs from the paper: any number of groups; one-layer subnets, as the trunk has done their work; the output
is d wide and not squashed to [-3, 3], which suits sentiment scores only.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from fusions.base import Fused, Inputs, VectorFusion
from fusions.registry import register

MAX_PRODUCTS = 2_000_000
"""The largest fused tensor that is accepted; the layer after it has `hidden` times as many weights."""


def outer_product(vectors: Sequence[Tensor]) -> Tensor:
    """Every product of one entry of each [1; h_g]: (B, w_g) per group -> (B, prod(w_g + 1))."""
    fused = vectors[0].new_ones(vectors[0].shape[0], 1)
    for h in vectors:
        extended = torch.cat([h.new_ones(h.shape[0], 1), h], dim=1)
        fused = (fused.unsqueeze(2) * extended.unsqueeze(1)).flatten(1)
    return fused


class TensorFusion(nn.Module):
    """Outer product and post-fusion layers.

    Args:
        widths: the width of each input vector.
        hidden: width of the two hidden layers.
        out: width of the output.
        dropout: dropout of the fused tensor.
    """

    def __init__(self, widths: Sequence[int], hidden: int, out: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.post = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(prod(width + 1 for width in widths), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, out),
        )

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """One (B, width) per group -> (B, out)."""
        out: Tensor = self.post(outer_product(vectors))
        return out


@register(
    "tfn",
    paper="Zadeh et al., EMNLP 2017",
    doi="10.18653/v1/D17-1115",
    search={"width": (2, 4, 6, 8), "hidden": (16, 32, 64)},
)
class TFN(VectorFusion):
    """Tensor fusion of the group vectors.

    Args:
        inputs: what the fusion is built for.
        width: b, the width of each group's vector in the outer product.
        hidden: width of the post-fusion layers; the paper uses 128.
        dropout: dropout of the fused tensor.

    Raises:
        ValueError: if (width + 1)^G exceeds `MAX_PRODUCTS`.
    """

    def __init__(self, inputs: Inputs, *, width: int = 8, hidden: int = 32, dropout: float = 0.1) -> None:
        super().__init__(inputs)
        groups = len(self.groups)
        if (width + 1) ** groups > MAX_PRODUCTS:
            largest = next(w for w in range(width, -1, -1) if (w + 1) ** groups <= MAX_PRODUCTS)
            raise ValueError(
                f"tfn: {groups} groups of width {width} make {(width + 1) ** groups:,} products, more than "
                f"{MAX_PRODUCTS:,}; set `width` to {largest} or less"
            )
        self.subnets = nn.ModuleList(nn.Linear(inputs.dim, width) for _ in self.groups)
        self.fusion = TensorFusion([width] * groups, hidden, inputs.dim, dropout)

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """(B, G, d) -> (B, d)."""
        hidden = [subnet(x).relu() for subnet, x in zip(self.subnets, vectors.unbind(1), strict=True)]
        return Fused(self.fusion(hidden))
