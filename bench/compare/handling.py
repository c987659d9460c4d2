"""Keeping incomplete samples or dropping them: what it changes, method by method, on complete ones."""

from __future__ import annotations

from bench.compare.frame import Results, Row
from bench.compare.verdict import DECIMALS, ONE_SEED, planned, planned_procedure, resolution


def handling_verdict(results: Results) -> str:
    """Whether dropping incomplete samples changes the error on complete ones; "" where both were not run."""
    arms = {"keep": _arm(results, "keep"), "drop": _arm(results, "drop")}
    both = [name for name in arms["keep"] if name in arms["drop"]]
    if not both:
        return ""
    if results.plan.seeds < 2:
        return ONE_SEED
    rows = {f"{name}, {arm}": arms[arm][name] for name in both for arm in arms}
    gaps = planned(results, rows, {name: (f"{name}, drop", f"{name}, keep") for name in both})
    found = {name: gap for name, gap in gaps.items() if gap.found}
    raised = sum(gap.value > 0 for gap in gaps.values())
    said = f"shown for {', '.join(f'{name} {gap.value:+.{DECIMALS}f}' for name, gap in found.items())}"
    if not found:
        said = f"for none can this be shown; {resolution(gaps.values())}"
    train = {arm: rows[f"{both[0]}, {arm}"].first.measured["n_train"] for arm in arms}
    return (
        f"Dropping leaves {train['drop']} of {train['keep']} samples to learn from. On the complete test "
        f"samples it raises the mean {results.primary.name} of {raised} of {len(both)} rows; {said}. "
        f"({planned_procedure(results, list(rows.values()), len(both))}.)"
    )


def _arm(results: Results, missing: str) -> dict[str, Row]:
    """The rows of one arm that were tested on complete samples and have all seeds, by what else they are."""
    name = results.plan.labels()
    return {
        name(row.row.model_copy(update={"missing": "", "scored": "all"})): row
        for row in results.finite
        if row.row.missing == missing
        and (missing == "drop" or row.row.scored == "complete")
        and not row.row.reference
        and len(row.runs) == results.plan.seeds
    }
