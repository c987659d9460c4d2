"""MFB: multi-modal factorized bilinear pooling.

Yu, Yu, Fan, Tao. Multi-modal Factorized Bilinear Pooling with Co-Attention Learning for Visual Question
Answering. ICCV 2017. doi:10.1109/ICCV.2017.202

    e = Dropout(U^T x * V^T y)            (B, out k)   expand
    s = sum-pool of e over windows of k   (B, out)     squeeze
    z = norm(sign(s) sqrt|s|)             (B, out)     normalise, to unit length

Differs from the paper: with G groups the product becomes the sum over pairs g < h of p_g * p_h, where
p_g = U_g^T x_g; for G = 2 this is the paper exactly, and a single group is taken as it is (e = p_1). The
co-attention in front, which is about question words and image regions, is left out. `out` is d, not 1000.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusions.base import Fused, Inputs, VectorFusion
from fusions.registry import register


def sum_of_pairs(projected: Sequence[Tensor]) -> Tensor:
    """The sum over pairs g < h of p_g * p_h, of tensors of one shape; of a single one: itself.

    A running sum makes it linear in G, without the cancellation of ((sum p)^2 - sum p^2) / 2, which the
    square root that follows would blow up.
    """
    if len(projected) == 1:
        return projected[0]
    pairs, total = projected[0] * projected[1], projected[0] + projected[1]
    for current in projected[2:]:
        pairs = pairs + current * total
        total = total + current
    return pairs


def signed_sqrt(x: Tensor) -> Tensor:
    """sign(x) sqrt|x|, in a form whose gradient at 0 is 0 and not NaN."""
    return F.relu(x).sqrt() - F.relu(-x).sqrt()


def squeeze(expanded: Tensor, factor: int) -> Tensor:
    """Sum-pool over windows of `factor`, signed square root, unit length: (B, out factor) -> (B, out)."""
    pooled = expanded.reshape(*expanded.shape[:-1], -1, factor).sum(-1)
    return F.normalize(signed_sqrt(pooled), dim=-1)


class Expand(nn.Module):
    """The expand stage: project every vector to out * factor channels, multiply over pairs, drop out.

    Args:
        widths: the width of each input vector.
        factor: k, the rank of each output's bilinear form.
        out: width after `squeeze`.
        dropout: dropout of the product.
    """

    def __init__(self, widths: Sequence[int], factor: int, out: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, out * factor) for width in widths)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """One (B, width) per group -> e (B, out factor), the window of one output contiguous."""
        projected = [project(x) for project, x in zip(self.projections, vectors, strict=True)]
        out: Tensor = self.dropout(sum_of_pairs(projected))
        return out


class FactorizedPooling(nn.Module):
    """A cascade of `order` expand stages, each squeezed: MFB is order 1, MFH more.

    Args:
        widths: the width of each input vector.
        factor: k, the rank of each output's bilinear form.
        out: width of each stage's output.
        order: number of stages.
        dropout: dropout of the products.
    """

    def __init__(
        self, widths: Sequence[int], factor: int, out: int, order: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.factor = factor
        self.stages = nn.ModuleList(Expand(widths, factor, out, dropout) for _ in range(order))

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """One (B, width) per group -> z (B, order out), each stage's part of unit length."""
        expanded = self.stages[0](vectors)
        squeezed = [squeeze(expanded, self.factor)]
        for stage in self.stages[1:]:
            expanded = expanded * stage(vectors)
            squeezed.append(squeeze(expanded, self.factor))
        return torch.cat(squeezed, dim=-1)


@register("mfb", paper="Yu et al., ICCV 2017", doi="10.1109/ICCV.2017.202", search={"factor": (2, 3, 5, 8)})
class MFB(VectorFusion):
    """Multi-modal factorized bilinear pooling of the group vectors.

    Args:
        inputs: what the fusion is built for.
        factor: k; the paper uses 5.
        out: width of the pooled vector, None for d; the paper uses 1000. Another width than d is followed
            by one linear layer.
        dropout: dropout of the product; the paper uses 0.1.
    """

    def __init__(
        self, inputs: Inputs, *, factor: int = 5, out: int | None = None, dropout: float = 0.1
    ) -> None:
        super().__init__(inputs)
        out = out or inputs.dim
        self.pooling = FactorizedPooling([inputs.dim] * len(self.groups), factor, out, 1, dropout)
        self.output = nn.Linear(out, inputs.dim) if out != inputs.dim else nn.Identity()

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """(B, G, d) -> (B, d)."""
        return Fused(self.output(self.pooling(vectors.unbind(1))))
