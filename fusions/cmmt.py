"""CMMT: cross-modal multitask transformer.

Yang, Na, Yu. Cross-Modal Multitask Transformer for End-to-End Multimodal Aspect-Based Sentiment Analysis.
Information Processing & Management 59(5), 2022. doi:10.1016/j.ipm.2022.103038

    T = layer(text), I = layer(image)         one post-LN transformer layer (GELU) each
    P = softmax(W_p T + b_p)                  (B, L, C)  auxiliary text head, per token
    X = attention(Q = T, K = V = I)           (B, L, d)  several heads, no output projection
    g = sum_c P_c^2                           (B, L, 1)  in [1/C, 1]: a confident token ignores the image
    Y = LN(g T + (1 - g) X);   Y = LN(FFN(Y) + Y);   Z = LN(Y + T)
    loss = main + alpha CE(image head on mean(I)) + beta CE(P)

Differs from the paper: made for labelling words, it predicts for whole samples, mostly numbers. So both
auxiliary heads classify the quantile bin of the sample's target (every present text token is given its
sample's bin), and the fused vector is the masked mean of Z. A target of no more values than bins, such as a
class, has a bin for each value. The text may be any group (`anchor`); every other group has its own layer and
its own auxiliary head (their losses are averaged), and X attends to the tokens of all of them. With no other
group X attends to T. A sample without text asks with one learned token, which is not supervised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusions.base import Fused, Group, GroupFusion, Inputs, masked_mean
from fusions.blocks import AbsentTokens, Attention, FeedForward, TransformerLayer
from fusions.registry import register


class Interaction(NamedTuple):
    """What the interaction computes: text_logits (B, L, C), gate (B, L, 1), cross and out (B, L, d), map."""

    text_logits: Tensor
    gate: Tensor
    cross: Tensor
    out: Tensor
    attention: Tensor | None


class TextGuidedInteraction(nn.Module):
    """The auxiliary text head, the co-attention, the gate and the layers after it: from T and I to Z.

    Args:
        dim: d.
        heads: heads of the co-attention.
        classes: C, classes of the text head.
        hidden: width of the feed-forward part; None is 4 d.
        dropout: dropout of attention weights, hidden units and branches.
    """

    def __init__(
        self, dim: int, heads: int, classes: int, hidden: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.text_head = nn.Linear(dim, classes)
        self.attention = Attention(dim, heads, dropout, project_out=False)
        self.feedforward = FeedForward(dim, hidden or 4 * dim, dropout, F.gelu)
        self.norm_gate = nn.LayerNorm(dim)
        self.norm_feedforward = nn.LayerNorm(dim)
        self.norm_out = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, text: Tensor, image: Tensor, image_mask: Tensor | None = None, want_map: bool = False
    ) -> Interaction:
        """Text (B, L, d), image (B, K, d), image_mask (B, K)."""
        logits = self.text_head(text)
        gate = logits.softmax(-1).square().sum(-1, keepdim=True)
        cross, weights = self.attention(text, image_mask, image, want_map)
        y = self.norm_gate(gate * text + (1 - gate) * cross)
        y = self.norm_feedforward(self.dropout(self.feedforward(y)) + y)
        return Interaction(logits, gate, cross, self.norm_out(y + text), weights)


@register(
    "cmmt",
    paper="Yang, Na, Yu, Inf. Process. Manag. 2022",
    doi="10.1016/j.ipm.2022.103038",
    search={"bins": (5, 10, 20), "alpha": (0.1, 0.3, 1.0), "beta": (0.1, 0.3, 1.0)},
)
class CMMT(GroupFusion):
    """Cross-modal multitask transformer with quantile bins of the target as auxiliary classes.

    Attention: "cross" (B, heads, L text tokens, K tokens of the other groups).

    Args:
        inputs: what the fusion is built for.
        heads: attention heads.
        dropout: dropout of weights, hidden units and branches.
        anchor: the group that takes the part of the text; the first group where there is none of that name.
        bins: C, the number of quantile bins.
        alpha: weight of the auxiliary loss of the other groups; the paper uses 1.
        beta: weight of the auxiliary loss of the text; the paper uses 1.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        heads: int = 8,
        dropout: float = 0.1,
        anchor: str = "text",
        bins: int = 10,
        alpha: float = 1.0,
        beta: float = 1.0,
    ) -> None:
        super().__init__(inputs)
        dim = inputs.dim
        self.anchor = anchor if anchor in self.groups else self.groups[0]
        self.others = tuple(name for name in self.groups if name != self.anchor)
        self.alpha, self.beta = alpha, beta
        self.absent = AbsentTokens(1, dim)
        self.text_layer = TransformerLayer(dim, heads, dropout=dropout, activation=F.gelu)
        self.image_layers = nn.ModuleList(
            TransformerLayer(dim, heads, dropout=dropout, activation=F.gelu) for _ in self.others
        )
        self.image_heads = nn.ModuleList(nn.Linear(dim, bins) for _ in self.others)
        self.interaction = TextGuidedInteraction(dim, heads, bins, dropout=dropout)
        # the bins of a standard normal target, until `calibrate` has seen the real one
        self.edges: Tensor
        self.register_buffer("edges", torch.special.ndtri(self._levels(bins)))

    @staticmethod
    def _levels(bins: int) -> Tensor:
        return torch.arange(1, bins, dtype=torch.get_default_dtype()) / bins

    def calibrate(self, target: Tensor) -> None:
        """Put the bin edges at the quantiles of the training targets (N,), or between their few values."""
        target = target.detach().cpu().double()
        values = torch.unique(target)
        if len(values) <= len(self.edges) + 1:
            self.edges.fill_(torch.inf)  # bins that nothing falls into
            self.edges[: len(values) - 1] = (values[:-1] + values[1:]) / 2
        else:
            levels = self._levels(len(self.edges) + 1).to(target)
            self.edges.copy_(torch.quantile(target, levels))

    def fuse(self, groups: Mapping[str, Group]) -> Fused:
        """Encode each group, let the text attend to the others, pool the text."""
        want = self.want_attention
        text_mask = groups[self.anchor].mask
        asking, asking_mask = self.absent(*groups[self.anchor], 0)
        text, _ = self.text_layer(asking, asking_mask)
        others = [
            Group(layer(groups[name].values, groups[name].mask)[0], groups[name].mask)
            for name, layer in zip(self.others, self.image_layers, strict=True)
        ]
        sources = others or [Group(text, text_mask)]
        image = torch.cat([g.values for g in sources], dim=1)
        image_mask = torch.cat([g.mask for g in sources], dim=1)
        result = self.interaction(text, image, image_mask, want)
        aux = {"text_logits": result.text_logits, "text_mask": text_mask}
        if others:
            pooled = [head(masked_mean(*group)) for head, group in zip(self.image_heads, others, strict=True)]
            aux["image_logits"] = torch.stack(pooled, dim=1)
            aux["image_mask"] = torch.stack([group.mask.any(1) for group in others], dim=1)
        attention = {} if result.attention is None else {"cross": result.attention}
        return Fused(masked_mean(result.out, asking_mask), attention, aux)

    def auxiliary_loss(self, fused: Fused, target: Tensor) -> Tensor:
        """Return alpha * CE of the other groups' heads + beta * CE of the text head, over what is present."""
        bins = torch.bucketize(target.detach(), self.edges.to(target.dtype))
        loss = self.beta * _masked_cross_entropy(fused.aux["text_logits"], fused.aux["text_mask"], bins)
        if "image_logits" in fused.aux:
            image = _masked_cross_entropy(fused.aux["image_logits"], fused.aux["image_mask"], bins)
            loss = loss + self.alpha * image
        return loss


def _masked_cross_entropy(logits: Tensor, mask: Tensor, bins: Tensor) -> Tensor:
    """Mean over the present places of logits (B, L, C), mask (B, L), each row having one bin (B,)."""
    losses = F.cross_entropy(
        logits.flatten(0, 1), bins.unsqueeze(1).expand_as(mask).flatten(), reduction="none"
    )
    return (losses * mask.flatten()).sum() / mask.sum().clamp(min=1)
