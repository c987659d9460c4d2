"""GMU: gated multimodal unit.

Arevalo, Solorio, Montes-y-Gomez, Gonzalez. Gated Multimodal Units for Information Fusion. ICLR Workshop 2017.
arXiv:1702.01992

    h_g = tanh(W_g x_g)                    (B, d)
    z_g = sigmoid(V_g [x_1; ..; x_G])      (B, d)
    h = sum_g z_g * h_g                    (B, d)

This is the paper's unit for more than two modalities (its Fig. 2a), without biases as published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusions.base import Fused, Inputs, VectorFusion
from fusions.registry import register


@register("gmu", paper="Arevalo et al., ICLR Workshop 2017", doi="10.48550/arXiv.1702.01992")
class GMU(VectorFusion):
    """Gated sum of the group vectors."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        width = len(self.groups) * inputs.dim
        self.project = nn.ModuleList(nn.Linear(inputs.dim, inputs.dim, bias=False) for _ in self.groups)
        self.gate = nn.Linear(width, width, bias=False)

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """(B, G, d) -> (B, d)."""
        projected = [w(x) for w, x in zip(self.project, vectors.unbind(1), strict=True)]
        hidden = torch.stack(projected, dim=1).tanh()
        gates = self.gate(vectors.flatten(1)).sigmoid().view_as(hidden)
        return Fused((gates * hidden).sum(1))
