"""The plan of an experiment, as stored: which runs make up which row. Reports are drawn from it alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.config import RunSpec
from bench.errors import UsageError
from bench.experiments import EXPERIMENTS, Variant
from bench.features.store import FeatureSet


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
        scored: on all test samples, or only on the complete ones.
    """

    method: str
    variant: str = ""
    encoders: dict[str, str]
    weights: str
    options: dict[str, Any]
    reference: bool
    runs: list[str]
    scored: str = "all"

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
            scored=variant.scored,
        )


class Plan(BaseModel):
    """All rows of an experiment, and what a caption needs to say about them.

    Attributes:
        ranked: whether rows are shown best first, or in their own order.
        split: how the test part is chosen: random, official or time.
        seeds: of the row that has most.
        not_applicable: why the experiment says nothing about this dataset; "" where it does.
        facts: what an experiment states without any run: tables by name, each a list of rows.
    """

    experiment: str
    title: str
    paper: str
    ranked: bool = True
    dataset: str
    description: str
    samples: int
    target: str
    unit: str = ""
    preset: str
    split: str = "random"
    seeds: int
    undecodable: int
    command: str
    rows: list[PlanRow]
    not_applicable: str = ""
    facts: dict[str, list[dict[str, Any]]] = {}

    def save(self, out: Path) -> None:
        """Write to ``OUT/plans/EXPERIMENT.json``."""
        folder = out / "plans"
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{self.experiment}.{os.getpid()}"
        aside.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        aside.replace(folder / f"{self.experiment}.json")


def load_plans(out: Path) -> list[Plan]:
    """All plans under `out`, in the order of the registry. Raises UsageError if there are none."""
    paths = sorted((out / "plans").glob("*.json"))
    if not paths:
        raise UsageError(f"no runs under {out}; `bench run --out {out}` makes some.")
    plans = [Plan.model_validate(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    order = list(EXPERIMENTS)
    return sorted(
        plans, key=lambda plan: order.index(plan.experiment) if plan.experiment in order else len(order)
    )
