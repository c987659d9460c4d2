"""What the stored runs allow to be said, in words: which differences are more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from bench.experiments.missing import DROPOUT, FULL
from bench.plan import Plan, PlanRow
from bench.report.missing import CURVE, EXPERIMENT, curves_of
from bench.stats import corrected_interval, corrected_paired_test, crossed_paired_test, holm
from bench.store import RunStore

BEST_BY = "MSE"
"""The metric that verdicts are about: the one that is trained for."""

_TEST = "paired corrected t-test over {} seeds, Holm, 5 %"

ONE_SEED = "One seed: no spread, no test, no verdict. Use --seeds 3 or more."


def verdict(plan: Plan, store: RunStore) -> str:
    """A sentence or two on the rows of a plan; "" where there is nothing to compare."""
    label = labels(plan)
    complete = {
        label(row): [store.metrics(run, row.scored)[BEST_BY] for run in row.runs]
        for row in plan.rows
        if not row.reference and row.runs and all(store.complete(run) for run in row.runs)
    }
    complete = {name: x for name, x in complete.items() if np.isfinite(x).all()}  # one diverged is no match
    if len(complete) < 2:
        return ""
    if plan.seeds < 2:
        return ONE_SEED
    metrics = store.metrics(next(row.runs[0] for row in plan.rows if label(row) in complete))
    sizes = int(metrics["n_train"]), int(metrics["n_test"])
    if plan.experiment != EXPERIMENT and any(row.scored == "complete" for row in plan.rows):
        return _handling(plan, store)
    if plan.experiment == "entities":
        return _entities(plan, complete, label, sizes)
    if plan.experiment == EXPERIMENT:
        return _missing(plan, store, sizes)
    if plan.split == "random":
        best = min(complete, key=lambda name: float(np.mean(complete[name])))
        return _best(best, _against(best, complete, sizes), _TEST.format(plan.seeds))
    errors = {label(row): squared_errors(row, store) for row in plan.rows if label(row) in complete}
    best = min(errors, key=lambda name: float(errors[name].mean()))
    others = {name: crossed_paired_test(x - errors[best]) for name, x in errors.items() if name != best}
    test = f"paired test over {plan.seeds} seeds and {sizes[1]} test samples, Holm, 5 %"
    return _best(best, holm(others), test)


def squared_errors(row: PlanRow, store: RunStore) -> np.ndarray:
    """Squared errors (seeds, test samples) of a row whose runs share one test part."""
    predictions = [store.predictions(run) for run in row.runs]
    return np.stack([((p["y_pred"] - p["y_true"]) ** 2).to_numpy() for p in predictions])


def _best(best: str, p: Mapping[str, float], test: str) -> str:
    """Which rows cannot be told from the best one, by their p values after Holm's correction."""
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


def _handling(plan: Plan, store: RunStore) -> str:
    """Whether dropping incomplete samples changes the error on complete ones, method by method."""
    arms: dict[str, dict[str, list[dict[str, Any]]]] = {"keep": {}, "drop": {}}
    label = labels(plan, with_variant=False)
    for row in plan.rows:
        arm = next((arm for arm in arms if f"{arm}, on complete" in row.variant), None)
        if arm and not row.reference and all(store.complete(run) for run in row.runs):
            rest = row.variant.removesuffix(f"{arm}, on complete samples").rstrip(", ")
            arms[arm][f"{label(row)} ({rest})" if rest else label(row)] = [
                store.metrics(run, row.scored) for run in row.runs
            ]
    changes, p = {}, {}
    for name in arms["keep"].keys() & arms["drop"].keys():
        keep, drop = arms["keep"][name], arms["drop"][name]
        change = np.subtract([run[BEST_BY] for run in drop], [run[BEST_BY] for run in keep])
        sizes = int(drop[0]["n_train"]), int(drop[0]["n_test"])
        changes[name], p[name] = float(change.mean()), corrected_paired_test(change, *sizes)
    if not changes:
        return ""
    p = holm(p)
    told = [f"{name} {changes[name]:+.3f}" for name in sorted(p, key=p.__getitem__) if p[name] < 0.05]
    worse = sum(change > 0 for change in changes.values())
    train = {arm: int(next(iter(rows.values()))[0]["n_train"]) for arm, rows in arms.items()}
    return (
        f"Dropping leaves {train['drop']} of {train['keep']} samples to learn from. On the complete test "
        f"samples it raises the mean {BEST_BY} of {worse} of {len(changes)} rows; "
        + (f"told by a {_TEST.format(plan.seeds)}: {', '.join(told)}." if told else "")
        + (
            ""
            if told
            else f"none can be told ({_TEST.format(plan.seeds)}; smallest p {min(p.values()):.2f})."
        )
    )


