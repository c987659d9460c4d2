"""The shared trunk: every source's features standardised and projected to tokens of one width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from bench.features.batch import Batch
from bench.features.layout import SourceLayout
from bench.methods.base import CLIP
from fusions import Source, Tokens


class Moments:
    """Count, mean and sum of squared deviations per feature, (width,) each, gathered batch by batch.

    Batches are merged as in Chan, Golub & LeVeque (1979), which loses no digits however many there are.
    """

    def __init__(self, width: int) -> None:
        self.count, self.mean, self.squares = (torch.zeros(width, dtype=torch.double) for _ in range(3))

    def add(self, values: Tensor, mask: Tensor) -> None:
        """Add the present entries of values (N, width), mask (N, width) or (N, 1)."""
        x, weight = values.double(), mask.double().expand_as(values)
        n = weight.sum(0)
        mean = (x * weight).sum(0) / n.clamp(min=1)
        total = (self.count + n).clamp(min=1)
        gap = mean - self.mean
        self.squares += ((x - mean) ** 2 * weight).sum(0) + gap**2 * self.count * n / total
        self.mean += gap * n / total
        self.count += n


class Standardize(nn.Module):
    """(x - mean) / deviation per feature, with statistics of the training part only.

    A feature that never varies in training carries no information and becomes zero.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def fit(self, moments: Moments) -> None:
        """Take the statistics of the training part."""
        deviation = (moments.squares / moments.count.clamp(min=1)).sqrt()
        varies = deviation > 1e-6 * (1 + moments.mean.abs())
        self.mean.copy_(moments.mean)
        self.scale.copy_(torch.where(varies, 1 / deviation.clamp(min=1e-12), 0.0))

    def forward(self, values: Tensor) -> Tensor:
        """Standardise values (..., width)."""
        return ((values - self.mean) * self.scale).clamp(-CLIP, CLIP)


class Projection(nn.Linear):
    """Eq. 1-3, F = W x + b, on x / sqrt(width): (..., width) -> (..., d).

    The scaling only re-parametrises W: a step of Adam then moves the output of a 2,048-wide image encoder as
    far as that of a 256-wide text encoder, instead of letting the widest source overfit first.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__(width, dim)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Project standardised features."""
        return super().forward(x * self.in_features**-0.5)


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


PROJECTIONS = {"numbers": NumericTokenizer, "vectors": Projection}
"""Kind of features -> what makes tokens of them."""


class Trunk(nn.Module):
    """One projection per source to d channels (eq. 1-3), plus a learned embedding per attribute slot.

    The slot embedding is not in the paper: without it an anchor's four texts are an unordered bag.
    `slots=False` is the paper to the letter.

    Args:
        sources: what each source's features look like.
        dim: d.
        slots: whether to add the slot embedding.
        dropout: chance that a standardised feature, and that a channel of a token, is dropped in training.
            Frozen features outnumber the samples; this keeps the projections from learning them by heart.
    """

    def __init__(
        self, sources: Sequence[SourceLayout], dim: int, *, slots: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.names = {s.source: str(s.source).replace(".", "_") for s in sources}
        self.standardize, self.project, self.slots = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.dropout = nn.Dropout(dropout)
        for layout in sources:
            name = self.names[layout.source]
            self.standardize[name] = Standardize(layout.columns)
            self.project[name] = PROJECTIONS[layout.kind](layout.columns, dim)
            if slots and layout.slots:
                self.slots[name] = slot = nn.Embedding(layout.slots, dim)
                nn.init.normal_(slot.weight, std=0.5)

    def fit(self, batches: Iterable[Mapping[Source, Batch]]) -> None:
        """Take the standardisation statistics from the training part, given batch by batch."""
        moments = {source: Moments(len(self._scale(name).mean)) for source, name in self.names.items()}
        for batch in batches:
            for source, part in batch.items():
                moments[source].add(*part.entries)
        for source, name in self.names.items():
            self._scale(name).fit(moments[source])

    def _scale(self, name: str) -> Standardize:
        scale = self.standardize[name]
        assert isinstance(scale, Standardize)
        return scale

    def forward(self, batch: Mapping[Source, Batch]) -> dict[Source, Tokens]:
        """Project every source of the batch to tokens (B, M, L, d), zero where absent."""
        return {source: self._tokens(self.names[source], part) for source, part in batch.items()}

    def _tokens(self, name: str, part: Batch) -> Tokens:
        values = self.standardize[name](part.values)
        # one mask for the whole batch: a feature is dropped for all, which is cheap for any number of tokens
        values = values * self.dropout(values.new_ones(values.shape[-1]))
        out = self.project[name](values)
        if name in self.slots:
            out = out + self.slots[name](part.slots)
        return part.place(self.dropout(out))
