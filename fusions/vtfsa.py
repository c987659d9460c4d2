"""VTFSA: self-attention over every pair of cells of two feature maps.

Cui, Wang, Wei, Hu, Wang. Self-Attention Based Visual-Tactile Fusion Learning for Predicting Grasp Outcomes.
IEEE RA-L 2020. doi:10.1109/LRA.2020.3010720

    x_ij = [a_i; b_j]                               (B, La Lb, C), C = 2 d: all tokens of A with all of B
    A = softmax(q k^T),  q, k: C -> C/8, v: C -> C  one head, no 1/sqrt(d)
    o = gamma A v + x                               gamma is learned and starts at 0
    y = W mean(o) + b                               (B, d)

Differs from the paper: with one group, or more than two, the tokens of all groups are concatenated along the
sequence (C = d) instead of paired; padding is masked out of the attention and the mean. A group that is
wholly absent from a pair is one learned token.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fusions.base import Fused, Group, GroupFusion, Inputs, masked_mean
from fusions.blocks import AbsentTokens, attend
from fusions.registry import register

MAX_PAIRS = 4096
"""The largest grid that is accepted (the paper's has 2401 cells); attention is quadratic in it."""


def pair_grid(first: Group, second: Group) -> Group:
    """Every token of the first with every token of the second: (B, La, d), (B, Lb, d) -> (B, La Lb, 2d)."""
    rows, columns = first.values.shape[1], second.values.shape[1]
    values = torch.cat(
        [
            first.values.unsqueeze(2).expand(-1, -1, columns, -1),
            second.values.unsqueeze(1).expand(-1, rows, -1, -1),
        ],
        dim=-1,
    )
    mask = first.mask.unsqueeze(2) & second.mask.unsqueeze(1)
    return Group(values.flatten(1, 2), mask.flatten(1, 2))


class GatedSelfAttention(nn.Module):
    """Self-attention with a gate that starts closed: gamma softmax(q k^T) v + x.

    Args:
        width: C; queries and keys are C / 8 wide.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(1, width // 8)
        self.query = nn.Linear(width, narrow)
        self.key = nn.Linear(width, narrow)
        self.value = nn.Linear(width, width)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, mask: Tensor, want_map: bool = False) -> tuple[Tensor, Tensor | None]:
        """Attend within x (B, L, C), mask (B, L) -> (B, L, C), and the map (B, 1, L, L) where wanted."""
        attended, weights = attend(
            self.query(x), self.key(x), self.value(x), mask, scale=1.0, want_map=want_map
        )
        return self.gamma * attended + x, weights


@register("vtfsa", paper="Cui et al., IEEE RA-L 2020", doi="10.1109/LRA.2020.3010720")
class VTFSA(GroupFusion):
    """Self-attention over all pairs of tokens of two groups, or over the tokens of all groups.

    Attention: "self" (B, 1, N, N).

    Args:
        inputs: what the fusion is built for.
        grid: whether two groups are paired, as published; otherwise they are concatenated.

    Raises:
        ValueError: in forward, if the grid has more than `MAX_PAIRS` cells.
    """

    def __init__(self, inputs: Inputs, *, grid: bool = True) -> None:
        super().__init__(inputs)
        self.grid = grid and len(self.groups) == 2
        width = 2 * inputs.dim if self.grid else inputs.dim
        self.absent = AbsentTokens(2, inputs.dim) if self.grid else None
        self.attention = GatedSelfAttention(width)
        self.output = nn.Linear(width, inputs.dim)

    def fuse(self, groups: Mapping[str, Group]) -> Fused:
        """Pair or concatenate, attend, pool."""
        tokens = self._join([groups[name] for name in self.groups])
        x, weights = self.attention(tokens.values, tokens.mask, self.want_attention)
        attention = {} if weights is None else {"self": weights}
        return Fused(self.output(masked_mean(x, tokens.mask)), attention)

    def _join(self, groups: list[Group]) -> Group:
        if self.absent is None:
            return Group(torch.cat([g.values for g in groups], 1), torch.cat([g.mask for g in groups], 1))
        rows, columns = (g.mask.shape[1] for g in groups)
        if rows * columns > MAX_PAIRS:
            raise ValueError(
                f"vtfsa: {rows} x {columns} tokens make {rows * columns:,} pairs, more than {MAX_PAIRS:,}; "
                "set `grid` to false to concatenate the two groups instead"
            )
        first, second = (Group(*self.absent(*group, i)) for i, group in enumerate(groups))
        return pair_grid(first, second)
