"""The two questions that a reader comes with: which fusion is best, and does fusion help at all?"""

from __future__ import annotations

from dataclasses import dataclass

from bench.compare.frame import Results, Row
from bench.compare.simultaneous import LEVEL, Simultaneous
from bench.compare.verdict import DECIMALS, best_row, comparable, compared, procedure, resolution
from bench.report.sheet import digits, interval_text


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
    fused = best_row(results.full([row for row in results.finite if not row.row.reference]), metric)
    plain = best_row(results.full([row for row in results.finite if row.row.reference]), metric)
    if fused is None:
        return None
    entries = [_entry(results, "Best fusion", fused)]
    if plain is None:
        return Headline(metric.name, tuple(entries), "", "")
    entries.append(_entry(results, "Best without fusion", plain))
    return Headline(metric.name, tuple(entries), *_helps(results))


def _entry(results: Results, role: str, row: Row) -> Entry:
    over = " of training alone" if results.plan.fixed else ""
    metric = results.primary
    shown = interval_text(*row.interval(metric))
    name = results.plan.labels()(row.row)
    return Entry(role, name, digits(row.mean(metric.name)), shown and shown + over)


def _helps(results: Results) -> tuple[str, str]:
    """Whether fusion helps: yes where some fusion is better than every reference, no where the best is worse.

    Better than each of several means better than the one that is truly best, so it is asked of each with all
    fusions at once (Dunnett), and no correction for the number of references is due.
    """
    rows = comparable(results, references=True)
    fusions = [name for name, row in rows.items() if not row.row.reference]
    references = [name for name, row in rows.items() if row.row.reference]
    found = compared(results, rows)
    if found is None or not fusions or not references:
        return "Not shown", "There are fewer than two seeds, or nothing to compare: there is no test."
    name, how = results.primary.name, procedure(results, list(rows.values()))
    better = {fusion: _worst(found, fusion, fusions, references) for fusion in fusions}
    winners = [fusion for fusion in found.order if better.get(fusion, 1.0) < LEVEL]
    best = {kind: min(names, key=found.order.index) for kind, names in (("f", fusions), ("r", references))}
    gap = found.gap(best["f"], best["r"])
    said = (
        f"The {name} of {best['f']} less that of {best['r']} is {gap.value:+.{DECIMALS}f}, simultaneous 95 % "
        f"interval {interval_text(gap.low, gap.high, sign='+')} ({how})."
    )
    if winners:
        how = "each against all fusions at once, 5 %"
        return "Yes", f"{said} Better than every reference ({how}): {', '.join(winners)}."
    if gap.found:
        return "No", said
    return "Not shown", f"{said} It may be chance: {resolution([gap])}."


def _worst(found: Simultaneous, fusion: str, fusions: list[str], references: list[str]) -> float:
    """The largest p value that a fusion is better than each of the references; 1 where it is not better."""
    sign = 1 if found.lower_is_better else -1
    gaps = [found.against(reference, fusions)[fusion] for reference in references]
    return max(gap.p if sign * gap.value < 0 else 1.0 for gap in gaps)
