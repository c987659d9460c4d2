"""The plan of an experiment, as stored: which runs make up which row. Reports are drawn from it alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bench.config import Preset, RunSpec
from bench.data.dataset import Dataset
from bench.errors import UsageError
from bench.experiments import Experiment, Variant
from bench.features.store import FeatureSet

if TYPE_CHECKING:
    from bench.workflow import Request


class PlanRow(BaseModel):
    """One row of a table.

    Attributes:
        method: fusion or reference.
        variant: what else sets the row apart, such as "without anchor"; "" for the method as it is.
        encoders: modality -> encoder.
        weights: encoders that need weights, with where those came from; "" where none does.
        options: the fusion's own options.
        reference: whether the row is there for comparison only.
        runs: ids of its runs, one per seed.
    """

    method: str
    variant: str = ""
    encoders: dict[str, str]
    weights: str
    options: dict[str, Any]
    reference: bool
    runs: list[str]

    @classmethod
    def of(cls, variant: Variant, features: FeatureSet, specs: Sequence[RunSpec]) -> PlanRow:
        """The row of a variant."""
        return cls(
            method=variant.method,
            variant=variant.name,
            encoders=dict(variant.encoders),
            weights=", ".join(dict.fromkeys(s for s in features.stamps.values() if s.endswith(")"))),
            options=dict(variant.options),
            reference=variant.reference,
            runs=[spec.id for spec in specs],
        )


class Plan(BaseModel):
    """All rows of an experiment, and what a caption needs to say about them.

    Attributes:
        not_applicable: why the experiment says nothing about this dataset; "" where it does.
        facts: what an experiment states without any run: tables by name, each a list of rows.
    """

    experiment: str
    title: str
    paper: str
    dataset: str
    description: str
    samples: int
    target: str
    preset: str
    seeds: int
    undecodable: int
    command: str
    rows: list[PlanRow]
    not_applicable: str = ""
    facts: dict[str, list[dict[str, Any]]] = {}

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        dataset: Dataset,
        preset: Preset,
        request: Request,
        rows: list[PlanRow],
        undecodable: int,
    ) -> Plan:
        """The plan of one request."""
        return cls(
            experiment=experiment.name,
            title=experiment.title,
            paper=experiment.paper,
            dataset=dataset.schema.name,
            description=dataset.schema.description,
            samples=len(dataset),
            target=dataset.schema.target.label,
            preset=request.preset,
            seeds=preset.seeds,
            undecodable=undecodable,
            command=request.command,
            rows=rows,
        )

    def save(self, out: Path) -> None:
        """Write to ``OUT/plans/EXPERIMENT.json``."""
        folder = out / "plans"
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{self.experiment}.{os.getpid()}"
        aside.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        aside.replace(folder / f"{self.experiment}.json")


def load_plans(out: Path) -> list[Plan]:
    """All plans under `out`. Raises UsageError if there are none."""
    paths = sorted((out / "plans").glob("*.json"))
    if not paths:
        raise UsageError(f"no runs under {out}; `bench run --out {out}` makes some.")
    return [Plan.model_validate(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
