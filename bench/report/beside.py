"""Our figures beside those that others have printed: the MEMF paper, or whoever used a published dataset."""

from __future__ import annotations

import pandas as pd

from bench.compare.frame import Results
from bench.data.published import PUBLISHED
from bench.metrics import PRIMARY, leading
from bench.paper.printed import paper_encoders
from bench.plan import Plan, PlanRow
from bench.report.sheet import Cell, Column, Line, Sheet, digits
from bench.report.tables import METRIC, results_sheet, setting_apart
from bench.report.warnings import RANDOM

PAPER_DATASET = "livestream"
"""Only beside a dataset of the paper's kind do the paper's figures say anything."""


def beside_paper(results: Results, table: pd.DataFrame) -> Sheet | None:
    """Our figures beside those that the paper prints; None where it prints none of them."""
    plan, first = results.plan, f"paper_{PRIMARY[results.plan.target.task]}"
    if plan.dataset != PAPER_DATASET or first not in table or table[first].isna().all():
        return None
    table = table[table[first].notna()]
    names = [name for name in setting_apart(table) if name != "weights"]
    unranked = plan.model_copy(update={"ranked": False})
    named = results_sheet(unranked, table, results.metrics).visible().only(names)
    rows = [results.rows[i].row for i in table.index]
    lines = []
    for line, row, planned in zip(named.lines, table.to_dict("records"), rows, strict=True):
        cells = list(line.cells)
        for metric in leading(plan.target.task):
            ours, theirs = row[metric], row[f"paper_{metric}"]
            label = f"{digits(ours)} / {digits(theirs)} ({digits(ours - theirs, sign='+', like=theirs)})"
            cells.append(Cell(ours - theirs, "metric", label))
        cells.append(Cell(unlike(planned)))
        lines.append(Line(tuple(cells)))
    columns = (
        *named.columns,
        *(Column(metric, "metric", shown=METRIC) for metric in leading(plan.target.task)),
        Column("encoders", shown=METRIC),
    )
    said = "Ours / the paper's (difference). Not like for like: the paper's data are not public, encoders "
    said += "differ as each row says, and it has one run a method."
    return Sheet(f"paper-{plan.name}", said, columns, tuple(lines), title="Beside the paper")


def unlike(row: PlanRow) -> str:
    """Which encoders of a row are not those of the paper."""
    stamps = row.encoders | row.stamps
    theirs = {
        modality: printed
        for modality, (name, printed) in paper_encoders(row.encoders).items()
        if row.encoders[modality] != name or stamps[modality].endswith(RANDOM)
    }
    ours = ", ".join(stamps[modality] for modality in theirs)
    return f"ours: {ours}; paper: {', '.join(theirs.values())}, pretrained" if theirs else "the same"


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
