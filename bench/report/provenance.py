"""Where the numbers come from: what was asked for, and the machines and versions that answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.compare.frame import Results, Run
from bench.report.sheet import Cell, Column, Line, Sheet

NOT_RECORDED = "not recorded"


def stored_runs(found: Sequence[Results]) -> dict[str, Run]:
    """The distinct stored runs of all plans, by id."""
    return {run.id: run for results in found for row in results.rows for run in row.runs.values()}


def environments(found: Sequence[Results]) -> list[tuple[Mapping[str, Any], int]]:
    """The distinct environments of the stored runs with how many runs each has, most first."""
    counts: dict[str, int] = {}
    for run in stored_runs(found).values():
        key = json.dumps(run.environment, sort_keys=True)
        counts[key] = counts.get(key, 0) + 1
    return [(json.loads(key), n) for key, n in sorted(counts.items(), key=lambda item: -item[1])]


def environment_sheet(found: Sequence[Results]) -> Sheet | None:
    """One column for each environment, one row for each thing known of it."""
    known = [{"runs": f"{n:,}", **_flat(environment)} for environment, n in environments(found)]
    if not known:
        return None
    keys = list(dict.fromkeys(key for environment in known for key in environment))
    lines = [
        Line((Cell(key), *(Cell(str(one.get(key, NOT_RECORDED)) or NOT_RECORDED) for one in known)))
        for key in keys
    ]
    names = ["Environment"] if len(known) == 1 else [f"Environment {i + 1}" for i in range(len(known))]
    columns = (Column("what"), *map(Column, names))
    return Sheet("environments", "Versions and hardware of the stored runs", columns, tuple(lines))


def request_sheet(found: Sequence[Results]) -> Sheet:
    """What was asked for: one row for each experiment."""
    lines = []
    for results in found:
        plan = results.plan
        planned = {run for row in plan.rows for run in row.runs}
        stored = len(planned & stored_runs([results]).keys())
        targets = ", ".join(target.label for target in plan.targets or [plan.target])
        texts = (plan.name, plan.dataset, targets, plan.preset)
        counts = (plan.samples, plan.seeds, len(planned), stored)
        lines.append(Line((*map(Cell, texts), *(Cell(n, "count") for n in counts))))
    columns = (
        *map(Column, ("experiment", "dataset", "target", "preset")),
        *(Column(name, "count") for name in ("samples", "seeds", "runs planned", "runs stored")),
    )
    return Sheet("requests", "What was asked for", columns, tuple(lines))


def encoder_sheet(found: Sequence[Results]) -> Sheet | None:
    """Every encoder that features came from, with the stamp of its weights and the experiments it served."""
    where: dict[tuple[str, str], dict[str, None]] = {}
    for results in found:
        for row in results.plan.rows:
            for modality, stamp in row.stamps.items():
                if modality in row.encoders:
                    where.setdefault((modality, stamp), {})[results.plan.name] = None
    if not where:
        return None
    lines = tuple(
        Line((Cell(stamp), Cell(modality), Cell(", ".join(names))))
        for (modality, stamp), names in sorted(where.items())
    )
    columns = (Column("encoder"), Column("modality"), Column("experiments"))
    return Sheet("encoders", "Encoders, with where their weights come from", columns, lines)


def _flat(known: Mapping[str, Any]) -> dict[str, Any]:
    """An environment without nesting: packages stand under their own names."""
    packages: dict[str, Any] = known.get("packages", {})
    return {key: value for key, value in known.items() if key != "packages"} | packages
