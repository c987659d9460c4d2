"""Late fusion: every group predicts for itself, and the predictions are averaged.

    v_g = W_g x_g + b_g          (B, G, d); the shared head predicts from each v_g and averages

The linear layer per group lets the shared head tell the groups apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusions.base import Fused, Inputs, VectorFusion
from fusions.registry import register


@register("late", paper="reference: average of the predictions of each group")
class Late(VectorFusion):
    """One vector per group, for the head to predict from and average."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.project = nn.ModuleList(nn.Linear(inputs.dim, inputs.dim) for _ in self.groups)

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """(B, G, d) -> (B, G, d)."""
        projected = [w(x) for w, x in zip(self.project, vectors.unbind(1), strict=True)]
        return Fused(torch.stack(projected, dim=1))
