"""The numeric encoder, which has no cache: it is trained together with the model."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NumericTokenizer(nn.Module):
    """One token per numeric feature: its own weight and bias, then an MLP shared by all features.

    The feature tokenizer of FT-Transformer (Gorishniy et al., NeurIPS 2021, doi:10.48550/arXiv.2106.11959,
    section 3.3) gives each feature x_j the token b_j + x_j w_j; without w_j and b_j of its own, two features
    of the same value would be the same token. Values are expected as standardised on the training part, after
    log1p where the schema says so.

    Args:
        features: number L of features.
        dim: width d of a token.
    """

    def __init__(self, features: int, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, dim))
        self.bias = nn.Parameter(torch.empty(features, dim))
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        bound = dim**-0.5
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, values: Tensor) -> Tensor:
        """From values (B, M, L) to tokens (B, M, L, d). Missing values must be filled (0) and masked."""
        tokens: Tensor = self.mlp(values[..., None] * self.weight + self.bias)
        return tokens
