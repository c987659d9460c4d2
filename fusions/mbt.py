"""MBT: attention bottlenecks.

Nagrani, Yang, Arnab, Jansen, Schmid, Sun. Attention Bottlenecks for Multimodal Fusion. NeurIPS 2021.
arXiv:2107.00135

    [x_g; z_g] <- layer_g([x_g; z])        z: a few bottleneck tokens, shared by all groups
    z <- mean_g z_g                        after every layer
    v_g = LN(CLS token of x_g)             (B, G, d); the shared head predicts from each v_g and averages

Layers are pre-LN with GELU, one stack per group, as in the paper's ViT.

Differs from the paper: any number of groups; padding is masked, and an absent group has no say in z; every
layer is a fusion layer, since the encoders in front stand for the unimodal ones. There are at least two
layers: what the bottlenecks gather in one is read in the next.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusions.base import Fused, Group, GroupFusion, Inputs
from fusions.blocks import TransformerLayer
from fusions.registry import register


@register(
    "mbt",
    paper="Nagrani et al., NeurIPS 2021",
    doi="10.48550/arXiv.2107.00135",
    search={"bottlenecks": (2, 4, 8)},
)
class MBT(GroupFusion):
    """Transformers that exchange information through a few bottleneck tokens.

    Attention: "group.layer0" (B, heads, N, N), N = CLS, tokens, bottlenecks.

    Args:
        inputs: what the fusion is built for.
        heads: attention heads.
        layers: fusion layers, at least 2; the paper uses 4 of 12.
        dropout: dropout of weights, hidden units and branches.
        bottlenecks: number of bottleneck tokens; the paper uses 4.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        heads: int = 8,
        layers: int = 4,
        dropout: float = 0.1,
        bottlenecks: int = 4,
    ) -> None:
        super().__init__(inputs)
        dim = inputs.dim
        self.cls = nn.Parameter(torch.empty(len(self.groups), dim).normal_(std=0.02))
        self.bottlenecks = nn.Parameter(torch.empty(bottlenecks, dim).normal_(std=0.02))
        self.layers = nn.ModuleList(
            nn.ModuleList(
                TransformerLayer(dim, heads, dropout=dropout, activation=F.gelu, pre_norm=True)
                for _ in self.groups
            )
            for _ in range(max(layers, 2))
        )
        self.norm = nn.LayerNorm(dim)

    def fuse(self, groups: Mapping[str, Group]) -> Fused:
        """Alternate attention within each group and averaging of the bottlenecks."""
        members = [groups[name] for name in self.groups]
        batch, shared = members[0].mask.shape[0], len(self.bottlenecks)
        streams = [
            torch.cat([cls.expand(batch, 1, -1), group.values], dim=1)
            for cls, group in zip(self.cls, members, strict=True)
        ]
        masks = [F.pad(F.pad(group.mask, (1, 0), value=True), (0, shared), value=True) for group in members]
        share = _voice(torch.stack([group.mask.any(1) for group in members], dim=1)).to(streams[0].dtype)
        bottlenecks = self.bottlenecks.expand(batch, -1, -1)
        attention = {}
        for depth, layers in enumerate(self.layers):
            assert isinstance(layers, nn.ModuleList)
            gathered = []
            for i, layer in enumerate(layers):
                joined = torch.cat([streams[i], bottlenecks], dim=1)
                x, weights = layer(joined, masks[i], want_map=self.want_attention)
                streams[i] = x[:, :-shared]
                gathered.append(x[:, -shared:])
                if weights is not None:
                    attention[f"{self.groups[i]}.layer{depth}"] = weights
            bottlenecks = torch.einsum("bgnd,bg->bnd", torch.stack(gathered, dim=1), share)
        return Fused(self.norm(torch.stack([x[:, 0] for x in streams], dim=1)), attention)


def _voice(present: Tensor) -> Tensor:
    """Each group's share in the mean (B, G): equal among the present; among all where none is."""
    voice = present | ~present.any(dim=1, keepdim=True)
    return voice / voice.sum(dim=1, keepdim=True)
