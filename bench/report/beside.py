"""Our figures beside those that others have printed: the MEMF paper, or whoever used a published dataset."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bench.data.published import PUBLISHED
from bench.metrics import PRIMARY, Metric, leading
from bench.plan import Plan
from bench.report.sheet import DECIMALS, Cell, Column, Line, Sheet
from bench.report.tables import METRIC, results_sheet, setting_apart

PAPER_DATASET = "livestream"
"""Only beside a dataset of the paper's kind do the paper's figures say anything."""


def beside_paper(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric]) -> Sheet | None:
    """Our figures beside those that the paper prints; None where it prints none of them."""
    first = f"paper_{PRIMARY[plan.target.task]}"
    if plan.dataset != PAPER_DATASET or first not in table or table[first].isna().all():
        return None
    table = table[table[first].notna()]
    names = setting_apart(table)
    named = results_sheet(plan.model_copy(update={"ranked": False}), table, metrics).visible().only(names)
    lines = []
    for line, row in zip(named.lines, table.to_dict("records"), strict=True):
        cells = list(line.cells)
        for metric in leading(plan.target.task):
            ours, theirs = row[metric], row[f"paper_{metric}"]
            label = f"{ours:.{DECIMALS}f} / {theirs:.{DECIMALS}f} ({ours - theirs:+.{DECIMALS}f})"
            cells.append(Cell(ours - theirs, "metric", label))
        lines.append(Line(tuple(cells)))
    columns = (
        *named.columns,
        *(Column(metric, "metric", shown=METRIC) for metric in leading(plan.target.task)),
    )
    said = "Ours / the paper's (difference). Not like for like: the paper's data are not public, its weights "
    said += "differ, and it has one run a method."
    return Sheet(f"paper-{plan.name}", said, columns, tuple(lines), title="Beside the paper")


def beside_others(plan: Plan, table: pd.DataFrame) -> Sheet | None:
    """What others have printed of a published dataset beside our best row of the same fusion."""
    published = PUBLISHED.get(plan.dataset)
    printed = published.printed if published else None
    if printed is None:
        return None
    best, lines = table.sort_values(PRIMARY[plan.target.task]), []
    names = list(dict.fromkeys(metric for values in printed.rows.values() for metric in values))
    for method, values in printed.rows.items():
        ours = best[best["method"] == printed.ours.get(method, "")]
        cells = [Cell(method), Cell(printed.ours.get(method, ""))]
        for metric in names:
            here = float(ours[metric].iloc[0]) if len(ours) and metric in ours else float("nan")
            cells += [Cell(values.get(metric, float("nan")), "plain"), Cell(here, "metric")]
        lines.append(Line(tuple(cells)))
    columns = [Column("method"), Column("ours")]
    for metric in names:
        columns += [Column(f"{metric} printed", "plain"), Column(f"{metric} here", "metric")]
    title = f"Beside {printed.source}"
    return Sheet(f"printed-{plan.name}", printed.unlike, tuple(columns), tuple(lines), title=title)
