"""The description of a dataset, `dataset.toml`: target, entities, attributes by modality.

Tables 1-4 of the MEMF paper are one instance (the embedded dataset `livestream`); a house with four
photographed rooms is another (`bench/data/examples/houses.toml`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import DataError, did_you_mean
from fusions import Source

MODALITIES = ("text", "image", "numeric", "video", "audio")
MEDIA = ("image", "video", "audio")
SEPARATOR = "|"
"""Between several item ids or several paths in one cell."""


def _distinct(columns: list[str]) -> list[str]:
    repeated = sorted({c for c in columns if columns.count(c) > 1})
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} more than once")
    return columns


Columns = Annotated[list[str], AfterValidator(_distinct)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(_Strict):
    """The number to predict: its column, the transform it is learned and scored under, and its unit."""

    column: str
    transform: Literal["log10", "log1p", "none"] = "none"
    unit: str = ""

    def forward(self, raw: np.ndarray) -> np.ndarray:
        """From the original scale to the one that models learn and metrics are computed on."""
        return {"log10": np.log10, "log1p": np.log1p, "none": np.asarray}[self.transform](raw)

    @property
    def label(self) -> str:
        """The transformed target with its unit, as an axis label: ``log10(sales [yuan])``."""
        inner = f"{self.column} [{self.unit}]" if self.unit else self.column
        return inner if self.transform == "none" else f"{self.transform}({inner})"


class Samples(_Strict):
    """The table with one row per sample."""

    table: str = "samples.csv"
    id: str = "id"
    split: str | None = None
    """Column with train / validation / test, where the dataset has an official split."""
    group: str | None = None
    """Column whose equal values must stay on one side of every split."""


class Entity(_Strict):
    """One entity: where its rows are and which columns belong to which modality.

    Without `table`, the columns are in the samples table. With it, the samples' column `key`
    (default ``NAME_id``) names the row by the entity table's column `id`; with `many`, the cell holds
    several ids separated by "|". A media column holds one or several relative paths separated by "|";
    a column written with braces is a path pattern, ``images/{id}_kitchen.jpg``, filled from the row.
    """

    table: str | None = None
    key: str | None = None
    id: str = "id"
    many: bool = False
    text: Columns = Field(default_factory=list)
    image: Columns = Field(default_factory=list)
    numeric: Columns = Field(default_factory=list)
    video: Columns = Field(default_factory=list)
    audio: Columns = Field(default_factory=list)
    log: Columns = Field(default_factory=list)
    """The numeric columns to be taken as log(1 + x)."""

    @model_validator(mode="after")
    def _consistent(self) -> Entity:
        if not any(getattr(self, m) for m in MODALITIES):
            raise ValueError(f"has no attributes; give it one of {', '.join(MODALITIES)}")
        unknown = [c for c in self.log if c not in self.numeric]
        if unknown:
            raise ValueError(f"log names {', '.join(unknown)}, which is not in numeric")
        if self.table is None and (self.many or self.key):
            raise ValueError("has `many` or `key` but no `table`")
        return self

    def columns(self, modality: str) -> list[str]:
        """The attributes of one modality."""
        return getattr(self, modality)


class Schema(_Strict):
    """A whole dataset description."""

    name: str
    description: str = ""
    target: Target
    samples: Samples = Samples()
    entities: dict[str, Entity] = Field(min_length=1)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every (entity, modality) that has attributes, entities in the order of the file."""
        return tuple(
            Source(name, modality)
            for name, entity in self.entities.items()
            for modality in MODALITIES
            if entity.columns(modality)
        )

    @property
    def many(self) -> frozenset[str]:
        """The entities that have several items per sample."""
        return frozenset(name for name, entity in self.entities.items() if entity.many)

    @property
    def ordered(self) -> frozenset[Source]:
        """The sources whose tokens are a sequence in time: the clips of a single item."""
        return frozenset(
            s for s in self.sources if s.modality in ("video", "audio") and s.entity not in self.many
        )

    def key(self, entity: str) -> str:
        """The samples' column that names the rows of an entity table."""
        return self.entities[entity].key or f"{entity}_id"


def read_schema(path: Path) -> Schema:
    """Read a `dataset.toml`. Raises DataError that says which field is wrong and how to mend it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not valid TOML: {error}.\nMend that line and run again.") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from None
    try:
        return Schema.model_validate(raw)
    except ValidationError as error:
        raise DataError(f"{path}: {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    problems = error.errors()
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "is not a known field" + _nearest_field(first["loc"])
    elif first["type"] == "missing":
        message = "is missing; add it"
    else:
        message = message[0].lower() + message[1:]
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    return f"{where} {message}{more}"


def _nearest_field(location: tuple[int | str, ...]) -> str:
    owner = {"target": Target, "samples": Samples, "entities": Entity}.get(str(location[0]), Schema)
    fields = (owner if len(location) > 1 else Schema).model_fields
    return f"; {did_you_mean(str(location[-1]), fields)}"
