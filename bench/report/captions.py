"""What tables and figures say of themselves: data, seeds, split, weights, and how to read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.compare.frame import Row
from bench.labels import short
from bench.plan import FRESH, Plan, PlanRow

_SPLITS = {
    "random": "each its own random split",
    "kfold": "each its own fold of repeated cross-validation",
    "official": "all on the official split",
    "time": "all on the split by time, tested on the latest samples",
    FRESH: "each its own newly generated dataset, split at random",
}
_ONE_SPLIT = {
    "random": "a random split",
    "kfold": "a fold of cross-validation",
    "official": "the official split",
    "time": "the split by time, tested on the latest samples",
    FRESH: "a random split of a newly generated dataset",
}


FIRST_OF = "datasets drawn anew, the first of them"
"""Of what stands before the name of a dataset."""
BEYOND = "An arrow with a number lies beyond the axis; a bar that ends in an arrowhead goes on beyond it."
"""What is not drawn to scale."""


def seeds_of(plan: Plan) -> str:
    """How many seeds, and what differs between them."""
    if plan.seeds == 1:
        return f"One seed, on {_ONE_SPLIT[plan.split]}."
    if plan.estimand:
        return (
            f"{plan.seeds} seeds, {_SPLITS[plan.split]}. Nothing overlaps: means and differences are those "
            f"to be expected of methods trained and tested on new data of this kind ({plan.estimand})."
        )
    if not plan.fixed:
        return f"{plan.seeds} seeds, {_SPLITS[plan.split]}."
    return (
        f"{plan.seeds} seeds, {_SPLITS[plan.split]}: spreads and intervals are those of training alone, and "
        "say nothing of other test samples."
    )


def intervals_of(plan: Plan) -> str:
    """What the 95 % intervals of a mean over seeds account for."""
    if plan.overlapping:
        return "Nadeau-Bengio, corrected for overlapping splits"
    if plan.estimand:
        return "t, over datasets that have nothing in common"
    return "t, over repeated training on one split: of training alone, not of other test samples"


def about(plan: Plan) -> str:
    """The experiment and the data."""
    paper = f" ({plan.paper} of the paper)" if plan.paper else ""
    description = f" ({plan.description})" if plan.description else ""
    data = f"{plan.dataset}{description}: {plan.samples} samples; {predicted(plan)}"
    return f"{plan.title}{paper}. {FIRST_OF.capitalize() if plan.estimand else 'Dataset'} {data}."


def predicted(plan: Plan) -> str:
    """What is predicted."""
    if not plan.targets:
        return f"target {plan.target.label}"
    return f"targets {listed([target.label for target in plan.targets])}, each by itself"


def settings_of(plan: Plan, rows: Iterable[PlanRow]) -> str:
    """The preset, the weights of some rows, and what could not be decoded."""
    stamps = list(dict.fromkeys(row.weights for row in rows if row.weights))
    parts = [f"Preset {plan.preset}."]
    parts += [f"Weights: {'; '.join(stamps)}."] if stamps else []
    broken = "1 item" if plan.undecodable == 1 else f"{plan.undecodable:,} items"
    parts += [f"{broken} could not be decoded and count as absent."] if plan.undecodable else []
    return " ".join(parts)


def provenance(plan: Plan) -> str:
    """What every figure of a comparison says of itself."""
    return " ".join([about(plan), seeds_of(plan), settings_of(plan, plan.rows)]) if plan.rows else about(plan)


def provenance_of(plan: Plan, row: Row) -> str:
    """What a figure of one run says of itself."""
    names = short(row.row.encoders.values()).values()
    encoders = f" on {', '.join(names)}" if names else ""
    one = f"One run: {row.row.method}{encoders}, seed {row.first.seed}, on {_ONE_SPLIT[plan.split]}."
    return " ".join([about(plan), one, settings_of(plan, [row.row])])


def reading(plan: Plan) -> str:
    """How to read marks and lines of a comparison over seeds."""
    if plan.seeds == 1:
        return "One seed has no spread: differences may be chance."
    return (
        "Large marks: mean over seeds; small dots: one seed each; bars: 95 % interval of the mean "
        f"({intervals_of(plan)})."
    )


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
