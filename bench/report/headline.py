"""The two questions that a reader comes with: which fusion is best, and does fusion help at all?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.compare.frame import Results, Row
from bench.compare.simultaneous import Gap, Simultaneous
from bench.compare.verdict import (
    DECIMALS,
    best_row,
    comparable,
    compared,
    control_procedure,
    floors,
    resolution,
)
from bench.report.captions import listed
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


@dataclass(frozen=True)
class _Duel:
    """All fusions against one row without: the row, the comparison that it is in, and the gaps to it.

    Attributes:
        rival: name of the row.
        found: the comparison with it.
        gaps: fusion -> its gap to it, simultaneous over all fusions (Dunnett).
    """

    rival: str
    found: Simultaneous
    gaps: Mapping[str, Gap]

    def won(self, fusion: str) -> bool:
        """Whether a fusion is found to be better."""
        return self.gaps[fusion].found and self._better(fusion)

    def lost(self, fusion: str) -> bool:
        """Whether a fusion is found to be worse, and none may be the best of all rows."""
        worse = self.gaps[fusion].found and not self._better(fusion)
        return worse and not set(self.found.candidates()) & set(self.gaps)

    def _better(self, fusion: str) -> bool:
        return (self.gaps[fusion].value < 0) == self.found.lower_is_better


def _helps(results: Results) -> tuple[str, str]:
    """Whether fusion helps: yes where some fusion is better than every reference, no where the best is worse.

    Better than each of several means better than the one that is truly best, so it is asked of each with all
    fusions at once, and no correction for the number of references is due.
    """
    rows = comparable(results, references=True)
    fusions = [name for name, row in rows.items() if not row.row.reference]
    duels = _duels(results, rows, fusions)
    if not duels:
        return "Not shown", "There are fewer than two seeds, or nothing to compare: there is no test."
    order = [name for name in duels[0].found.order if name in fusions]
    winners = [fusion for fusion in order if all(duel.won(fusion) for duel in duels)]
    # the hardest to beat, by its mean
    first = (winners or order)[0]
    sign = 1 if results.primary.lower_is_better else -1
    duel = max(duels, key=lambda d: sign * d.gaps[first].value)
    gap, how = duel.gaps[first], control_procedure(results, list(rows.values()), len(fusions))
    said = (
        f"The {results.primary.name} of {first} less that of {duel.rival} is {gap.value:+.{DECIMALS}f}, "
        f"simultaneous 95 % interval {interval_text(gap.low, gap.high, sign='+')} ({how})."
    )
    if winners:
        said += f" Better than every reference: {', '.join(winners)}."
        apart = duel.found.distinguished(first, duel.rival)
        return "Yes", said if apart else f"{said} {SHARED}"
    if duel.lost(first):
        return "No", f"{said} No fusion may be the best of all rows."
    if duel.won(first):
        open_ = [other.rival for other in duels if not other.won(first)]
        return "Not shown", f"{said} It cannot be distinguished from {listed(open_)}."
    if gap.found:
        return "Not shown", f"{said} Another fusion may still be better."
    return "Not shown", f"{said} It may be chance: {resolution([gap])}."


SHARED = "Letters compare all pairs of rows, which asks for more: these two share one."


def _duels(results: Results, rows: Mapping[str, Row], fusions: Sequence[str]) -> list[_Duel]:
    """All fusions against each reference, and each row that looks at nothing, which the others leave out."""
    found = compared(results, rows)
    if found is None or not fusions:
        return []
    duels = [_Duel(n, found, found.against(n, fusions)) for n, row in rows.items() if row.row.reference]
    for name, row in floors(results).items():
        beside = compared(results, {**{fusion: rows[fusion] for fusion in fusions}, name: row})
        if beside is not None:
            duels.append(_Duel(name, beside, beside.against(name, fusions)))
    return duels
