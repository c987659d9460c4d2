"""The description of a dataset, `dataset.toml`: target, entities, attributes by modality.

Tables 1-4 of the MEMF paper are one instance (the embedded dataset `livestream`); a house with four
photographed rooms is another (`bench/data/examples/houses.toml`).
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.data.problems import Problem, some
from bench.data.reach import refusal
from bench.errors import DataError, did_you_mean, printable
from fusions import Source

MODALITIES = ("text", "image", "numeric", "video", "audio")
MEDIA = ("image", "video", "audio")
SEPARATOR = "|"
"""Between several item ids or several paths in one cell."""
LARGEST = 1 << 20
"""Bytes of a description."""


C = TypeVar("C", list[str], tuple[str, ...])


def _distinct(columns: C) -> C:
    repeated = sorted(c for c, times in Counter(columns).items() if times > 1)
    if repeated:
        raise ValueError(f"names {some(repeated)} more than once")
    return columns


Columns = Annotated[list[str], AfterValidator(_distinct)]
Name = Annotated[str, Field(pattern=r"^[\w-]+$")]
"""Of an encoder: a description from elsewhere names no model on a hub, and no folder."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _power_of_ten(x: np.ndarray) -> np.ndarray:
    return np.asarray(10.0**x)


TRANSFORMS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "log10": (np.log10, _power_of_ten),
    "log1p": (np.log1p, np.expm1),
    "none": (np.asarray, np.asarray),
}
"""Name -> to the scale that is learned, and back."""


class Target(_Strict):
    """What to predict: a number, the transform it is learned and scored under, and its unit; or a class.

    With `columns` it stands for several targets, to which all else applies alike. Only a dataset sees it
    so, and takes them one by one.
    """

    column: str
    task: Literal["regression", "binary", "multiclass"] = "regression"
    transform: Literal["log10", "log1p", "none"] = "none"
    unit: str = ""
    sign: bool = False
    """Whether the sign is a class of its own, as in sentiment: adds the binary accuracy `Acc2`."""
    classes: tuple[str, ...] = ()
    """The classes in their order, as the column has them; the second of two is the positive one. Without it
    they are those that the column has, sorted."""
    columns: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        default=(), exclude_if=lambda names: not names
    )
    """In place of `column`: several targets of one kind, each predicted by itself; `column` is the first."""

    @model_validator(mode="before")
    @classmethod
    def _first(cls, raw: Any) -> Any:
        if isinstance(raw, list):
            raise ValueError("is there several times; write one, with all names in `columns`")
        if not isinstance(raw, dict):
            return raw
        several = raw.get("columns")
        if isinstance(raw.get("column"), list):
            raise ValueError("has several names in `column`; write them in `columns`")
        if isinstance(several, str):
            raise ValueError("has one name in `columns`; write it in `column`")
        return {"column": several[0], **raw} if isinstance(several, list | tuple) and several else raw

    @model_validator(mode="after")
    def _consistent(self) -> Target:
        if self.columns and self.column != self.columns[0]:
            raise ValueError("has `column` and `columns`; keep one of the two")
        if self.task == "regression" and self.classes:
            raise ValueError('has `classes`, but is a number; add task = "binary" or "multiclass"')
        if self.task != "regression" and (self.unit or self.sign or self.transform != "none"):
            raise ValueError("is a class, which has no `transform`, `unit` or `sign`")
        if len(set(self.classes)) != len(self.classes) or "" in self.classes:
            raise ValueError("names a class twice, or one without a name")
        return self

    @property
    def each(self) -> tuple[Target, ...]:
        """The targets of `columns` one by one; without them the target itself."""
        return tuple(self.model_copy(update={"column": c, "columns": ()}) for c in self.columns) or (self,)

    def forward(self, raw: np.ndarray) -> np.ndarray:
        """From the original scale to the one that models learn and metrics are computed on."""
        return TRANSFORMS[self.transform][0](raw)

    def inverse(self, transformed: np.ndarray) -> np.ndarray:
        """Back to the original scale."""
        with np.errstate(over="ignore"):
            return TRANSFORMS[self.transform][1](transformed)

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
    time: str | None = None
    """Column with dates or numbers in the order of time, for `--split time`."""
    fixed: str = ""
    """Why only the official split may be used; "" where any may."""

    @model_validator(mode="after")
    def _consistent(self) -> Samples:
        if self.fixed and not self.split:
            raise ValueError("has `fixed` but no `split`; name the column with the official split")
        return self


