"""MulT: multimodal transformer.

Tsai, Bai, Liang, Kolter, Morency, Salakhutdinov. Multimodal Transformer for Unaligned Multimodal Language
Sequences. ACL 2019. doi:10.18653/v1/P19-1656

    x_g = W_g tokens                                (B, L, d)    no bias
    embed(x) = sqrt(d) x + sinusoid(position)       positions count from 1
    layer:  x <- x + attention(LN(x), LN(s)); x <- x + FFN(LN(x))     s: the embedded source, at every layer
    y_g = memory([encoder(x_g <- x_h) for h != g])  (B, L, (G-1) d)   self-attention, max(layers, 3) layers
    r = [last of y_1; ..; last of y_G]              (B, G (G-1) d)
    out = W (r + W_2 Dropout(ReLU(W_1 r))) + b      (B, d)

With a future mask query i sees key j where j <= i + |Tk - Tq|.

Differs from the paper: any number of groups; a single group goes to its memory encoder directly. The
published settings (positions, future mask, last time step) are for sequences in time; a group that is a set
has no positions, no future mask, and its mean is read. Padding is known from the mask, not from a first
channel that is exactly zero; positions and lengths count present tokens only. An absent group asks with one
learned token, and is never attended to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusions.base import Fused, Group, GroupFusion, Inputs, masked_mean
from fusions.blocks import AbsentTokens, TransformerLayer
from fusions.registry import register


def sinusoid(mask: Tensor, width: int) -> Tensor:
    """Positions of the present tokens from 1, as [sin | cos] in float32: (B, L) -> (B, L, width)."""
    half = width // 2
    rates = torch.exp(torch.arange(half, device=mask.device) * -(log(10000) / max(half - 1, 1)))
    angles = mask.cumsum(1).unsqueeze(-1) * rates
    table = torch.cat([angles.sin(), angles.cos()], dim=-1)
    return F.pad(table, (0, width - 2 * half)) * mask.unsqueeze(-1)


def future_mask(query_mask: Tensor, key_mask: Tensor) -> Tensor:
    """(B, Q), (B, K) -> (B, Q, K): True where the key is present and not in the query's future."""
    offset = (key_mask.sum(1) - query_mask.sum(1)).abs()[:, None, None]
    allowed = key_mask.cumsum(1).unsqueeze(1) <= query_mask.cumsum(1).unsqueeze(2) + offset
    return allowed & key_mask.unsqueeze(1)


def near_mask(query_mask: Tensor, key_mask: Tensor, window: int) -> Tensor:
    """(B, Q), (B, K) -> (1, Q, K): True where a key is at most `window` steps from the query."""
    queries, keys = (torch.arange(mask.shape[1], device=mask.device) for mask in (query_mask, key_mask))
    return ((queries[:, None] - keys).abs() <= window)[None]


class CrossmodalEncoder(nn.Module):
    """Pre-LN encoder of a sequence that attends to another one, or to itself.

    Args:
        dim: width.
        heads: attention heads.
        layers: number of layers.
        dropout: dropout of embeddings, weights, hidden units and branches.
        ordered: whether the queries have positions.
        source_ordered: whether the source has positions.
        causal: whether the future is masked.
        window: how many steps away a query sees keys, at most; None for any. Of sequences on one clock.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        layers: int,
        dropout: float = 0.0,
        *,
        ordered: bool,
        source_ordered: bool,
        causal: bool,
        window: int | None = None,
    ) -> None:
        super().__init__()
        self.ordered, self.source_ordered, self.causal = ordered, source_ordered, causal
        self.window = window
        self.layers = nn.ModuleList(
            TransformerLayer(dim, heads, dropout=dropout, pre_norm=True) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def embed(self, x: Tensor, mask: Tensor, ordered: bool) -> Tensor:
        """Scale (B, L, d) and add positions."""
        x = x * x.shape[-1] ** 0.5
        if ordered:
            x = x + sinusoid(mask, x.shape[-1]).to(x.dtype)
        out: Tensor = self.dropout(x)
        return out

    def forward(
        self, query: Group, source: Group | None = None, want_maps: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Encode the query (B, Q, d), reading the source (B, K, d) or itself; maps (B, heads, Q, K)."""
        x = self.embed(query.values, query.mask, self.ordered)
        embedded = None if source is None else self.embed(source.values, source.mask, self.source_ordered)
        key_mask = query.mask if source is None else source.mask
        mask = future_mask(query.mask, key_mask) if self.causal else key_mask
        if self.window is not None:
            mask = near_mask(query.mask, key_mask, self.window) & (mask if self.causal else mask[:, None])
        maps = []
        for layer in self.layers:
            x, weights = layer(x, mask, embedded, want_maps)
            if weights is not None:
                maps.append(weights)
        return self.norm(x), maps


