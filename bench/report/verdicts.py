"""What the stored runs allow to be said, in words: which differences are more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from bench.experiments.missing import DROPOUT, FULL
from bench.plan import Plan, PlanRow
from bench.report.missing import CURVE, EXPERIMENT, curves_of
from bench.report.names import short
from bench.report.seeds import overlap_of
from bench.stats import corrected_interval, corrected_paired_test, crossed_paired_test, holm
from bench.store import RunStore

BEST_BY = "MSE"
"""The metric that verdicts are about: the one that is trained for."""

_TEST = "paired corrected t-test over {} seeds, Holm, 5 %"

ONE_SEED = "One seed: no spread, no test, no verdict. Use --seeds 3 or more."


def verdict(plan: Plan, store: RunStore) -> str:
    """A sentence or two on the rows of a plan; "" where there is nothing to compare."""
    label = labels(plan)
    rows = {label(row): row for row in plan.rows if not row.reference and _is_full(row, plan, store)}
    values = {name: [store.metrics(r, row.scored)[BEST_BY] for r in row.runs] for name, row in rows.items()}
    values = {name: x for name, x in values.items() if np.isfinite(x).all()}  # one diverged is no match
    if len(values) < 2:
        return ""
    if plan.seeds < 2:
        return ONE_SEED
    metrics = store.metrics(rows[next(iter(values))].runs[0])
    overlap = overlap_of(plan, metrics)
    if plan.experiment == EXPERIMENT:
        return _missing(plan, store, overlap)
    if any(row.scored == "complete" for row in plan.rows):
        return _handling(plan, store)
    if plan.experiment == "entities":
        return _entities(plan, values, label, overlap)
    best = min(values, key=lambda name: float(np.mean(values[name])))
    kind = "fusion" if len({rows[name].method for name in values}) > 1 else "variant"
    if plan.split == "random":
        return _best(best, kind, _against(best, values, overlap), _TEST.format(plan.seeds))
    errors = {name: squared_errors(rows[name].runs, store) for name in values}
    others = {name: crossed_paired_test(x - errors[best]) for name, x in errors.items() if name != best}
    test = f"paired test over {plan.seeds} seeds and {metrics['n_test']} test samples, Holm, 5 %"
    return _best(best, kind, holm(others), test)


def _is_full(row: PlanRow, plan: Plan, store: RunStore) -> bool:
    """Whether a row has all seeds of the plan: it is compared with others seed by seed."""
    return len(row.runs) == plan.seeds and all(store.complete(run) for run in row.runs)


def squared_errors(runs: Sequence[str], store: RunStore) -> np.ndarray:
    """Squared errors (seeds, test samples) of runs that share one test part."""
    predictions = [store.predictions(run) for run in runs]
    return np.stack([((p["y_pred"] - p["y_true"]) ** 2).to_numpy() for p in predictions])


def seeds_test(plan: Plan) -> str:
    """The test that compares what differs between the seeds of a plan, and what it cannot speak of."""
    if plan.split == "random":
        return _TEST.format(plan.seeds)
    return f"paired t-test over {plan.seeds} seeds, Holm, 5 %, of training alone, on one test part"


def _best(best: str, kind: str, p: Mapping[str, float], test: str) -> str:
    """Which rows cannot be distinguished from the best one, by their p values after Holm's correction."""
    worse = [name for name, value in p.items() if value < 0.05]
    same = [name for name, value in p.items() if not value < 0.05]
    text = f"Lowest mean {BEST_BY}: {best}. "
    if not worse:
        return text + (
            f"No other {kind} can be distinguished from it ({test}; smallest p {min(p.values()):.2f}): "
            "the order may be chance."
        )
    rest = f" Not distinguished: {', '.join(same)}." if same else ""
    return f"{text}Distinguished from it ({test}): {', '.join(worse)}.{rest}"


def _handling(plan: Plan, store: RunStore) -> str:
    """Whether dropping incomplete samples changes the error on complete ones, method by method."""
    arms: dict[str, dict[str, list[dict[str, Any]]]] = {"keep": {}, "drop": {}}
    label = labels(plan, with_variant=False)
    for row in plan.rows:
        arm = next((arm for arm in arms if f"{arm}, on complete" in row.variant), None)
        if arm and not row.reference and _is_full(row, plan, store):
            rest = row.variant.removesuffix(f"{arm}, on complete samples").rstrip(", ")
            arms[arm][f"{label(row)} ({rest})" if rest else label(row)] = [
                store.metrics(run, row.scored) for run in row.runs
            ]
    changes, p = {}, {}
    for name in arms["keep"].keys() & arms["drop"].keys():
        keep, drop = arms["keep"][name], arms["drop"][name]
        change = np.subtract([run[BEST_BY] for run in drop], [run[BEST_BY] for run in keep])
        changes[name] = float(change.mean())
        p[name] = corrected_paired_test(change, *overlap_of(plan, drop[0]))
    if not changes:
        return ""
    p = holm(p)
    sure = [f"{name} {changes[name]:+.3f}" for name in sorted(p, key=p.__getitem__) if p[name] < 0.05]
    worse = sum(change > 0 for change in changes.values())
    train = {arm: int(next(iter(rows.values()))[0]["n_train"]) for arm, rows in arms.items()}
    said = f"shown by a {seeds_test(plan)}: {', '.join(sure)}."
    if not sure:
        said = f"for none can this be shown ({seeds_test(plan)}; smallest p {min(p.values()):.2f})."
    return (
        f"Dropping leaves {train['drop']} of {train['keep']} samples to learn from. On the complete test "
        f"samples it raises the mean {BEST_BY} of {worse} of {len(changes)} rows; {said}"
    )


