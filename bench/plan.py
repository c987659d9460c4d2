"""The plan of an experiment, as stored: which runs make up which row. Reports are drawn from it alone.

An output folder holds one current plan of an experiment, ``plans/fusion.json``. A request of the same
settings adds its rows to it. One of other settings takes its place, and the earlier plan stays beside it as
``plans/fusion-SETTINGS.json``, with tables and figures of that name.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from bench.data.schema import Target
from bench.data.splits import FREE
from bench.errors import UsageError
from bench.features.store import FeatureSet
from bench.files import write_text
from bench.labels import for_files, labels
from bench.spec import RunSpec
from bench.variants import WITHOUT, Variant

log = logging.getLogger("bench")

# they become parts of paths
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


FRESH = "fresh"
"""Among kinds of splits: every seed has a dataset of its own, drawn by a generator and split at random."""


class PlanRow(BaseModel):
    """One row of a table, as data: names for people are derived from it and never read back.

    Attributes:
        method: fusion or reference.
        encoders: modality -> encoder, as it was asked for.
        stamps: modality -> encoder with the provenance of its weights.
        options: the fusion's own options.
        arm: what an experiment does to the method in this row, such as "source dropout"; "" for nothing.
        seen, unseen: the entities that the method sees, and those left out, where some are.
        missing: what is done with incomplete samples, where that is compared: keep or drop.
        scored: on all test samples, or only on the complete ones.
        reference: whether the row is there for comparison only.
        goal: the trained parameters that its width was chosen for; 0 for none.
        share: of the training part that it learns from.
        target: the column that is predicted, where the plan has several.
        runs: ids of its runs, one per seed.
    """

    method: str
    encoders: dict[str, str]
    stamps: dict[str, str] = {}
    options: dict[str, Any] = {}
    arm: str = ""
    seen: list[str] = []
    unseen: list[str] = []
    missing: Literal["", "keep", "drop"] = ""
    scored: Literal["all", "complete"] = "all"
    reference: bool = False
    goal: int = 0
    share: float = 1.0
    target: str = ""
    runs: list[RunId]

    @property
    def variant(self) -> str:
        """What sets the row apart beside method and encoders, in words; "" for the method as it is."""
        entities = self.unseen if self.arm == WITHOUT else self.seen
        arm = f"{self.arm} {', '.join(entities)}" if self.unseen else self.arm
        arm = f"{arm} to {self.goal:,} parameters" if self.goal else arm
        part = f"{Fraction(self.share).limit_denominator(1000)} of the training samples" * (self.share < 1)
        return ", ".join(filter(None, [arm, part, self.handling]))

    @property
    def handling(self) -> str:
        """How incomplete samples are handled, in words; "" where that is not compared."""
        on_complete = self.missing == "drop" or self.scored == "complete"
        return f"{self.missing}, on complete samples" if self.missing and on_complete else self.missing

    @property
    def encoded_by(self) -> dict[str, str]:
        """Modality -> encoder, with where its weights come from."""
        return {modality: self.stamps.get(modality, name) for modality, name in self.encoders.items()}

    @property
    def weights(self) -> str:
        """The stamps of the encoders that say where their weights come from."""
        return ", ".join(dict.fromkeys(stamp for stamp in self.stamps.values() if stamp.endswith(")")))

    @property
    def identity(self) -> str:
        """What makes it the same row in another plan of the same settings."""
        return json.dumps(self.model_dump(exclude={"runs", "reference"}), sort_keys=True)

    @classmethod
    def of(
        cls, variant: Variant, features: FeatureSet, specs: Sequence[RunSpec], target: str = ""
    ) -> PlanRow:
        """The row of a variant."""
        return cls(
            method=variant.method,
            encoders=dict(variant.encoders),
            stamps=dict(features.stamps),
            options=dict(variant.options),
            arm=variant.arm,
            seen=list(variant.entities),
            unseen=list(variant.left_out),
            missing=variant.missing,
            scored=variant.scored,
            reference=variant.reference,
            goal=variant.goal,
            share=variant.training.get("share", 1.0),
            target=target,
            runs=[spec.id for spec in specs],
        )


class Plan(BaseModel):
    """All rows of an experiment, and what a caption needs to say about them.

    Attributes:
        settings: a hash of what all rows have in common: data, split, training, sizes, options of fusions.
        archived: whether a request of other settings has taken its place.
        ranked: whether rows are shown best first, or in their own order.
        target: of all rows; the first of `targets`, where there are several.
        targets: several of one kind, each predicted by rows of its own; `each` has a plan for every one.
        split: how the test part is chosen: random, kfold, official or time; or fresh, see FRESH.
        seeds: of the row that has most.
        not_applicable: why the experiment says nothing about this dataset; "" where it does.
        left_out: rows that the experiment would have, and why it has not.
        facts: what an experiment states without any run: tables by name, each a list of rows, of which those
            about one of several targets name it as `target`.
        ceiling: metric -> the best that any method can reach on average, where data were generated and it is
            known; of fresh data the mean over seeds.
        of: the target among several that this plan is about, as a part of names of files; it is not stored.
    """

    experiment: Name
    settings: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]*$", max_length=64)] = ""
    archived: bool = False
    title: str
    paper: str
    ranked: bool = True
    dataset: str
    description: str
    samples: int
    target: Target
    targets: list[Target] = []
    preset: str
    split: str = "random"
    seeds: int
    undecodable: int
    command: str
    rows: list[PlanRow]
    not_applicable: str = ""
    left_out: str = ""
    facts: dict[str, list[dict[str, Any]]] = {}
    ceiling: dict[str, float] = {}
    of: str = Field(default="", exclude=True)

    @property
    def overlapping(self) -> bool:
        """Whether what seeds learn from and are tested on overlaps: they split one dataset at random."""
        return self.split in FREE

    @property
    def fixed(self) -> bool:
        """Whether all seeds have the same test part."""
        return self.split not in (*FREE, FRESH)

    @property
    def estimand(self) -> str:
        """What numbers are about where that is not the one dataset; "" where it is."""
        return "mean over newly generated datasets, one per seed" if self.split == FRESH else ""

    @property
    def each(self) -> list[Plan]:
        """A plan for each target, which knows of no other; the plan itself where there is one target."""
        files = for_files([target.column for target in self.targets])
        return [self._of(*found) for found in zip(self.targets, files, strict=True)] or [self]

    def _of(self, target: Target, file: str) -> Plan:
        facts = {
            name: [
                {key: value for key, value in row.items() if key != "target"}
                for row in rows
                if row.get("target", target.column) == target.column
            ]
            for name, rows in self.facts.items()
        }
        rows = [row for row in self.rows if row.target == target.column]
        own = {"target": target, "targets": [], "rows": rows, "facts": facts, "of": file}
        return self.model_copy(update={**own, "title": f"{self.title}: {target.column}"})

    def labels(self) -> Callable[[PlanRow], str]:
        """Names for its rows where several stand beside each other."""
        return labels(self.rows)

    @property
    def name(self) -> str:
        """Of its files: the experiment's, with the settings where it is not the current plan."""
        return self.experiment + self.suffix

    @property
    def suffix(self) -> str:
        """What its files' names have in addition: one target of several, the settings of an earlier plan."""
        return f"-{self.of}" * bool(self.of) + f"-{self.settings[:6]}" * self.archived

    def with_rows_of(self, earlier: Plan) -> Plan:
        """This plan with the rows that an earlier one of the same settings has beside its own.

        A row of both keeps the longer list of runs, where one continues the other.
        """
        own = {row.identity: row for row in self.rows}
        others = {row.identity: row for row in earlier.rows}
        rows = []
        # in the order of the plan that has more rows
        for identity in own if own.keys() >= others.keys() else {**others, **own}:
            row = own.get(identity, others.get(identity))
            other = others.get(identity, row)
            continued = row and other and other.runs[: len(row.runs)] == row.runs
            rows += [found] if (found := other if continued else row) else []
        commands = [] if own.keys() >= others.keys() else [earlier.command]
        commands += [] if others.keys() >= own.keys() and commands else [self.command]
        return self.model_copy(
            update={
                "rows": rows,
                "seeds": max((len(row.runs) for row in rows), default=self.seeds),
                "command": " && ".join(dict.fromkeys(filter(None, commands))),
            }
        )

    def save(self, out: Path) -> None:
        """Write to ``OUT/plans/NAME.json``."""
        content = self.model_dump(mode="json")
        content = {"checksum": _checksum(content), **content}
        write_text(_path(out, self.name), json.dumps(content, indent=1) + "\n")