class MultimodalSequences(nn.Module):
    """The whole published model, from tokens of G widths to an output.

    Args:
        widths: width of each group's tokens.
        ordered: whether each group is a sequence in time.
        dim: d of the encoders.
        out: width of the output.
        heads: attention heads.
        layers: layers of each directed encoder.
        memory_layers: layers of each memory encoder; None is max(layers, 3).
        dropout: dropout everywhere.
        causal: whether the future is masked between ordered groups.
    """

    def __init__(
        self,
        widths: Sequence[int],
        ordered: Sequence[bool],
        dim: int,
        out: int,
        *,
        heads: int,
        layers: int,
        memory_layers: int | None = None,
        dropout: float = 0.0,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.ordered = tuple(ordered)
        groups = range(len(widths))
        self.pairs = [(target, source) for target in groups for source in groups if source != target]
        self.project = nn.ModuleList(nn.Linear(width, dim, bias=False) for width in widths)
        self.absent = AbsentTokens(len(widths), dim)
        self.crossmodal = nn.ModuleList(
            CrossmodalEncoder(
                dim,
                heads,
                layers,
                dropout,
                ordered=ordered[target],
                source_ordered=ordered[source],
                causal=causal and ordered[target] and ordered[source],
            )
            for target, source in self.pairs
        )
        width = max(len(widths) - 1, 1) * dim
        self.memory = nn.ModuleList(
            CrossmodalEncoder(
                width,
                heads,
                max(layers, 3) if memory_layers is None else memory_layers,
                dropout,
                ordered=is_ordered,
                source_ordered=is_ordered,
                causal=causal and is_ordered,
            )
            for is_ordered in ordered
        )
        hidden = len(widths) * width
        self.residual = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, hidden)
        )
        self.output = nn.Linear(hidden, out)

    def read(
        self, groups: Sequence[Group], want_maps: bool = False
    ) -> tuple[Tensor, dict[tuple[int, int, int], Tensor]]:
        """Groups (B, L_g, w_g) -> r (B, G max(G-1, 1) d); maps by (target, source, layer) where wanted."""
        sources = [Group(w(g.values), g.mask) for w, g in zip(self.project, groups, strict=True)]
        queries = [Group(*self.absent(*source, i)) for i, source in enumerate(sources)]
        readings: list[list[Tensor]] = [[] for _ in groups]
        maps = {}
        for (target, source), encoder in zip(self.pairs, self.crossmodal, strict=True):
            x, layer_maps = encoder(queries[target], sources[source], want_maps)
            readings[target].append(x)
            maps.update({(target, source, i): weights for i, weights in enumerate(layer_maps)})
        vectors = []
        for query, reading, memory, ordered in zip(queries, readings, self.memory, self.ordered, strict=True):
            joined = torch.cat(reading, dim=-1) if reading else query.values
            remembered, _ = memory(Group(joined, query.mask))
            vectors.append(_last(remembered, query.mask) if ordered else masked_mean(remembered, query.mask))
        return torch.cat(vectors, dim=-1), maps

    def predict(self, read: Tensor) -> Tensor:
        """Output (B, out) from r."""
        out: Tensor = self.output(read + self.residual(read))
        return out


def _last(values: Tensor, mask: Tensor) -> Tensor:
    """The last present token of each sample: (B, L, d), (B, L) with one present at least -> (B, d)."""
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
    return values[torch.arange(len(values), device=mask.device), last]


@register(
    "mult",
    paper="Tsai et al., ACL 2019",
    doi="10.18653/v1/P19-1656",
    search={"width": (8, 16, 32), "memory_layers": (1, 2, 3)},
)
class MulT(GroupFusion):
    """Multimodal transformer over all directed pairs of groups.

    Attention: "target<-source.layer0" (B, heads, L target, L source).

    Args:
        inputs: what the fusion is built for.
        heads: attention heads; the paper uses 5.
        layers: layers of each directed encoder; the paper uses 5.
        dropout: dropout everywhere.
        width: d of the encoders, as 30 in the paper; None is the width of the tokens.
        memory_layers: layers of each memory encoder; None is max(layers, 3), as published.
        causal: whether the future is masked between ordered groups, as published.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        heads: int = 8,
        layers: int = 5,
        dropout: float = 0.1,
        width: int | None = None,
        memory_layers: int | None = None,
        causal: bool = True,
    ) -> None:
        super().__init__(inputs)
        self.model = MultimodalSequences(
            [inputs.dim] * len(self.groups),
            [self.is_ordered(name) for name in self.groups],
            width or inputs.dim,
            inputs.dim,
            heads=heads,
            layers=layers,
            memory_layers=memory_layers,
            dropout=dropout,
            causal=causal,
        )

    def fuse(self, groups: Mapping[str, Group]) -> Fused:
        """Run the model on the groups in the order of `self.groups`."""
        read, maps = self.model.read([groups[name] for name in self.groups], self.want_attention)
        attention = {
            f"{self.groups[target]}<-{self.groups[source]}.layer{layer}": weights
            for (target, source, layer), weights in maps.items()
        }
        return Fused(self.model.predict(read), attention)
