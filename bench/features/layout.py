"""What features look like, without the features: all that a method needs to be built, saved and loaded.

A kept model has its `Description` beside it, and is loaded by it alone, on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.data.schema import Schema, Target
from fusions import Inputs, Source

if TYPE_CHECKING:
    from encoders import Encoder

DESCRIPTION = "description.json"
"""The file beside a kept model."""
LARGEST = 1 << 26
"""Bytes of such a file."""
WIDEST = 1 << 22
"""Width of features above which a description is not ours: a network for it would not fit any memory."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceLayout(_Stored):
    """What the features of one source look like.

    Attributes:
        entity, modality: the source.
        kind: numbers, a table of attributes; or vectors, any number of tokens.
        width: of a vector; 1 for numbers.
        attributes: their names; of vectors, those that have slots.
        ordered: whether the tokens are a sequence in time.
        many: whether a sample has several items of the entity.
    """

    entity: str
    modality: str
    kind: Literal["numbers", "vectors"]
    width: Annotated[int, Field(ge=1, le=WIDEST)]
    attributes: Annotated[tuple[str, ...], Field(min_length=1)]
    ordered: bool
    many: bool

    @property
    def source(self) -> Source:
        """Its name."""
        return Source(self.entity, self.modality)

    @property
    def columns(self) -> int:
        """How many columns its values have."""
        return len(self.attributes) if self.kind == "numbers" else self.width

    @property
    def slots(self) -> int:
        """How many attributes are to be told apart; none of numbers, whose places do it."""
        return 0 if self.kind == "numbers" else len(self.attributes)


class Layout(_Stored):
    """What the features of a dataset look like, source by source in a fixed order, and what is predicted."""

    target: Target
    sources: tuple[SourceLayout, ...]

    def inputs(self, dim: int) -> Inputs:
        """What a fusion of width `dim` is built for."""
        return Inputs(
            tuple(s.source for s in self.sources),
            dim,
            ordered=frozenset(s.source for s in self.sources if s.ordered),
            many=frozenset(s.entity for s in self.sources if s.many),
        )


class Recipe(_Stored):
    """What makes the same encoder again.

    Attributes:
        name: as it was asked for.
        weights: what became of the wish: pretrained, random, or whatever where none are needed.
        options: its own.
        fingerprint: of all that decides its features.
    """

    name: str
    weights: str
    options: dict[str, Any]
    fingerprint: str

    @classmethod
    def of(cls, encoder: Encoder) -> Recipe:
        """The recipe of an encoder."""
        _, name, weights, options = encoder.recipe
        return cls(name=name, weights=weights, options=dict(options), fingerprint=encoder.fingerprint)


class Origin(_Stored):
    """Where features come from: the description of the data, and modality -> encoder."""

    data: Schema
    encoders: dict[str, Recipe]

    @classmethod
    def of(cls, schema: Schema, chosen: Mapping[str, Encoder]) -> Origin:
        """The origin of what these encoders make of a dataset."""
        return cls(
            data=schema, encoders={modality: Recipe.of(encoder) for modality, encoder in chosen.items()}
        )


class Description(_Stored):
    """All that is to be known of the features that a method was fitted to, to fit others to it."""

    origin: Origin
    layout: Layout

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        data = self.origin.data
        for source in self.layout.sources:
            known = source.source in data.sources
            by_itself = source.kind == "numbers" or (known and data.precomputed(source.source))
            if not known or not (by_itself or source.modality in self.origin.encoders):
                raise ValueError("has features that nothing describes")
        return self

    def write(self, folder: Path) -> None:
        """Write it beside a model."""
        (folder / DESCRIPTION).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Description:
        """What `write` wrote. Raises ValueError where it is something else."""
        path = folder / DESCRIPTION
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError, ValueError):
            raise ValueError(f"{path} is not what was written") from None
