"""MEMF: multi-entity multimodal fusion, the paper this suite is built around.

MEMF: Multi-Entity Multimodal Fusion Framework for Sales Prediction in Live Streaming Commerce. Manuscript
DECSUP-D-23-01630, Decision Support Systems; section 3.3.

    MultimodalTransformer    F = [F_t, F_n, F_i]; six post-LN layers, eight heads, ReLU    eq. (4)-(8)
                             entity vector = mean over tokens
    QuadTransformer          X_m = LN(F_m + attention(F_m)) inside each item m             eq. (10)-(12)
                             x_m = mean over the tokens of X_m                             eq. (13)
                             encoder layers across the items                               eq. (14)-(18)
                             entity vector = mean over items
    MultiEntityTransformer   encoder layers across the entity vectors; its maps are Fig. 6

Differs from the paper, which writes softmax(scores x mask) in eq. (9) and (15): that leaves weight on
padding (a score of 0 is not a weight of 0), so absent tokens are given a score of minus infinity instead,
everywhere. Means are over what is present. The paper leaves open the width of the feed-forward part (here
4 d), the output projection of eq. (12) (here as in any multi-head attention) and how the last encoder is read
(here by the mean over the present entities).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from fusions.base import Fused, Fusion, Inputs, Source, Tokens, masked_mean, zero_padding
from fusions.blocks import Attention, TransformerEncoder
from fusions.registry import register


class MultimodalTransformer(nn.Module):
    """Fuses the tokens of one entity to a vector, eq. (4)-(9).

    Args:
        dim: d.
        heads: attention heads.
        layers: encoder layers.
        dropout: dropout of weights, hidden units and branches.
        hidden: width of the feed-forward part; None is 4 d.
    """

    def __init__(
        self, dim: int, heads: int, layers: int, dropout: float = 0.0, hidden: int | None = None
    ) -> None:
        super().__init__()
        self.encoder = TransformerEncoder(dim, heads, layers, hidden, dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Values (B, M, L, d), zero where absent, mask (B, M, L) -> (B, d); items are not told apart."""
        mask = mask.flatten(1)
        x, _ = self.encoder(values.flatten(1, 2), mask)
        return masked_mean(x, mask)


class QuadTransformer(nn.Module):
    """Fuses the items of one entity to a vector: within each item, then across items, eq. (10)-(18).

    Args:
        dim: d.
        heads: attention heads.
        layers: encoder layers across the items.
        dropout: dropout of weights, hidden units and branches.
    """

    def __init__(self, dim: int, heads: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.within = Attention(dim, heads, dropout)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.across = TransformerEncoder(dim, heads, layers, dropout=dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Values (B, M, L, d), zero where absent, mask (B, M, L) -> (B, d)."""
        batch, items = mask.shape[:2]
        tokens, token_mask = values.flatten(0, 1), mask.flatten(0, 1)
        attended, _ = self.within(tokens, token_mask)
        fused = self.norm(tokens + self.dropout(attended))
        vectors = masked_mean(fused, token_mask).view(batch, items, -1)
        present = mask.any(-1)
        x, _ = self.across(vectors, present)
        return masked_mean(x, present)


class MultiEntityTransformer(nn.Module):
    """Fuses entity vectors, section 3.3.3.

    Args:
        dim: d.
        heads: attention heads.
        layers: encoder layers.
        dropout: dropout of weights, hidden units and branches.
    """

    def __init__(self, dim: int, heads: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = TransformerEncoder(dim, heads, layers, dropout=dropout)

    def forward(
        self, vectors: Tensor, present: Tensor, want_maps: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, E, d), (B, E) -> (B, d), and where wanted "layer0" .. -> (B, heads, E, E)."""
        x, maps = self.encoder(vectors, present, want_maps)
        return masked_mean(x, present), {f"layer{i}": weights for i, weights in enumerate(maps)}


class EntityFusion(Fusion):
    """Base of the methods that first make one vector of each entity; only the fuser of these differs.

    An entity in `inputs.many` is encoded by a `QuadTransformer`, any other by a `MultimodalTransformer`.
    Subclasses define `fuse_vectors`. The names of the vectors, in order, are in `self.groups`.
    """

    def __init__(
        self,
        inputs: Inputs,
        heads: int,
        layers: int,
        dropout: float,
        by: Literal["entity", "modality"] = "entity",
    ) -> None:
        super().__init__(inputs)
        self.by = by
        self.groups: tuple[str, ...] = tuple(dict.fromkeys(getattr(s, by) for s in inputs.sources))
        many = inputs.many if by == "entity" else frozenset()
        self.encoders = nn.ModuleList(
            (QuadTransformer if name in many else MultimodalTransformer)(inputs.dim, heads, layers, dropout)
            for name in self.groups
        )

    def encode(self, tokens: Mapping[Source, Tokens]) -> tuple[Tensor, Tensor]:
        """One vector per group (B, E, d), zero where absent, and whether it is present (B, E)."""
        vectors, present = [], []
        for name, encoder in zip(self.groups, self.encoders, strict=True):
            members = [tokens[s] for s in self.inputs.sources if getattr(s, self.by) == name]
            if self.by == "modality":  # entities have different numbers of items: line them all up
                members = [
                    Tokens(t.values.flatten(1, 2)[:, None], t.mask.flatten(1)[:, None]) for t in members
                ]
            mask = torch.cat([t.mask for t in members], dim=2)
            values = zero_padding(torch.cat([t.values for t in members], dim=2), mask)
            vectors.append(encoder(values, mask))
            present.append(mask.flatten(1).any(1))
        return torch.stack(vectors, dim=1), torch.stack(present, dim=1)

    def forward(self, tokens: Mapping[Source, Tokens]) -> Fused:
        """Encode the entities and fuse their vectors."""
        return self.fuse_vectors(*self.encode(tokens))

    def fuse_vectors(self, vectors: Tensor, present: Tensor) -> Fused:
        """Fuse (B, E, d), zero where `present` (B, E) is False."""
        raise TypeError(f"{type(self).__name__} must define fuse_vectors()")


@register(
    "memf", paper="MEMF, Multi-Entity Multimodal Fusion Framework, Decision Support Systems DECSUP-D-23-01630"
)
class MEMF(EntityFusion):
    """Multi-entity multimodal fusion.

    Attention: "layer0" .. (B, heads, E, E) of the multi-entity transformer, in the order of `groups`.

    Args:
        inputs: what the fusion is built for.
        heads: attention heads of all three transformers; the paper uses 8.
        layers: encoder layers of all three transformers; the paper uses 6.
        dropout: dropout of weights, hidden units and branches; the paper uses 0.1.
        order: "entity-first" is MEMF. "modality-first" is the other sequence of Fig. 5: the tokens of one
            modality from all entities are fused first, then the modality vectors.

    Raises:
        ValueError: for another order.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        heads: int = 8,
        layers: int = 6,
        dropout: float = 0.1,
        order: Literal["entity-first", "modality-first"] = "entity-first",
    ) -> None:
        if order not in ("entity-first", "modality-first"):
            raise ValueError(f"memf: no order {order!r}; choose entity-first or modality-first")
        super().__init__(inputs, heads, layers, dropout, "entity" if order == "entity-first" else "modality")
        self.fuser = MultiEntityTransformer(inputs.dim, heads, layers, dropout)

    def fuse_vectors(self, vectors: Tensor, present: Tensor) -> Fused:
        """(B, E, d) -> (B, d), absent entities masked."""
        return Fused(*self.fuser(vectors, present, self.want_attention))
