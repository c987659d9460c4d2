"""The two questions that a reader comes with: which fusion is best, and does fusion help at all?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.compare.frame import Results, Row
from bench.compare.tests import holm, interval
from bench.compare.verdict import LEVEL, best_row, p_value, test_of
from bench.report.sheet import DECIMALS, interval_text


@dataclass(frozen=True)
class Entry:
    """One of the compared rows: its name, its mean and the interval of the mean."""

    role: str
    name: str
    mean: str
    interval: str


@dataclass(frozen=True)
class Headline:
    """The headline comparison.

    Attributes:
        metric: that the entries are about.
        entries: the best fusion and the best row without.
        answer: "Yes", "No" or "Not shown": does fusion help? "" where there is nothing to compare.
        reason: the numbers behind the answer.
    """

    metric: str
    entries: tuple[Entry, ...]
    answer: str
    reason: str


def headline(results: Results) -> Headline | None:
    """The headline of a comparison of fusions; None where it has no results."""
    metric = results.primary
    fusions = results.full([row for row in results.finite if not row.row.reference])
    fused = best_row(fusions, metric)
    plain = best_row(results.full([row for row in results.finite if row.row.reference]), metric)
    if fused is None:
        return None
    entries, answer, reason = [_entry(results, "Best fusion", fused)], "", ""
    if plain is not None:
        entries.append(_entry(results, "Best without fusion", plain))
        # the best of many is the best by luck too: its p value is corrected for all that might have been
        p = holm({row.row.identity: p_value(results, row, plain, metric) for row in fusions})
        answer, reason = _helps(results, fused, plain, p[fused.row.identity], len(fusions))
    return Headline(metric.name, tuple(entries), answer, reason)


def _entry(results: Results, role: str, row: Row) -> Entry:
    over = "" if results.plan.split == "random" else " of training alone"
    metric = results.primary
    shown = interval_text(*row.interval(metric))
    name = results.plan.labels()(row.row)
    return Entry(role, name, f"{row.mean(metric.name):.{DECIMALS}f}", shown and shown + over)


def _helps(results: Results, fused: Row, plain: Row, p: float, rivals: int) -> tuple[str, str]:
    """Whether the best fusion beats the best row without fusion, by a paired test over common seeds."""
    metric, name = results.primary, results.plan.labels()
    names = name(fused.row), name(plain.row)
    difference = fused.against(plain, metric.name)
    if len(difference) < 2:
        return "Not shown", f"{names[0]} and {names[1]} share fewer than two seeds: there is no test."
    mean = float(np.mean(difference))
    better = mean < 0 if metric.lower_is_better else mean > 0
    answer = "Not shown" if not p < LEVEL else "Yes" if better else "No"
    doubt = "" if p < LEVEL else " The difference may be chance."
    how = ""
    if results.plan.split == "random":
        how = f", 95 % interval {interval_text(*interval(difference, *fused.overlap), sign='+')}"
    how += f", {f'p = {p:.3f}' if p >= 0.001 else 'p < 0.001'}"
    test = test_of(results, len(difference), fused.tested)
    many = f", Holm-corrected for {rivals} fusions that might have been the best" if rivals > 1 else ""
    return answer, (
        f"The {metric.name} of {names[0]} less that of {names[1]} is {mean:+.{DECIMALS}f}{how} "
        f"({test}{many}).{doubt}"
    )