def _against(
    best: str, values: Mapping[str, Sequence[float] | np.ndarray], overlap: tuple[int, int]
) -> dict[str, float]:
    """Holm-corrected p values that the others equal the best one."""
    others = {name: x for name, x in values.items() if name != best}
    return holm(
        {name: corrected_paired_test(np.subtract(x, values[best]), *overlap) for name, x in others.items()}
    )


def _missing(plan: Plan, store: RunStore, overlap: tuple[int, int]) -> str:
    """The largest area under R2 in each arm, what differs from it, and whether source dropout changes it."""
    arms: dict[str, dict[str, np.ndarray]] = {}
    for curves in curves_of(plan, store):
        if len(curves.runs) == plan.seeds:  # paired over seeds: a row that lacks one is left out
            arms.setdefault(curves.row.variant, {})[curves.row.method] = curves.areas(CURVE)
    sentences = [_largest(arm, areas, overlap) for arm, areas in arms.items() if len(areas) > 1]
    changes = {
        _pair(arm, method): np.subtract(x, arms[full][method])
        for arm, areas in arms.items()
        for method, x in areas.items()
        if arm.startswith(DROPOUT) and method in arms.get(full := arm.replace(DROPOUT, FULL, 1), {})
    }
    sentences += [_changed(changes, overlap)] if changes else []
    return f"By a {seeds_test(plan)}: {' '.join(sentences)}" if sentences else ""


def _pair(arm: str, method: str) -> str:
    """The name of a method in an arm of dropout, which there may be several of."""
    rest = arm.removeprefix(DROPOUT).lstrip(", ")
    return f"{method} ({rest})" if rest else method


def _largest(arm: str, areas: Mapping[str, np.ndarray], overlap: tuple[int, int]) -> str:
    """One arm: the largest mean area, and what can be distinguished from it."""
    best = max(areas, key=lambda name: float(areas[name].mean()))
    p = _against(best, areas, overlap)
    worse = [name for name, value in p.items() if value < 0.05]
    same = [name for name, value in p.items() if not value < 0.05]
    said = f"distinguished from it: {', '.join(worse)}"
    said += f"; not distinguished: {', '.join(same)}" if same else ""
    if not worse:
        smallest = min(p.values())
        said = f"no other can be distinguished from it, the order may be chance (smallest p {smallest:.2f})"
    return f"With {arm}, {best} has the largest mean area under {CURVE}; {said}."


def _changed(changes: Mapping[str, np.ndarray], overlap: tuple[int, int]) -> str:
    """Whose area source dropout changes."""
    p = holm({name: corrected_paired_test(x, *overlap) for name, x in changes.items()})
    sure = [f"{name} ({changes[name].mean():+.3f}, p {v:.2f})" for name, v in p.items() if v < 0.05]
    open_ = [name for name, value in p.items() if not value < 0.05]
    if not sure:
        smallest = f"smallest p {min(p.values()):.2f}"
        return f"That source dropout changes the area cannot be shown for any method ({smallest})."
    unknown = f"; for {', '.join(open_)} nothing can be shown" if open_ else ""
    return f"Source dropout changes the area of {', '.join(sure)}{unknown}."


def _entities(
    plan: Plan,
    squared: Mapping[str, list[float]],
    label: Callable[[PlanRow], str],
    overlap: tuple[int, int],
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
    p = holm({entity: corrected_paired_test(rise, *overlap) for entity, rise in rises.items()})
    parts = []
    for entity in sorted(rises, key=lambda e: -float(np.mean(rises[e]))):
        low, high = corrected_interval(rises[entity].tolist(), *overlap)
        parts.append(f"{entity} {np.mean(rises[entity]):+.3f} [{low:+.3f}, {high:+.3f}] (p {p[entity]:.2f})")
    scope = "" if plan.split == "random" else ", of training alone, on one test part"
    text = f"Rise of {BEST_BY} without an entity, 95 % interval, Holm-corrected p{scope}: {'; '.join(parts)}."
    shares = {row["entity"]: row["share"] for row in plan.facts.get("true_shares", [])}
    if len(shares) > 2 and set(shares) == set(rises):
        rank = spearmanr([shares[e] for e in rises], [float(np.mean(rises[e])) for e in rises]).statistic
        known = ", ".join(f"{entity} {share:.2f}" for entity, share in shares.items())
        text += f" True shares of the generator: {known}. Spearman correlation of the two orders: {rank:.2f}."
    return text


def labels(plan: Plan, *, with_variant: bool = True) -> Callable[[PlanRow], str]:
    """Names for the rows of a plan where several stand beside each other: encoders only if they differ."""
    compared = [row for row in plan.rows if not row.reference]
    differ = [m for m in ("image", "text") if len({row.encoders.get(m) for row in compared}) > 1]
    shown = short(name for row in plan.rows for name in row.encoders.values())

    def label(row: PlanRow) -> str:
        extras = [
            row.variant if with_variant else "",
            *(shown[row.encoders[modality]] for modality in differ if modality in row.encoders),
        ]
        extras = [extra for extra in extras if extra]
        return f"{row.method} ({', '.join(extras)})" if extras else row.method

    return label
