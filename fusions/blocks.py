"""Building blocks shared by several methods: masked attention and the transformer.

    attention(q, k, v) = softmax(q k^T / sqrt(d_head) + log(mask)) v
    post-LN layer:  x <- LN(x + attention(x));     x <- LN(x + W2 act(W1 x))
    pre-LN layer:   x <- x + attention(LN(x));     x <- x + W2 act(W1 LN(x))

Masks are boolean, True where a key may be attended to. A query with no key to attend to gets zeros.
torch's own `nn.MultiheadAttention` is not used: with such a query it returns NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    heads: int = 1,
    scale: float | None = None,
    dropout: float = 0.0,
    want_map: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Multi-head attention without projections.

    Args:
        query: (B, Q, w).
        key: (B, K, w).
        value: (B, K, v).
        mask: (B, K), or (B, Q, K) where it depends on the query; True = attend. None: all are present.
        heads: number of heads; must divide w and v.
        scale: factor of the scores; None is 1 / sqrt(w / heads).
        dropout: chance that a weight is dropped.
        want_map: whether to compute the map too. The output is the same either way.

    Returns:
        (B, Q, v), zero where a query has no present key; and the map (B, heads, Q, K), or None.
    """
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    allowed = dead = None
    if mask is not None:
        mask = mask[:, None, None, :] if mask.dim() == 2 else mask.unsqueeze(1)
        dead = ~mask.any(-1, keepdim=True)
        # a row without keys is opened and then zeroed, as not every attention kernel survives it
        allowed = mask | dead
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=dropout, scale=scale)
    if dead is not None:
        out = out.masked_fill(dead, 0)
    weights = _attention_map(q, k, allowed, dead, scale) if want_map else None
    return out.transpose(1, 2).flatten(2), weights


def _attention_map(
    q: Tensor, k: Tensor, allowed: Tensor | None, dead: Tensor | None, scale: float | None
) -> Tensor:
    """The attention weights (B, heads, Q, K) of q and k (B, heads, L, w), detached."""
    with torch.no_grad():
        scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
        if allowed is None or dead is None:
            return scores.softmax(-1)
        return scores.masked_fill(~allowed, -torch.inf).softmax(-1).masked_fill(dead, 0)


class Attention(nn.Module):
    """Multi-head attention with projections; self-attention, or attention to a `source`.

    Args:
        dim: width; must be divisible by heads, else ValueError.
        heads: number of heads.
        dropout: dropout of the attention weights.
        project_out: whether the heads are mixed by an output projection.
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0, *, project_out: bool = True) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(
                f"the width {dim} is not divisible by {heads} heads; change `heads` or the width"
            )
        self.heads, self.dropout = heads, dropout
        self.in_proj = nn.Linear(dim, 3 * dim)  # q, k, v in this order
        self.out_proj = nn.Linear(dim, dim) if project_out else nn.Identity()
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)

    def forward(
        self, query: Tensor, mask: Tensor | None = None, source: Tensor | None = None, want_map: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from (B, Q, d) to source (B, K, d), or to itself; mask as in `attend`."""
        if source is None:
            q, k, v = self.in_proj(query).chunk(3, dim=-1)
        else:
            dim = query.shape[-1]
            weight, bias = self.in_proj.weight, self.in_proj.bias
            q = F.linear(query, weight[:dim], bias[:dim])
            k, v = F.linear(source, weight[dim:], bias[dim:]).chunk(2, dim=-1)
        dropout = self.dropout if self.training else 0.0
        out, weights = attend(q, k, v, mask, heads=self.heads, dropout=dropout, want_map=want_map)
        return self.out_proj(out), weights


class FeedForward(nn.Module):
    """W2 act(W1 x), on the last axis."""

    def __init__(
        self, dim: int, hidden: int, dropout: float = 0.0, activation: Callable[[Tensor], Tensor] = F.relu
    ) -> None:
        super().__init__()
        self.activation = activation
        self.expand = nn.Linear(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.contract = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        out: Tensor = self.contract(self.dropout(self.activation(self.expand(x))))
        return out


class TransformerLayer(nn.Module):
    """One transformer layer, post-LN (Vaswani et al., 2017) or pre-LN.

    Args:
        dim: width.
        heads: number of heads.
        hidden: width of the feed-forward part; None is 4 dim.
        dropout: dropout of weights, hidden units and both residual branches.
        activation: of the feed-forward part.
        pre_norm: pre-LN; a `source` is then normalised by the same LayerNorm as the queries.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Tensor], Tensor] = F.relu,
        pre_norm: bool = False,
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.attention = Attention(dim, heads, dropout)
        self.feedforward = FeedForward(dim, hidden or 4 * dim, dropout, activation)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, source: Tensor | None = None, want_map: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """(B, Q, d) -> (B, Q, d), and the map where wanted; mask is over the keys, as in `attend`."""
        if self.pre_norm:
            normed_source = None if source is None else self.norm1(source)
            attended, weights = self.attention(self.norm1(x), mask, normed_source, want_map)
            x = x + self.dropout(attended)
            return x + self.dropout(self.feedforward(self.norm2(x))), weights
        attended, weights = self.attention(x, mask, source, want_map)
        x = self.norm1(x + self.dropout(attended))
        return self.norm2(x + self.dropout(self.feedforward(x))), weights


class TransformerEncoder(nn.Module):
    """A stack of post-LN transformer layers with ReLU, equal to `torch.nn.TransformerEncoder`."""

    def __init__(
        self, dim: int, heads: int, layers: int, hidden: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(dim, heads, hidden, dropout) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor, want_maps: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Encode x (B, L, d), mask (B, L) -> (B, L, d); where wanted, a map (B, heads, L, L) per layer."""
        maps = []
        for layer in self.layers:
            x, weights = layer(x, mask, want_map=want_maps)
            if weights is not None:
                maps.append(weights)
        return x, maps


class AbsentTokens(nn.Module):
    """One learned token per group, put in the first place of a group that is wholly absent.

    For methods that need something to ask with, or to pair with, in every group.
    """

    def __init__(self, groups: int, dim: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(groups, dim))

    def forward(self, values: Tensor, mask: Tensor, group: int) -> tuple[Tensor, Tensor]:
        """Values (B, L, d), mask (B, L) -> the same, with at least one present token per sample."""
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        filled = first & ~mask.any(dim=1, keepdim=True)
        return torch.where(filled.unsqueeze(-1), self.tokens[group], values), mask | filled
