"""LMF: low-rank multimodal fusion.

Liu, Shen, Lakshminarasimhan, Liang, Zadeh, Morency. Efficient Low-rank Multimodal Fusion with
Modality-Specific Factors. ACL 2018. doi:10.18653/v1/P18-1209

    y = sum_r w_r prod_g ([1; h_g] F_g[r]) + b        F_g (rank, d_g + 1, out), y (B, out)

That is a tensor fusion network whose weight tensor is a sum of `rank` outer products.

Differs from the paper: any number of groups, and an explicit initialisation. Xavier on the factors, as in
the authors' code, makes the product of G small numbers vanish (std 1e-4 at five groups). Here the constant
row of a factor starts at 1 and the others at N(0, 1 / (G d_g)), so that every factor is 1 + something of
variance 1/G and the product keeps its scale whatever G is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fusions.base import Fused, Inputs, VectorFusion
from fusions.registry import register


class LowRankFusion(nn.Module):
    """The low-rank product.

    Args:
        widths: the width of each input vector.
        rank: number of rank-one terms.
        out: width of the output.
    """

    def __init__(self, widths: Sequence[int], rank: int, out: int) -> None:
        super().__init__()
        self.factors = nn.ParameterList(torch.empty(rank, width + 1, out) for width in widths)
        self.rank_weights = nn.Parameter(torch.empty(rank))
        self.bias = nn.Parameter(torch.zeros(out))
        for factor, width in zip(self.factors, widths, strict=True):
            nn.init.normal_(factor, std=(len(widths) * width) ** -0.5)
            nn.init.ones_(factor[:, 0])
        nn.init.normal_(self.rank_weights, std=rank**-0.5)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """One (B, width) per group -> (B, out)."""
        terms = []
        for h, factor in zip(vectors, self.factors, strict=True):
            extended = torch.cat([h.new_ones(h.shape[0], 1), h], dim=1)
            terms.append(torch.einsum("bi,rio->bro", extended, factor))
        product = torch.stack(terms).prod(0)
        return torch.einsum("bro,r->bo", product, self.rank_weights) + self.bias


@register("lmf", paper="Liu et al., ACL 2018", doi="10.18653/v1/P18-1209", search={"rank": (2, 4, 8, 16)})
class LMF(VectorFusion):
    """Low-rank fusion of the group vectors.

    Args:
        inputs: what the fusion is built for.
        rank: number of rank-one terms; the paper uses 4 to 16.
    """

    def __init__(self, inputs: Inputs, *, rank: int = 4) -> None:
        super().__init__(inputs)
        self.fusion = LowRankFusion([inputs.dim] * len(self.groups), rank, inputs.dim)

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """(B, G, d) -> (B, d)."""
        return Fused(self.fusion(vectors.unbind(1)))
