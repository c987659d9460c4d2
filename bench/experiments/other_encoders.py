"""What other encoders change: the metric of every method, and the order of the fusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.compare.agreement import agreement
from bench.compare.frame import Results, Row
from bench.compare.simultaneous import Gap
from bench.compare.verdict import DECIMALS, comparable, planned, planned_procedure, resolution
from bench.labels import told_apart


def change_of_encoders(results: Results) -> str:
    """Every further combination of encoders against the first one, method by method; "" for a single one.

    All these comparisons are planned, and made at once.
    """
    rows = {name: row for name, row in comparable(results, references=True).items() if row.row.encoders}
    name = told_apart([row.row for row in rows.values()])
    sets: dict[str, dict[str, Row]] = {}
    for row in rows.values():
        method = ", ".join(filter(None, [row.row.method, row.row.variant]))
        sets.setdefault(", ".join(name(row.row)), {})[method] = row
    if len(sets) < 2 or results.plan.seeds < 2:
        return ""
    first, *others = sets
    pairs = {
        f"{method} on {other}": (f"{method} on {first}", f"{method} on {other}")
        for other in others
        for method in sets[other]
        if method in sets[first]
    }
    if not pairs:
        return ""
    named = {f"{method} on {known}": row for known in sets for method, row in sets[known].items()}
    compared = {key: named[key] for key in dict.fromkeys(key for pair in pairs.values() for key in pair)}
    gaps = planned(results, compared, {pair: (new, old) for pair, (old, new) in pairs.items()})
    said = [_said(results, sets, first, other, gaps) for other in others if sets[other].keys() & sets[first]]
    return f"{' '.join(said)} ({planned_procedure(results, list(compared.values()), len(pairs))}.)"


def _said(
    results: Results,
    sets: Mapping[str, Mapping[str, Row]],
    first: str,
    other: str,
    gaps: Mapping[str, Gap],
) -> str:
    metric = results.primary.name
    found = {method: gaps[f"{method} on {other}"] for method in sets[other] if method in sets[first]}
    sure = [f"{method} ({gap.value:+.{DECIMALS}f})" for method, gap in found.items() if gap.found]
    unsure = [gap for gap in found.values() if not gap.found]
    said = f"With {other} in place of {first}, the {metric} of "
    said += f"{', '.join(sure)} changes" if sure else "no method can be shown to change"
    if sure and unsure:
        said += f"; for the other {len(unsure) if len(unsure) > 1 else 'one'} no change can be shown"
    said += f": {_reach(unsure)}." if unsure else "."
    fusions = [method for method in found if not sets[first][method].row.reference]
    if len(fusions) > 2:
        means = [{m: sets[known][m].mean(metric) for m in fusions} for known in (first, other)]
        said += f" Order of the {len(fusions)} fusions: {agreement(*means)}."
    return said


def _reach(gaps: Sequence[Gap]) -> str:
    """What would have been found of changes that were not; methods differ much in how steady they are."""
    found = sorted(gap.detectable for gap in gaps)
    if len(found) == 1:
        return resolution(gaps)
    middle = found[(len(found) - 1) // 2]
    return f"for half of them a change of {middle:.{DECIMALS}f} would have been found in four cases of five"
