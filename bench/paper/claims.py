"""A claims file: what a paper says outside its tables of results, as data. The shape of claims.toml."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bench.errors import UsageError
from bench.paper.numbers import Printed, parse

CLAIMS = Path(str(files("bench.paper"))) / "claims.toml"

TableName = Annotated[str, BeforeValidator(str)]
Number = Annotated[str, Field(pattern=r"^[+-]?\d+(\.\d+)?$")]
"""A number as printed, between quotation marks: "0.7250" and 0.725 are rounded differently."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RowRef(_Part):
    """Names a printed row; `group` only where the table has that row in several groups."""

    table: TableName
    row: str
    group: str | None = None


class Metric(_Part):
    """What a column measures: `role` lets the arithmetic checks find their operands."""

    role: Literal["mae", "mse", "mape", "r2", "evs", "other"]
    better: Literal["lower", "higher"]


class DataPart(_Part):
    """Printed statistics of the target in one part of the data."""

    name: str
    size: Annotated[int, Field(ge=2)]
    max: Number
    min: Number
    mean: Number
    median: Number | None = None
    sd: Number

    def number(self, statistic: Literal["max", "min", "mean", "median", "sd"]) -> Printed:
        """One of the statistics, with its rounding."""
        found = parse(getattr(self, statistic) or "")
        if found is None:
            raise UsageError(f"part {self.name!r} of the dataset has no {statistic}.")
        return found


class DatasetFacts(_Part):
    """The data that the tables are about.

    Attributes:
        tested_on: the part whose errors the tables print.
        runs: trainings behind each printed row; 1 means that no spread is known.
    """

    where: str
    target: str
    unit: str = ""
    tested_on: str
    runs: Annotated[int, Field(ge=1)] = 1
    parts: list[DataPart]

    @model_validator(mode="after")
    def _has_the_tested_part(self) -> DatasetFacts:
        if self.tested_on not in [part.name for part in self.parts]:
            raise ValueError(f"tested_on is {self.tested_on!r}, which is none of the parts")
        return self

    @property
    def tested(self) -> DataPart:
        """The part whose errors the tables print."""
        return next(part for part in self.parts if part.name == self.tested_on)


class Fact(_Part):
    """Something the paper prints once and refers to elsewhere."""

    printed: str
    where: str


class NameSet(_Part):
    """Names that the text introduces, and the tables whose rows (or groups) should use them."""

    where: str
    names: list[str]
    tables: list[TableName]
    column: Literal["row", "group"] = "row"


class Repeat(_Part):
    """Rows that are the same experiment, printed more than once."""

    what: str
    rows: Annotated[list[RowRef], Field(min_length=2)]


class _Claim(_Part):
    quote: str
    where: str


class ValueClaim(_Claim):
    """The text repeats a number; `scale` = 100 where it repeats a fraction as per cent.

    Attributes:
        typographical: a difference would be a slip of the pen, not another result.
    """

    kind: Literal["value"]
    printed: str
    row: RowRef | None = None
    metric: str | None = None
    fact: str | None = None
    scale: Annotated[float, Field(gt=0)] = 1.0
    typographical: bool = False

    @model_validator(mode="after")
    def _has_one_source(self) -> ValueClaim:
        if (self.fact is None) == (self.row is None) or (self.row is None) != (self.metric is None):
            raise ValueError("a value claim wants either a fact, or a row and a metric")
        return self


class ChangeClaim(_Claim):
    """A row is better than another by so many per cent of the other."""

    kind: Literal["change"]
    printed: Number
    row: RowRef
    metric: str
    against: str = "second-best"


class RankClaim(_Claim):
    """A row has this rank (1 is best) in each group of the tables, by each metric (default: all)."""

    kind: Literal["rank"]
    tables: list[TableName]
    row: str
    rank: Annotated[int, Field(ge=1)] = 1
    metrics: list[str] | None = None


class EffectClaim(_Claim):
    """Of the rows that each leave something out, this one is furthest from (or nearest to) the whole."""

    kind: Literal["effect"]
    row: RowRef
    baseline: str
    extreme: Literal["largest", "smallest"] = "largest"
    among: list[str] | None = None
    metrics: list[str] | None = None


class OrderClaim(_Claim):
    """Each of some rows is better than another row."""

    kind: Literal["order"]
    better: list[str]
    than: RowRef
    metrics: list[str] | None = None


class SumClaim(_Claim):
    """Numbers add up to another."""

    kind: Literal["sum"]
    printed: Number
    terms: list[Number]


class ShareClaim(_Claim):
    """A part is so many per cent of a whole."""

    kind: Literal["share"]
    printed: Number
    part: Number
    whole: Number


class MemberClaim(_Claim):
    """A setting is one of those that were searched."""

    kind: Literal["member"]
    printed: str
    among: list[str]


class UnprintedClaim(_Claim):
    """The numbers that would decide are not printed."""

    kind: Literal["unprinted"]
    reason: str


Claim = Annotated[
    ValueClaim
    | ChangeClaim
    | RankClaim
    | EffectClaim
    | OrderClaim
    | SumClaim
    | ShareClaim
    | MemberClaim
    | UnprintedClaim,
    Field(discriminator="kind"),
]


class Claims(_Part):
    """A whole claims file; only the metrics are required.

    Attributes:
        metrics: column of the tables -> what it measures.
        proposed: the row of the method that the paper is for.
        dataset: without it, checks against the target's statistics and of resolution are left out.
    """

    paper: str = "the paper"
    metrics: dict[str, Metric]
    proposed: RowRef | None = None
    dataset: DatasetFacts | None = None
    facts: dict[str, Fact] = {}
    names: list[NameSet] = []
    repeats: list[Repeat] = []
    claims: list[Claim] = []


def load_claims(path: Path = CLAIMS) -> Claims:
    """Read a claims file.

    Raises:
        UsageError: no such file, not TOML, or an entry that is not as described here; says which.
    """
    if not path.is_file():
        raise UsageError(
            f"no file {path}: --claims wants a TOML file like the one in bench/paper/claims.toml."
        )
    try:
        return Claims.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(step) for step in first["loc"]) or "the file"
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise UsageError(f"{path}: {at}: {first['msg']}{more}. Entries count from 0.") from None