class Features(_Strict):
    """Precomputed features of one source: a vector or a sequence of vectors per row of the entity.

    The file is .npz, .npy or .parquet, beside the tables. An array holds (rows, D) vectors, or (rows, L, D)
    sequences, or with `offsets` (T, D) vectors of which row r has those from offsets[r] to offsets[r + 1].
    A parquet column holds lists of numbers (vectors), or lists of lists (sequences). A vector of which every
    number is NaN is absent.
    """

    file: str
    array: str | None = None
    """Name of the array in an .npz, or of the column in a .parquet."""
    key: str | None = None
    """Array or column with the row's id; without it, rows are in the order of the entity's table."""
    offsets: str | None = None
    """Array with the (rows + 1) offsets of ragged sequences in an .npz."""

    @model_validator(mode="after")
    def _consistent(self) -> Features:
        suffix = Path(self.file).suffix
        if suffix not in (".npz", ".npy", ".parquet"):
            raise ValueError(
                f"{self.file} is not .npz, .npy or .parquet; no other format of features is read"
            )
        if suffix == ".npy" and (self.array or self.key or self.offsets):
            raise ValueError(f"{self.file}: an .npy has no names; leave out `array`, `key` and `offsets`")
        if suffix != ".npy" and not self.array:
            raise ValueError(f"{self.file}: name the array or column with `array`")
        if suffix == ".parquet" and self.offsets:
            raise ValueError(f"{self.file}: a parquet column of lists needs no `offsets`")
        return self


class Entity(_Strict):
    """One entity: where its rows are and which columns belong to which modality.

    Without `table`, the columns are in the samples table. With it, the samples' column `key`
    (default ``NAME_id``) names the row by the entity table's column `id`; with `many`, the cell holds
    several ids separated by "|". A media column holds one or several relative paths separated by "|";
    a column written with braces is a path pattern, ``images/{id}_kitchen.jpg``, filled from the row, and
    with ``*`` it stands for all files that fit, ``images/{id}/*.jpg``, in the order of their names.
    `features` gives a modality precomputed features in place of columns.
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
    features: dict[Literal["text", "image", "video", "audio"], Features] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Entity:
        if not self.modalities:
            raise ValueError(f"has no attributes; give it one of {', '.join(MODALITIES)}")
        both = [m for m in self.features if getattr(self, m)]
        if both:
            raise ValueError(f"has columns and features for {', '.join(both)}; keep one of the two")
        unknown = [c for c in self.log if c not in self.numeric]
        if unknown:
            raise ValueError(f"log names {', '.join(unknown)}, which is not in numeric")
        if self.table is None and (self.many or self.key):
            raise ValueError("has `many` or `key` but no `table`")
        return self

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities of which it has attributes or features."""
        return tuple(m for m in MODALITIES if getattr(self, m) or m in self.features)

    def columns(self, modality: str) -> list[str]:
        """The columns of one modality; none where it has precomputed features."""
        columns: list[str] = getattr(self, modality)
        return columns

    def attributes(self, modality: str) -> tuple[str, ...]:
        """The names of the attributes of one modality; precomputed features are one."""
        return ("features",) if modality in self.features else tuple(self.columns(modality))