def store_plan(plan: Plan, out: Path) -> tuple[Plan, Plan | None]:
    """Make a plan the current one of its experiment; nothing that was compared before is lost.

    Returns:
        The plan, with the rows that were stored under the same settings; and the plan whose place it took.
    """
    paths = sorted((out / "plans").glob("*.json"))
    stored = [p for p in _readable(paths) if p.experiment == plan.experiment]
    for earlier in stored:
        if earlier.settings == plan.settings:
            plan = plan.with_rows_of(earlier)
    displaced = next((p for p in stored if not p.archived and p.settings != plan.settings), None)
    if displaced is not None:
        displaced = displaced.model_copy(
            update={"archived": True, "title": f"{displaced.title} (earlier, other settings)"}
        )
        displaced.save(out)
    plan.save(out)
    _path(out, plan.model_copy(update={"archived": True}).name).unlink(missing_ok=True)  # it is current again
    return plan, displaced


def load_plans(out: Path) -> list[Plan]:
    """All plans under `out`, current ones first; damaged ones are named.

    Raises:
        UsageError: there are none.
    """
    paths = sorted((out / "plans").glob("*.json"))
    plans = _readable(paths)
    if not plans:
        why = "no plan that can be read" if paths else "no runs"
        raise UsageError(f"{why} under {out}; `bench run --out {out}` makes some.")
    return sorted(plans, key=lambda plan: (plan.archived, plan.name))


def _path(out: Path, name: str) -> Path:
    return out / "plans" / f"{name}.json"


def _readable(paths: Sequence[Path]) -> list[Plan]:
    """The plans that are what was written; others are named in a warning."""
    found = []
    for path in paths:
        try:
            found.append(_read(path))
        except (OSError, ValueError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            log.warning("%s is skipped: %s; run its command again to have it back", path, why)
    return found


def _read(path: Path) -> Plan:
    """Read a plan. Raises OSError, or ValueError with the reason if it is not what was written."""
    damaged = "it is damaged, or not a plan of this version"
    if path.is_symlink():
        raise ValueError("it is a link")
    try:
        content = json.loads(path.read_bytes())
        checksum = content.pop("checksum")
        plan = Plan.model_validate(content)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise ValueError(damaged) from None
    if checksum != _checksum(content) or path.stem != plan.name:
        raise ValueError(damaged)
    return plan


def _checksum(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
