"""MFH: multi-modal factorized high-order pooling.

Yu, Yu, Xiang, Fan, Tao. Beyond Bilinear: Generalized Multimodal Factorized High-Order Pooling for Visual
Question Answering. IEEE TNNLS 2018. doi:10.1109/TNNLS.2018.2817340

    e_1 = Dropout(U_1^T x * V_1^T y)               (B, out k)
    e_i = e_(i-1) * Dropout(U_i^T x * V_i^T y)     neither pooled nor normalised before the next stage
    z   = [squeeze(e_1) .. squeeze(e_p)]           (B, p out), p = 2, no weights shared

Each stage is the one of `fusions.mfb`, and differs from the paper in the same way: a sum over pairs of
groups. One linear layer takes z to d. The paper calls this model MHB where p = 2.
"""

from __future__ import annotations

from torch import Tensor, nn

from fusions.base import Fused, Inputs, VectorFusion
from fusions.mfb import FactorizedPooling
from fusions.registry import register


@register(
    "mfh",
    paper="Yu et al., IEEE TNNLS 2018",
    doi="10.1109/TNNLS.2018.2817340",
    search={"factor": (2, 3, 5, 8), "order": (2, 3)},
)
class MFH(VectorFusion):
    """Multi-modal factorized high-order pooling of the group vectors.

    Args:
        inputs: what the fusion is built for.
        factor: k; the paper uses 5.
        out: width of each stage's pooled vector, None for d; the paper uses 1000.
        order: p, the number of stages; the paper uses 2.
        dropout: dropout of the products; the paper uses 0.1.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        factor: int = 5,
        out: int | None = None,
        order: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(inputs)
        out = out or inputs.dim
        self.pooling = FactorizedPooling([inputs.dim] * len(self.groups), factor, out, order, dropout)
        self.output = nn.Linear(order * out, inputs.dim)

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """(B, G, d) -> (B, d)."""
        return Fused(self.output(self.pooling(vectors.unbind(1))))
