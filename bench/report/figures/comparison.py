"""Methods beside each other: what each reaches, and how far it is from the best; Tables 9 and 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D

from bench.compare.frame import Results, Row
from bench.compare.simultaneous import Simultaneous
from bench.compare.verdict import below_floor, comparable, compared
from bench.labels import condition
from bench.metrics import COMPANION, METRICS, Metric
from bench.report.captions import BEYOND, provenance, reading
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import ANYWHERE, Mark, conditions, forest, height, lanes_of, ordered
from bench.report.figures.panel import ceiling_entry, ceiling_said, metric_panel
from bench.report.figures.style import TWO_COLUMNS, canvas, interval, key, mark, no_fusion, one_seed, shown


def comparison(results: Results) -> list[Drawing]:
    """Every method's primary metric over seeds, the best at the top, and its gap to the best row.

    With one seed there are no gaps, and the primary metric's companion has their place.
    """
    plan, rows = results.plan, results.finite
    if all(row.row.reference for row in rows):
        return []
    names = conditions(rows) or [""]
    methods, order = ordered(rows, results.primary)
    compare = comparable(results, references=True)
    found = compared(results, compare)
    figure = canvas(TWO_COLUMNS, 1.0 + height(len(methods), len(names)))
    left, right = figure.subplots(1, 2, sharey=True)
    values = lanes_of(rows, methods, names, results.primary)
    cut = metric_panel(left, values, len(names), results.primary, plan)
    drawn = [results.primary]
    if found is None:
        companion = METRICS[COMPANION[plan.target.task]]
        values = lanes_of(rows, methods, names, companion)
        cut |= metric_panel(right, values, len(names), companion, plan)
        drawn.append(companion)
        said = finding = ""
    else:
        lanes = _gaps(found, compare, methods, names)
        cut |= forest(right, lanes, len(names), ANYWHERE, include=[0.0], whole=True)
        right.axvline(0, color="0.3", linewidth=0.8)
        right.set_xlabel(f"{results.primary.name} less that of\n{shown(found.best, 44)}")
        right.set_title("gap to the best row")
        said, finding = _reading(found), _finding(found, results.primary)
        if lower := below_floor(results, found):
            said, finding = f"{said}{lower} ", f"{finding} {lower}"
    references = any(row.row.reference for row in rows)
    entries = legend(names, references=references, seeds=plan.seeds)
    key(figure, [*entries, *ceiling_entry(plan, results.primary)])
    text = f"{said}{order} {reading(plan)}"
    if len(names) > 1:
        text += f" In each row, from top to bottom: {', '.join(names)}."
    text += " Grey: reference methods without fusion." if references else ""
    text += ceiling_said(plan, *drawn)
    text += f" {BEYOND}" if cut else ""
    return [Drawing(plan.experiment, plan.title, f"{text} {provenance(plan)}", figure, finding)]


def legend(names: Sequence[str], *, references: bool, seeds: int) -> list[Line2D]:
    """Entries for the conditions, the references, and what is drawn over seeds."""
    groups = [mark(i, shown(name, 44)) for i, name in enumerate(names) if len(names) > 1]
    return [*groups, *[no_fusion()] * references, *([one_seed(), interval()] if seeds > 1 else [])]


def _gaps(
    found: Simultaneous, rows: Mapping[str, Row], methods: Sequence[str], names: Sequence[str]
) -> dict[str, list[Mark]]:
    """Method -> the gap of each of its rows to the best row, with its letters."""
    letters = found.letters() if found.any_found else {}
    planned = [row.row for row in rows.values()]
    lanes: dict[str, list[Mark]] = {method: [] for method in methods}
    for name, row in rows.items():
        gap, where = found.gap(name, found.best), condition(row.row, planned)
        group = names.index(where) if where in names else 0
        ends = (np.nan, np.nan) if name == found.best else (gap.low, gap.high)
        note, label = letters.get(name, ""), f"{name} less {found.best}"
        lanes[row.row.method].append(
            Mark(np.array([]), gap.value, *ends, group, row.row.reference, label, note)
        )
    return lanes


def _reading(found: Simultaneous) -> str:
    letters = (
        "rows that share a letter cannot be distinguished" if found.any_found else "no pair of rows can be"
    )
    return (
        f"Right: each row less the best, {found.best}, with 95 % intervals that hold for all pairs at once. "
        f"Where one reaches the line at 0, the two cannot be distinguished; {letters}. Left: the values. "
    )


def _finding(found: Simultaneous, metric: Metric) -> str:
    """What the figure shows."""
    same = sum(not found.distinguished(name, found.best) for name in found.names) - 1
    others = len(found.names) - 1
    way = "lowest" if metric.lower_is_better else "highest"
    best = float(found.means[found.names.index(found.best)])
    if same in (0, others):
        said = f"{'none' if same else 'each'} of the others can"
    else:
        said = f"{same} of the {others} others cannot"
    return (
        f"{found.best} has the {way} mean {metric.name} of {len(found.names)} rows, {best:.3g}; {said} be "
        "distinguished from it."
    )
