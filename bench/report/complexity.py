"""What each method costs: parameters, floating-point operations, seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.compare.frame import Results, Row
from bench.labels import short
from bench.report.sheet import Cell, Column, Line, Sheet


def complexity_sheet(found: Sequence[Results]) -> Sheet | None:
    """One row for each distinct row of the plans, smallest first; None without runs.

    `seconds` are those of a whole run (training with early stopping, and test), the mean over seeds.
    FLOPs are those of one prediction, without encoders.
    """
    seen: set[str] = set()
    rows = []
    for results in found:
        for row in results.rows:
            ids = {run.id for run in row.runs.values()}
            # experiments share runs: a row is shown once
            rows += [row] if ids - seen else []
            seen |= ids
    if not rows:
        return None
    rows.sort(key=lambda row: row.first.measured["params"] or np.inf)
    variants = any(row.row.variant for row in rows)
    targets = any(row.row.target for row in rows)
    columns = (
        Column("method"), Column("target", shown=0 if targets else None),
        Column("variant", shown=0 if variants else None), Column("encoders"),
        Column("parameters", "count", "ascending"), Column("FLOPs", "count"), Column("seconds", "seconds"),
        Column("epochs", "seconds"), Column("runs", "count"),
    )  # fmt: skip
    return Sheet("costs", "Cost of one run of each method", columns, tuple(map(_line, rows))).visible()


def _line(row: Row) -> Line:
    encoders = ", ".join(short(row.row.encoders.values()).values())
    epochs = row.cost("epochs")
    measured = row.first.measured
    cells = (
        Cell(row.row.method), Cell(row.row.target), Cell(row.row.variant), Cell(encoders),
        Cell(measured["params"], "count"), Cell(measured["flops"], "count"),
        Cell(row.cost("seconds"), "seconds"), Cell(epochs if epochs else float("nan"), "seconds"),
        Cell(len(row.runs), "count"),
    )  # fmt: skip
    return Line(cells, row.row.reference, "reference" if row.row.reference else "")