class Schema(_Strict):
    """A whole dataset description."""

    name: str
    description: str = ""
    target: Target
    samples: Samples = Samples()
    encoders: dict[Literal["text", "image", "video", "audio"], Name] = Field(
        default_factory=dict, exclude_if=lambda encoders: not encoders
    )
    """Modality -> the encoder that suits this data, in place of the preset's."""
    entities: dict[str, Entity] = Field(min_length=1)

    @model_validator(mode="after")
    def _names(self) -> Schema:
        # they become parts of names of sources and of folders in the cache
        wrong = [name for name in self.entities if not re.fullmatch(r"[\w -]+", name)]
        if wrong:
            raise ValueError(f"names the entity {wrong[0]!r}; use letters, digits, - and _ only")
        return self

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every (entity, modality) that has attributes, entities in the order of the file."""
        return tuple(
            Source(name, modality) for name, entity in self.entities.items() for modality in entity.modalities
        )

    @property
    def encoded(self) -> frozenset[str]:
        """The modalities of which some source has raw items, which an encoder must turn into features."""
        return frozenset(
            s.modality for s in self.sources if s.modality != "numeric" and not self.precomputed(s)
        )

    def precomputed(self, source: Source) -> bool:
        """Whether a source has precomputed features."""
        return source.modality in self.entities[source.entity].features

    @property
    def many(self) -> frozenset[str]:
        """The entities that have several items per sample."""
        return frozenset(name for name, entity in self.entities.items() if entity.many)

    @property
    def ordered(self) -> frozenset[Source]:
        """The sources whose tokens are a sequence in time: clips or precomputed features of a single item."""
        return frozenset(
            s
            for s in self.sources
            if s.entity not in self.many and (s.modality in ("video", "audio") or self.precomputed(s))
        )

    def key(self, entity: str) -> str:
        """The samples' column that names the rows of an entity table."""
        return self.entities[entity].key or f"{entity}_id"


class BadDescription(DataError):
    """A `dataset.toml` that cannot be used.

    Attributes:
        problems: everything that is wrong with it; the message tells the first.
    """

    def __init__(self, message: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(message)
        self.problems = problems


def read_schema(path: Path, allow_links: tuple[Path, ...] = ()) -> Schema:
    """Read a `dataset.toml`. Raises BadDescription that says which field is wrong and how to fix it."""
    if refused := refusal(path.parent, path.name, allow_links, missing="no-description"):
        raise _bad(path, *refused)
    size = path.stat().st_size
    if size > LARGEST:
        raise _bad(path, "not-toml", f"is too large for a description ({size:,} bytes)", "write a new one")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        rows = (int(line[1]),) if line else ()
        raise _bad(path, "not-toml", f"is not valid TOML: {error}", "fix that line", rows) from None
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text ({error.reason} at byte {error.start})"
        raise _bad(path, "not-utf8", what, "save it as UTF-8") from None
    except ValueError:  # Python converts no more digits than 4,300
        raise _bad(path, "not-toml", "has a number with thousands of digits", "shorten it") from None
    except RecursionError:
        raise _bad(path, "not-toml", "is nested too deeply to be a description", "write a new one") from None
    try:
        return Schema.model_validate(raw)
    except ValidationError as error:
        problems = tuple(
            Problem("bad-description", message, "fix that field", path.name, where)
            for where, message in _problems(error)
        )
        raise BadDescription(printable(f"{path}: {first_problem(error)}"), problems) from None


def _bad(path: Path, kind: str, what: str, fix: str, rows: tuple[int, ...] = ()) -> BadDescription:
    problem = Problem(kind, what, fix, path.name, rows=rows)
    return BadDescription(printable(f"{path} {what}; {fix}."), (problem,))


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong with a description, and how many more there are."""
    (where, message), *others = _problems(error)
    more = f" (and {len(others)} more problems)" if others else ""
    return f"{where} {message}{more}"


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    """Where and what, for everything that is wrong with a description."""
    found = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "is not a known field" + _nearest_field(problem["loc"])
        elif problem["type"] == "missing":
            message = "is missing; add it"
        else:
            message = message[0].lower() + message[1:]
        found.append((".".join(str(part) for part in problem["loc"]) or "the file", message))
    return found


def _nearest_field(location: tuple[int | str, ...]) -> str:
    owners: dict[str, type[BaseModel]] = {"target": Target, "samples": Samples, "entities": Entity}
    owner = owners.get(str(location[0]), Schema)
    owner = Features if "features" in location[:-1] else owner
    fields = (owner if len(location) > 1 else Schema).model_fields
    return f"; {did_you_mean(str(location[-1]), fields)}"
