"""Keeping incomplete samples or dropping them: what it changes, method by method, on complete ones."""

from __future__ import annotations

import numpy as np

from bench.compare.frame import Results, Row
from bench.compare.tests import corrected_paired_test, holm
from bench.compare.verdict import LEVEL, ONE_SEED, seeds_test


def handling_verdict(results: Results) -> str:
    """Whether dropping incomplete samples changes the error on complete ones; "" where both were not run."""
    arms = {"keep": _arm(results, "keep"), "drop": _arm(results, "drop")}
    both = [name for name in arms["keep"] if name in arms["drop"]]
    if not both:
        return ""
    if results.plan.seeds < 2:
        return ONE_SEED
    metric = results.primary
    changes = {name: arms["drop"][name].against(arms["keep"][name], metric.name) for name in both}
    p = holm({name: corrected_paired_test(x, *arms["drop"][name].overlap) for name, x in changes.items()})
    sure = [f"{name} {changes[name].mean():+.3f}" for name in sorted(p, key=p.__getitem__) if p[name] < LEVEL]
    raised = sum(float(np.mean(change)) > 0 for change in changes.values())
    said = f"shown by a {seeds_test(results)}: {', '.join(sure)}."
    if not sure:
        said = f"for none can this be shown ({seeds_test(results)}; smallest p {min(p.values()):.2f})."
    train = {arm: rows[both[0]].first.measured["n_train"] for arm, rows in arms.items()}
    return (
        f"Dropping leaves {train['drop']} of {train['keep']} samples to learn from. On the complete test "
        f"samples it raises the mean {metric.name} of {raised} of {len(both)} rows; {said}"
    )


def _arm(results: Results, missing: str) -> dict[str, Row]:
    """The rows of one arm that were tested on complete samples and have all seeds, by what else they are."""
    name = results.plan.labels()
    return {
        name(row.row.model_copy(update={"missing": "", "scored": "all"})): row
        for row in results.rows
        if row.row.missing == missing
        and (missing == "drop" or row.row.scored == "complete")
        and not row.row.reference
        and len(row.runs) == results.plan.seeds
    }
