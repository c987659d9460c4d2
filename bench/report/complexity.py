"""What each method costs: parameters, floating-point operations, seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.plan import Plan, PlanRow
from bench.report.names import short
from bench.report.sheets import Cell, Column, Line, Sheet, count, number
from bench.store import RunStore

_COLUMNS = (
    Column("method"),
    Column("variant"),
    Column("encoders"),
    Column("parameters", True, "ascending"),
    Column("FLOPs", True),
    Column("seconds", True),
    Column("epochs", True),
    Column("runs", True),
)


def complexity_sheet(plans: Sequence[Plan], store: RunStore) -> Sheet | None:
    """One row for each distinct row of the plans, smallest first; None without runs.

    `seconds` are those of a whole run (training with early stopping, and test), the mean over seeds.
    FLOPs are those of one prediction, without encoders.
    """
    seen: set[str] = set()
    lines = []
    for plan in plans:
        for row in plan.rows:
            runs = [run for run in row.runs if store.complete(run)]
            # experiments share runs: a row is shown once
            if set(runs) - seen:
                lines.append(_line(row, [store.metrics(run) for run in runs]))
                seen |= set(runs)
    if not lines:
        return None
    lines.sort(key=lambda line: line.cells[3].value if line.cells[3].key else np.inf)
    columns = _COLUMNS
    if not any(line.cells[1].text for line in lines):
        columns = (columns[0], *columns[2:])
        lines = [replace(line, cells=(line.cells[0], *line.cells[2:])) for line in lines]
    return Sheet("costs", "Cost of one run of each method", columns, tuple(lines))


def _line(row: PlanRow, metrics: Sequence[dict[str, float | int]]) -> Line:
    cells = (
        Cell(row.method),
        Cell(row.variant),
        Cell(", ".join(short(row.encoders.values()).values()) or "–"),
        count(metrics[0].get("params")),
        count(metrics[0].get("flops")),
        number(_mean(metrics, "seconds"), 1),
        number(_mean(metrics, "epochs"), 1) if not row.reference else Cell("–", float("nan")),
        count(len(metrics)),
    )
    return Line(cells, row.reference, "reference" if row.reference else "")


def _mean(metrics: Sequence[dict[str, float | int]], key: str) -> float:
    known = [run[key] for run in metrics if key in run]
    return float(np.mean(known)) if known else float("nan")
