"""What the stored runs allow to be said, in words: which differences are more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import spearmanr

from bench.plan import Plan, PlanRow
from bench.stats import corrected_interval, corrected_paired_test, holm
from bench.store import RunStore

BEST_BY = "MSE"
"""The metric that verdicts are about: the one that is trained for."""

ONE_SEED = "One seed: no spread, no test, no verdict. Use --seeds 3 or more."


def verdict(plan: Plan, store: RunStore) -> str:
    """A sentence or two on the rows of a plan; "" where there is nothing to compare."""
    label = labels(plan)
    complete = {
        label(row): [store.metrics(run)[BEST_BY] for run in row.runs]
        for row in plan.rows
        if not row.reference and row.runs and all(store.complete(run) for run in row.runs)
    }
    if len(complete) < 2:
        return ""
    if plan.seeds < 2:
        return ONE_SEED
    metrics = store.metrics(next(row.runs[0] for row in plan.rows if label(row) in complete))
    sizes = int(metrics["n_train"]), int(metrics["n_test"])
    if plan.experiment == "entities":
        return _entities(plan, complete, label, sizes)
    return _best(plan, complete, sizes)


def _best(plan: Plan, squared: Mapping[str, list[float]], sizes: tuple[int, int]) -> str:
    """Which rows cannot be told from the best one, by Holm-corrected paired tests over seeds."""
    best = min(squared, key=lambda name: float(np.mean(squared[name])))
    p = holm(
        {
            name: corrected_paired_test(np.subtract(x, squared[best]), *sizes)
            for name, x in squared.items()
            if name != best
        }
    )
    test = f"paired corrected t-test over {plan.seeds} seeds, Holm, 5 %"
    worse = [name for name, value in p.items() if value < 0.05]
    same = [name for name, value in p.items() if not value < 0.05]
    text = f"Lowest mean {BEST_BY}: {best}. "
    if not worse:
        smallest = min(p.values())
        return text + (
            f"Nothing else can be told from it ({test}; smallest p {smallest:.2f}): the order may be chance."
        )
    return (
        text
        + f"Told from it ({test}): {', '.join(worse)}. "
        + (f"Not told: {', '.join(same)}." if same else "")
    )


def _entities(
    plan: Plan,
    squared: Mapping[str, list[float]],
    label: Callable[[PlanRow], str],
    sizes: tuple[int, int],
) -> str:
    """How much worse MEMF gets without each entity, and whether the order is that of the true shares."""
    everything = next(
        (x for name, x in squared.items() if "without" not in name and "only" not in name), None
    )
    rows = {
        row.variant.removeprefix("without "): label(row)
        for row in plan.rows
        if row.variant.startswith("without")
    }
    if everything is None or not rows:
        return ""
    rises = {e: np.subtract(squared[name], everything) for e, name in rows.items() if name in squared}
    p = holm({entity: corrected_paired_test(rise, *sizes) for entity, rise in rises.items()})
    parts = []
    for entity in sorted(rises, key=lambda e: -float(np.mean(rises[e]))):
        low, high = corrected_interval(rises[entity].tolist(), *sizes)
        parts.append(f"{entity} {np.mean(rises[entity]):+.3f} [{low:+.3f}, {high:+.3f}] (p {p[entity]:.2f})")
    text = f"Rise of {BEST_BY} without an entity, 95 % interval, Holm-corrected p: {'; '.join(parts)}."
    shares = {row["entity"]: row["share"] for row in plan.facts.get("true_shares", [])}
    if len(shares) > 2 and set(shares) == set(rises):
        rank = spearmanr([shares[e] for e in rises], [float(np.mean(rises[e])) for e in rises]).statistic
        known = ", ".join(f"{entity} {share:.2f}" for entity, share in shares.items())
        text += f" True shares of the generator: {known}. Spearman correlation of the two orders: {rank:.2f}."
    return text


def labels(plan: Plan) -> Callable[[PlanRow], str]:
    """Names for the rows of a plan where several stand beside each other: encoders only if they differ."""
    compared = [row for row in plan.rows if not row.reference]
    differ = [m for m in ("image", "text") if len({row.encoders.get(m) for row in compared}) > 1]

    def label(row: PlanRow) -> str:
        extras = [row.variant, *(row.encoders.get(modality, "") for modality in differ)]
        extras = [extra for extra in extras if extra]
        return f"{row.method} ({', '.join(extras)})" if extras else row.method

    return label
