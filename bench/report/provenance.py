"""Where the numbers come from: what was asked for, and the machines and versions that answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from bench.plan import Plan
from bench.report.names import short, stamps_of
from bench.report.sheets import Cell, Column, Line, Sheet, count
from bench.store import RunStore

NOT_RECORDED = "not recorded"


def stored_runs(plans: Sequence[Plan], store: RunStore) -> list[str]:
    """The distinct complete runs of all plans, in order."""
    runs = dict.fromkeys(run for plan in plans for row in plan.rows for run in row.runs)
    return [run for run in runs if store.complete(run)]


def environments(plans: Sequence[Plan], store: RunStore) -> list[tuple[dict[str, Any], int]]:
    """The distinct environments of the stored runs with how many runs each has, most first."""
    found: dict[str, int] = {}
    for run in stored_runs(plans, store):
        key = json.dumps(store.environment(run), sort_keys=True)
        found[key] = found.get(key, 0) + 1
    return [(json.loads(key), n) for key, n in sorted(found.items(), key=lambda item: -item[1])]


def environment_sheet(plans: Sequence[Plan], store: RunStore) -> Sheet | None:
    """One column for each environment, one row for each thing known of it."""
    found = [({"runs": f"{n:,}", **_flat(known)}, n) for known, n in environments(plans, store)]
    if not found:
        return None
    keys = list(dict.fromkeys(key for known, _ in found for key in known))
    lines = [
        Line((Cell(key), *(Cell(str(known.get(key, NOT_RECORDED)) or NOT_RECORDED) for known, _ in found)))
        for key in keys
    ]
    names = ["Environment"] if len(found) == 1 else [f"Environment {i + 1}" for i in range(len(found))]
    columns = (Column("what"), *(Column(name) for name in names))
    return Sheet("environments", "Versions and hardware of the stored runs", columns, tuple(lines))


def request_sheet(plans: Sequence[Plan], store: RunStore) -> Sheet:
    """What was asked for: one row for each experiment."""
    lines = []
    for plan in plans:
        planned = {run for row in plan.rows for run in row.runs}
        stored = sum(store.complete(run) for run in planned)
        cells = (
            Cell(plan.name), Cell(plan.dataset), count(plan.samples), Cell(plan.target.label),
            Cell(plan.preset), count(plan.seeds), count(len(planned)), count(stored),
        )  # fmt: skip
        lines.append(Line(cells))
    columns = (
        Column("experiment"), Column("dataset"), Column("samples", True), Column("target"), Column("preset"),
        Column("seeds", True), Column("runs planned", True), Column("runs stored", True),
    )  # fmt: skip
    return Sheet("requests", "What was asked for", columns, tuple(lines))


def encoder_sheet(plans: Sequence[Plan]) -> Sheet | None:
    """Every encoder that features came from, with the stamp of its weights and the experiments it served."""
    where: dict[tuple[str, str], dict[str, None]] = {}
    for plan in plans:
        for row in plan.rows:
            stamps = stamps_of(row.weights)
            for modality, name in row.encoders.items():
                shown = stamps.get(name, stamps.get(PurePath(name).name, short([name])[name]))
                where.setdefault((modality, shown), {})[plan.name] = None
    if not where:
        return None
    lines = tuple(
        Line((Cell(stamp), Cell(modality), Cell(", ".join(names))))
        for (modality, stamp), names in sorted(where.items())
    )
    columns = (Column("encoder"), Column("modality"), Column("experiments"))
    return Sheet("encoders", "Encoders, with where their weights come from", columns, lines)


def _flat(known: dict[str, Any]) -> dict[str, Any]:
    """An environment without nesting: packages stand under their own names."""
    packages = known.get("packages", {})
    return {key: value for key, value in known.items() if key != "packages"} | packages
