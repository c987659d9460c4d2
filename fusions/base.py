"""The contract between the bench and a fusion method: what goes in, what comes out.

    tokens: Mapping[Source, Tokens]  ->  Fusion  ->  Fused.vector (B, d)

Shapes use B samples, M items of an entity (1, or the commodities of a stream), L tokens per item
(attributes, or clips), d channels, G groups, L' tokens of a group.

A method is a subclass of the narrowest base that fits it:

* `VectorFusion`: wants one vector per group, (B, G, d). Absent groups are filled for it.
* `GroupFusion`: wants the tokens of every group with their mask, (B, L', d).
* `Fusion`: wants the raw tokens of every source, (B, M, L, d).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn


class Source(NamedTuple):
    """Where tokens come from: one modality of one entity, written ``commodity.image``."""

    entity: str
    modality: str

    def __str__(self) -> str:
        return f"{self.entity}.{self.modality}"


class Tokens(NamedTuple):
    """The tokens of one source: values (B, M, L, d) and mask (B, M, L), True where present.

    M and L are at least 1; the sources of one entity share M. What lies in absent places is never read.
    """

    values: Tensor
    mask: Tensor


class Group(NamedTuple):
    """The tokens of one group: values (B, L', d), zero where absent, and mask (B, L'), True where present."""

    values: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Inputs:
    """What a fusion is built for.

    Attributes:
        sources: every source the tokens will have, in a fixed order.
        dim: d, the width of the tokens and of the fused vector.
        ordered: the sources whose L axis is a sequence in time of a single item (clips of a stream);
            all others are sets, whose order carries no meaning.
        many: the entities that have many items each (M varies from batch to batch and may be 1).
    """

    sources: tuple[Source, ...]
    dim: int
    ordered: frozenset[Source] = frozenset()
    many: frozenset[str] = frozenset()


@dataclass
class Fused:
    """What a fusion returns.

    Attributes:
        vector: (B, d), or (B, G, d): then the head predicts from each of the G and averages.
        attention: name -> (B, heads, Q, K), filled only where `Fusion.want_attention` is set.
        aux: whatever the method's own `auxiliary_loss` needs.
    """

    vector: Tensor
    attention: dict[str, Tensor] = field(default_factory=dict)
    aux: dict[str, Tensor] = field(default_factory=dict)


class Fusion(nn.Module):
    """Base of every method: tokens of any sources, any mask, any batch size in; a (B, d) vector out."""

    want_attention: bool = False
    """Set to True on an instance to have attention maps computed (slower)."""

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.inputs = inputs

    def forward(self, tokens: Mapping[Source, Tokens]) -> Fused:
        """Fuse the tokens of every source in `inputs.sources`."""
        raise TypeError(f"{type(self).__name__} must define forward()")

    def calibrate(self, target: Tensor) -> None:
        """See the training targets (N,) once, before training. Most methods need nothing.

        `target` is float: a number that is standardised, or the number of the sample's class, 0, 1, ...
        """

    def auxiliary_loss(self, fused: Fused, target: Tensor) -> Tensor:
        """Loss to add to the main one, a scalar; `target` (B,) is as `calibrate` has it. Default: zero."""
        return target.new_zeros(())


class GroupFusion(Fusion):
    """A method that sees groups: the tokens of one modality from all entities together, or of one entity.

    Subclasses define `fuse`. Group names and order are in `self.groups`.
    """

    by: ClassVar[Literal["modality", "entity"]] = "modality"

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.groups: tuple[str, ...] = tuple(dict.fromkeys(getattr(s, self.by) for s in inputs.sources))

    def is_ordered(self, group: str) -> bool:
        """Whether the tokens of `group` form one sequence in time: a single source, and that one ordered."""
        members = [s for s in self.inputs.sources if getattr(s, self.by) == group]
        return len(members) == 1 and members[0] in self.inputs.ordered

    def regroup(self, tokens: Mapping[Source, Tokens]) -> dict[str, Group]:
        """Concatenate the tokens of each group's sources along one axis, (B, L', d); padding becomes zero."""
        groups = {}
        for name in self.groups:
            members = [tokens[s] for s in self.inputs.sources if getattr(s, self.by) == name]
            values = torch.cat([t.values.flatten(1, 2) for t in members], dim=1)
            mask = torch.cat([t.mask.flatten(1, 2) for t in members], dim=1)
            groups[name] = Group(zero_padding(values, mask), mask)
        return groups

    def forward(self, tokens: Mapping[Source, Tokens]) -> Fused:
        """Regroup the tokens and fuse the groups."""
        return self.fuse(self.regroup(tokens))

    def fuse(self, groups: Mapping[str, Group]) -> Fused:
        """Fuse one `Group` per name in `self.groups`."""
        raise TypeError(f"{type(self).__name__} must define fuse()")


class VectorFusion(GroupFusion):
    """A method that wants one vector per group: tokens are pooled by masked mean.

    A group that is wholly absent for a sample is replaced by one learned vector per group.
    Subclasses define `fuse_vectors`.
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.absent = nn.Parameter(torch.zeros(len(self.groups), inputs.dim))

    def fuse(self, groups: Mapping[str, Group]) -> Fused:
        """Pool every group to a vector and fuse the vectors."""
        pooled = torch.stack([masked_mean(*groups[name]) for name in self.groups], dim=1)
        present = torch.stack([groups[name].mask.any(dim=1) for name in self.groups], dim=1)
        return self.fuse_vectors(torch.where(present.unsqueeze(-1), pooled, self.absent))

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        """Fuse (B, G, d), G in the order of `self.groups`."""
        raise TypeError(f"{type(self).__name__} must define fuse_vectors()")


def zero_padding(values: Tensor, mask: Tensor) -> Tensor:
    """Zero where absent: values (..., L, d), mask (..., L); else a NaN in padding leaks through 0 * NaN."""
    return values.masked_fill(~mask.unsqueeze(-1), 0)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the present tokens: values (..., L, d), mask (..., L) -> (..., d); of none it is zero."""
    count = mask.sum(-1, keepdim=True).clamp(min=1)
    return zero_padding(values, mask).sum(-2) / count.to(values.dtype)