def _against(
    best: str, values: Mapping[str, Sequence[float] | np.ndarray], sizes: tuple[int, int]
) -> dict[str, float]:
    """Holm-corrected p values that the others equal the best one."""
    others = {name: x for name, x in values.items() if name != best}
    return holm(
        {name: corrected_paired_test(np.subtract(x, values[best]), *sizes) for name, x in others.items()}
    )


def _missing(plan: Plan, store: RunStore, sizes: tuple[int, int]) -> str:
    """The largest area under R2 in each arm, what is told from it, and whether source dropout changes it."""
    arms: dict[str, dict[str, np.ndarray]] = {}
    for curves in curves_of(plan, store):
        if len(curves.runs) == len(curves.row.runs):  # paired over seeds: a row that lacks one is left out
            arms.setdefault(curves.row.variant, {})[curves.row.method] = curves.areas(CURVE)
    sentences = [_largest(arm, areas, sizes) for arm, areas in arms.items() if len(areas) > 1]
    changes = {
        _pair(arm, method): np.subtract(x, arms[full][method])
        for arm, areas in arms.items()
        for method, x in areas.items()
        if arm.startswith(DROPOUT) and method in arms.get(full := arm.replace(DROPOUT, FULL, 1), {})
    }
    sentences += [_changed(changes, sizes)] if changes else []
    if not sentences:
        return ""
    alone = "" if plan.split == "random" else ", of training alone, on one test part"
    return f"By a {_TEST.format(plan.seeds)}{alone}: {' '.join(sentences)}"


def _pair(arm: str, method: str) -> str:
    """The name of a method in an arm of dropout, which there may be several of."""
    rest = arm.removeprefix(DROPOUT).lstrip(", ")
    return f"{method} ({rest})" if rest else method


def _largest(arm: str, areas: Mapping[str, np.ndarray], sizes: tuple[int, int]) -> str:
    """One arm: the largest mean area, and what can be told from it."""
    best = max(areas, key=lambda name: float(areas[name].mean()))
    p = _against(best, areas, sizes)
    worse = [name for name, value in p.items() if value < 0.05]
    same = [name for name, value in p.items() if not value < 0.05]
    told = f"told from it: {', '.join(worse)}" if worse else ""
    told += f"; not told: {', '.join(same)}" if worse and same else ""
    nothing = f"nothing else can be told from it, the order may be chance (smallest p {min(p.values()):.2f})"
    return f"With {arm}, {best} has the largest mean area under {CURVE}; {told or nothing}."


def _changed(changes: Mapping[str, np.ndarray], sizes: tuple[int, int]) -> str:
    """Whose area source dropout changes."""
    p = holm({name: corrected_paired_test(x, *sizes) for name, x in changes.items()})
    sure = [f"{name} ({changes[name].mean():+.3f}, p {v:.2f})" for name, v in p.items() if v < 0.05]
    open_ = [name for name, value in p.items() if not value < 0.05]
    if not sure:
        smallest = f"smallest p {min(p.values()):.2f}"
        return f"Whether source dropout changes the area can be told for no method ({smallest})."
    unknown = f"; for {', '.join(open_)} nothing can be told" if open_ else ""
    return f"Source dropout changes the area of {', '.join(sure)}{unknown}."


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


def labels(plan: Plan, *, with_variant: bool = True) -> Callable[[PlanRow], str]:
    """Names for the rows of a plan where several stand beside each other: encoders only if they differ."""
    compared = [row for row in plan.rows if not row.reference]
    differ = [m for m in ("image", "text") if len({row.encoders.get(m) for row in compared}) > 1]

    def label(row: PlanRow) -> str:
        extras = [
            row.variant if with_variant else "",
            *(row.encoders.get(modality, "") for modality in differ),
        ]
        extras = [extra for extra in extras if extra]
        return f"{row.method} ({', '.join(extras)})" if extras else row.method

    return label
