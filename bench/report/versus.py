"""Methods on the same samples, as tables: every method, its difference to the best, and every pair."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.compare.bayes import chances
from bench.compare.conclusion import conclusion
from bench.compare.field import Field
from bench.compare.superiority import superiority
from bench.report.comparing import NAME, Comparison
from bench.report.sheet import Cell, Column, Line, Sheet

PAIRS = (
    "method", "other", "difference", "difference_low", "difference_high", "p", "detectable",
    "p_better", "p_same", "p_worse", "superiority",
)  # fmt: skip
"""The columns of the table of all pairs."""


def versus(field: Field, rope: float) -> Comparison:
    """A comparison of all methods of a field, where differences up to `rope` count as none."""
    pairs = every_pair(field, rope)
    return Comparison(
        sheet=_sheet(field, pairs, rope),
        said=[conclusion(field, rope)],
        few=["method", field.metric.name, "gap", "letters", "p_better", "p_same"],
        more={"pairs": pairs},
    )


def every_pair(field: Field, rope: float) -> pd.DataFrame:
    """A row per ordered pair of methods, in the order of their means; columns as PAIRS."""
    found, metric = field.found, field.metric
    shares = superiority(field.losses, lower_is_better=metric.lower_is_better) if field.losses else None
    lines = []
    for one in found.order:
        for other in found.order:
            if one == other:
                continue
            gap, believed = found.gap(one, other), chances(found, one, other, rope)
            i, j = found.names.index(one), found.names.index(other)
            share = None if shares is None else float(shares[i, j])
            lines.append((one, other, gap.value, gap.low, gap.high, gap.p, gap.detectable, *believed, share))
    return pd.DataFrame(lines, columns=list(PAIRS))


def _sheet(field: Field, pairs: pd.DataFrame, rope: float) -> Sheet:
    found, metric = field.found, field.metric
    letters, candidates = found.letters(), found.candidates()
    beside = pairs[pairs["other"] == found.best].set_index("method")
    means = dict(zip(found.names, found.means, strict=True))
    columns = [
        Column("method"),
        Column(metric.name, "metric", order="ascending" if metric.lower_is_better else "descending"),
        Column("gap", "metric", interval=True),
        Column("letters"),
        Column("may_be_best"),
        Column("p_better", "metric"),
        Column("p_same", "metric"),
        Column("p_worse", "metric"),
        *([Column("superiority", "metric")] if field.losses else []),
    ]
    lines = []
    for name in found.order:
        row: dict[str, Any] = dict(beside.loc[name]) if name in beside.index else {}
        nan = float("nan")
        gap = Cell(
            row.get("difference", 0.0), "metric",
            low=row.get("difference_low", nan), high=row.get("difference_high", nan),
        )  # fmt: skip
        cells = [
            Cell(name), Cell(float(means[name]), "metric", best=name == found.best), gap,
            Cell(letters[name]), Cell("yes" if name in candidates else "no"),
        ]  # fmt: skip
        cells += [Cell(row.get(column.name, nan), "metric") for column in columns[5:]]
        lines.append(Line(tuple(cells)))
    return Sheet(NAME, _caption(field, rope), tuple(columns), tuple(lines), f"Compared by {metric.name}")


def _caption(field: Field, rope: float) -> str:
    superior = " superiority: on which share of test samples it is closer to the truth, ties half."
    return (
        f"{field.about} gap: to the best mean, with the simultaneous 95 % interval in the CSV file. letters: "
        "rows that share one cannot be distinguished. may_be_best: the true best is among them in 95 % of "
        "cases. p_better, p_same, p_worse: probability that the row is better than the one with the best "
        f"mean, practically the same (within {rope:g}), or worse.{superior if field.losses else ''} "
        f"{field.procedure}."
    )
