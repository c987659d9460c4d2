"""What a reader must know before believing a number: collected from plans and stored runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.frame import Results
from bench.plan import Plan
from bench.report.provenance import environments

ENOUGH_SEEDS = 5
SHOWN = 12
"""How many items a warning lists before it only counts them."""
MOST_CAPPED = 0.1
"""Share of a method's runs that may end at the most epochs allowed."""
RANDOM = " (random)"
"""How the stamp of an encoder with random weights ends."""


@dataclass(frozen=True)
class Notice:
    """One warning: what is wrong, what it means, and where."""

    title: str
    text: str
    items: tuple[str, ...] = ()


def collect(found: Sequence[Results]) -> list[Notice]:
    """All warnings, those that put most numbers in doubt first."""
    plans = [results.plan for results in found]
    return [
        *_random_weights(plans),
        *_few_seeds(plans),
        *_undecodable(plans),
        *_failed_and_missing(found),
        *_diverged(found),
        *_capped(found),
        *_mixed(found),
        *_not_applicable(plans),
    ]


def _random_weights(plans: Sequence[Plan]) -> Iterator[Notice]:
    where: dict[str, dict[str, None]] = {}
    for plan in plans:
        for stamp in (s for row in plan.rows for s in row.stamps.values() if s.endswith(RANDOM)):
            where.setdefault(stamp.removesuffix(RANDOM), {})[plan.experiment] = None
    if where:
        yield Notice(
            f"Random weights: {', '.join(where)}",
            "No pretrained weights were used for these encoders. Their features are random projections of "
            "the raw data: fusions can be compared on them, encoders cannot, and no number here is one to "
            "hold against published ones.",
            tuple(f"{encoder}: {', '.join(names)}" for encoder, names in where.items()),
        )


def _few_seeds(plans: Sequence[Plan]) -> Iterator[Notice]:
    by_count: dict[int, list[str]] = {}
    for plan in plans:
        # one row is a look at one model, nothing is compared
        if max(len(one.rows) for one in plan.each) > 1 and plan.seeds < ENOUGH_SEEDS:
            by_count.setdefault(plan.seeds, []).append(plan.experiment)
    if by_count:
        fewest = min(by_count)
        yield Notice(
            f"Few seeds: {'one' if fewest == 1 else fewest}, where {ENOUGH_SEEDS} or more are wanted",
            "With few splits of the data, intervals are wide and tests rarely distinguish two methods, even "
            "if they differ. One seed allows no test at all. `--seeds 10` adds to the stored runs.",
            tuple(f"{_seeds(n)}: {', '.join(names)}" for n, names in sorted(by_count.items())),
        )


def _undecodable(plans: Sequence[Plan]) -> Iterator[Notice]:
    worst: dict[str, int] = {}
    for plan in plans:
        if plan.undecodable:
            worst[plan.dataset] = max(worst.get(plan.dataset, 0), plan.undecodable)
    for dataset, n in worst.items():
        what = "1 item" if n == 1 else f"{n:,} items"
        yield Notice(
            f"Undecodable files: {what} of {dataset}",
            "They were treated as absent. Every method saw the same rest.",
        )


def _failed_and_missing(found: Sequence[Results]) -> Iterator[Notice]:
    failed: dict[str, str] = {}
    missing: dict[str, int] = {}
    for results in found:
        name, plan = results.plan.labels(), results.plan
        stored = {run.id for row in results.rows for run in row.runs.values()}
        for row in plan.rows:
            for seed, run in enumerate(row.runs):
                if run in results.failed:
                    failed[run] = f"{name(row)}, seed {seed}: {_last_line(results.failed[run])}"
                elif run not in stored:
                    missing[plan.name] = missing.get(plan.name, 0) + 1
    if failed:
        yield Notice(
            f"Failed runs: {len(failed)}",
            "They are no results: means are over the seeds that are left. The same command tries them again.",
            _shortened(list(failed.values())),
        )
    if missing:
        yield Notice(
            f"Missing runs: {sum(missing.values())}",
            "They are planned and not stored: the work was interrupted, goes on, or a stored run is damaged.",
            tuple(f"{name}: {n}" for name, n in missing.items()),
        )


def _diverged(found: Sequence[Results]) -> Iterator[Notice]:
    where = {
        run.id: f"{results.plan.labels()(row.row)}, seed {run.seed}"
        for results in found
        for row in results.rows
        for run in row.runs.values()
        if not np.isfinite(run.values[results.primary.name])
    }
    if where:
        yield Notice(
            f"Diverged runs: {len(where)}",
            f"Their {found[0].primary.name} is not a finite number; figures leave them out.",
            _shortened(list(where.values())),
        )


def _capped(found: Sequence[Results]) -> Iterator[Notice]:
    where = {
        f"{results.plan.name}, {results.plan.labels()(row.row)}": row.capped
        for results in found
        for row in results.rows
        if row.capped > MOST_CAPPED
    }
    rows = "1 row" if len(where) == 1 else f"{len(where)} rows"
    if where:
        yield Notice(
            f"Training cut short: {rows} met the most epochs allowed in more than a tenth of runs",
            "Early stopping did not act, so that a longer training might have been better: "
            "`--set training.epochs=N`.",
            _shortened([f"{name}: {share:.0%}" for name, share in where.items()]),
        )


def _mixed(found: Sequence[Results]) -> Iterator[Notice]:
    n = len(environments(found))
    if n > 1:
        yield Notice(
            f"Mixed origins: runs from {n} different versions or machines",
            "Seconds cannot be compared between them. The section on provenance lists them all.",
        )


def _not_applicable(plans: Sequence[Plan]) -> Iterator[Notice]:
    items = tuple(f"{p.title} ({p.experiment}): {p.not_applicable}" for p in plans if p.not_applicable)
    if items:
        yield Notice(
            f"Experiments that say nothing about this dataset: {len(items)}", "They were left out.", items
        )


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason was kept"


def _shortened(items: list[str]) -> tuple[str, ...]:
    rest = len(items) - SHOWN
    return tuple(items if rest <= 1 else [*items[:SHOWN], f"and {rest} more"])
