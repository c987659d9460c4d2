"""The two questions that a reader comes with: which fusion is best, and does fusion help at all?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.plan import Plan
from bench.report.figures.results import Result, results_of
from bench.report.sheets import DECIMALS, interval
from bench.report.verdicts import BEST_BY, labels, squared_errors, verdict
from bench.stats import corrected_interval, corrected_paired_test, crossed_paired_test, holm
from bench.store import RunStore

EXPERIMENT = "fusion"
LEVEL = 0.05


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
        answer: "Yes", "No" or "Not shown": does fusion help? "" where there is nothing to compare.
        reason: the numbers behind the answer.
        verdict: which fusions cannot be distinguished from the best.
    """

    metric: str
    entries: tuple[Entry, ...]
    answer: str
    reason: str
    verdict: str


def headline(plans: Sequence[Plan], store: RunStore) -> Headline | None:
    """The headline of the fusion experiment; None where it has no results."""
    plan = next((p for p in plans if p.name == EXPERIMENT and not p.not_applicable), None)
    results = results_of(plan, store) if plan else []
    fused, plain = (_lowest([r for r in results if r.row.reference == flag]) for flag in (False, True))
    if plan is None or fused is None:
        return None
    name = labels(plan)
    entries = [_entry(plan, "Best fusion", name(fused.row), fused)]
    answer = reason = ""
    if plain is not None:
        entries.append(_entry(plan, "Best without fusion", name(plain.row), plain))
        rivals = _full([result for result in results if not result.row.reference])
        # the best of many is the best by luck too: its p value is corrected for all that might have been
        p = holm({name(rival.row): _p(plan, store, rival, plain) for rival in rivals})[name(fused.row)]
        answer, reason = _helps(plan, fused, plain, p, len(rivals), (name(fused.row), name(plain.row)))
    return Headline(BEST_BY, tuple(entries), answer, reason, verdict(plan, store))


def _full(results: Sequence[Result]) -> list[Result]:
    """The rows of as many seeds and test samples as any has: fewer may have been easier."""
    most = max((len(result.runs) for result in results), default=0)
    tested = max((result.tested for result in results), default=0)
    return [result for result in results if len(result.runs) == most and result.tested == tested]


def _lowest(results: Sequence[Result]) -> Result | None:
    return min(_full(results), key=lambda result: result.mean(BEST_BY), default=None)


def _p(plan: Plan, store: RunStore, fused: Result, plain: Result) -> float:
    """The p value that a fusion and a row without one are equally good."""
    if plan.split == "random":
        return corrected_paired_test(fused.against(plain, BEST_BY).tolist(), *fused.overlap)
    both = [seed for seed in fused.runs if seed in plain.runs]
    errors = [squared_errors([result.row.runs[seed] for seed in both], store) for result in (fused, plain)]
    return crossed_paired_test(errors[0] - errors[1]) if both else float("nan")


def _entry(plan: Plan, role: str, name: str, result: Result) -> Entry:
    over = "" if plan.split == "random" else " of training alone"
    shown = interval(*result.interval(BEST_BY))
    return Entry(role, name, f"{result.mean(BEST_BY):.{DECIMALS}f}", shown and shown + over)


def _helps(
    plan: Plan, fused: Result, plain: Result, p: float, rivals: int, names: tuple[str, str]
) -> tuple[str, str]:
    """Whether the best fusion beats the best row without fusion, by a paired test over common seeds."""
    difference = fused.against(plain, BEST_BY)
    if len(difference) < 2:
        return "Not shown", f"{names[0]} and {names[1]} share fewer than two seeds: there is no test."
    mean, seeds = float(difference.mean()), len(difference)
    answer = "Not shown" if not p < LEVEL else "Yes" if mean < 0 else "No"
    shown = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    doubt = "" if p < LEVEL else " The difference may be chance."
    if plan.split == "random":
        low_high = interval(*corrected_interval(difference.tolist(), *fused.overlap), sign="+")
        how = f", 95 % interval {low_high}, {shown} (paired corrected t-test over {seeds} seeds"
    else:
        how = f", {shown} (paired test over {seeds} seeds and {fused.tested} test samples"
    many = f", Holm-corrected for {rivals} fusions that might have been the best" if rivals > 1 else ""
    return answer, (
        f"The {BEST_BY} of {names[0]} less that of {names[1]} is {mean:+.{DECIMALS}f}{how}{many}).{doubt}"
    )
