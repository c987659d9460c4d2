"""Fig. 5: first the modalities within an entity and then the entities, or the other way round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.compare.frame import Results, Row
from bench.compare.handling import handling_verdict
from bench.compare.simultaneous import Gap
from bench.compare.verdict import (
    DECIMALS,
    ONE_SEED,
    comparable,
    compared,
    planned,
    planned_procedure,
    resolution,
)
from bench.experiments.base import Experiment, experiment, several_entities
from bench.labels import condition
from bench.metrics import Metric, leading
from bench.report.captions import provenance
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest
from bench.report.figures.style import TWO_COLUMNS, arrow, canvas, key
from bench.variants import Choice, Variant

ENTITY, MODALITY = "entity-first", "modality-first"


@experiment("order", paper="Fig. 5", title="Order of fusion", ranked=False)
class Order(Experiment):
    """MEMF in both orders; entity-first is MEMF as published, and shares its runs."""

    def applies(self, choice: Choice) -> str:
        """It takes several modalities and several entities."""
        if len(choice.modalities) < 2:
            only = ", ".join(choice.modalities)
            return f"the dataset has one modality ({only}); both orders would be the same"
        return several_entities(choice)

    def variants(self, choice: Choice) -> list[Variant]:
        """Both orders."""
        return [
            choice.variant("memf", arm=ENTITY),
            choice.variant("memf", arm=MODALITY, options={"order": MODALITY}),
        ]

    def verdict(self, results: Results) -> str:
        """What changes with the other order, for every combination of encoders."""
        if said := handling_verdict(results):
            return said
        named = _both(results)
        if not named:
            return ""
        if results.plan.seeds < 2:
            return ONE_SEED
        gaps = changes(results)
        parts = [
            f"{name} {gap.value:+.{DECIMALS}f} [{gap.low:+.{DECIMALS}f}, {gap.high:+.{DECIMALS}f}]"
            for name, gap in gaps.items()
        ]
        same = [gap for gap in gaps.values() if not gap.found]
        doubt = f" The orders cannot be distinguished: {resolution(same)}." if len(same) == len(gaps) else ""
        return (
            f"Change of {results.primary.name} where modality-first takes the place of entity-first, "
            f"simultaneous 95 % interval: {'; '.join(parts)}.{doubt} "
            f"({planned_procedure(results, list(named.values()), len(gaps))}.)"
        )

    def figures(self, results: Results) -> Sequence[Drawing]:
        """One panel per leading metric: what the other order changes, seed by seed and with intervals."""
        plan = results.plan
        rows = [row for row in results.finite if not row.row.reference and row.row.scored == "all"]
        both = {name: group for name, group in _groups(rows).items() if {ENTITY, MODALITY} <= {*group}}
        if not both:
            return []
        figure = canvas(TWO_COLUMNS, 1.3 + 0.3 * len(both))
        marks = {name: _marks(results, both, results.metrics[name]) for name in leading(plan.target.task)}
        # a metric may say nothing about this target
        metrics = [
            results.metrics[name]
            for name, found in marks.items()
            if all(np.isfinite(mark.mean) for mark in found.values())
        ]
        for ax, metric in zip(figure.subplots(1, len(metrics), sharey=True), metrics, strict=True):
            forest(
                ax, {name: [mark] for name, mark in marks[metric.name].items()}, 1, include=[0.0], whole=True
            )
            ax.axvline(0, color="0.3", linewidth=0.8)
            ax.set_title(f"{metric.name}\n{arrow(metric)}")
            ax.locator_params(axis="x", nbins=3)
        figure.supxlabel(f"{MODALITY} less {ENTITY}", fontsize=7.5)
        key(figure, legend([], references=False, seeds=plan.seeds))
        means = (f"{mark.mean:+.3g} for {name}" for name, mark in marks[results.primary.name].items())
        finding = f"{MODALITY} in place of {ENTITY} changes {results.primary.name} by {', '.join(means)}."
        text = f"Each dot: both orders on one seed. One seed has no spread. {provenance(plan)}"
        if plan.seeds > 1:
            text = (
                "Large marks: mean of the paired differences; small dots: one seed each; bars: 95 % "
                "intervals, in each panel for all its rows at once. Where one reaches the line at 0, the "
                f"orders cannot be distinguished. {provenance(plan)}"
            )
        return [Drawing("order", plan.title, text, figure, finding)]


def changes(results: Results) -> dict[str, Gap]:
    """Method and condition -> modality-first less entity-first in the primary metric, simultaneously.

    Empty for one seed, or where neither has all of them.
    """
    both = _both(results)
    groups = dict.fromkeys(name for name, _ in both)
    rows = {f"{name}, {order}": row for (name, order), row in both.items()}
    return planned(results, rows, {n: (f"{n}, {MODALITY}", f"{n}, {ENTITY}") for n in groups})


def _both(results: Results) -> dict[tuple[str, str], Row]:
    """Method and condition, order -> row, of those that have both orders and all seeds."""
    groups = _groups(list(comparable(results).values()))
    return {
        (name, order): row
        for name, group in groups.items()
        if {ENTITY, MODALITY} <= {*group}
        for order, row in group.items()
    }


def _marks(results: Results, both: Mapping[str, Mapping[str, Row]], metric: Metric) -> dict[str, Mark]:
    """Name of a group -> what a metric changes by with the other order."""
    rows = {f"{name}, {order}": row for name, group in both.items() for order, row in group.items()}
    found = compared(results, rows, metric)
    pairs = {name: (f"{name}, {MODALITY}", f"{name}, {ENTITY}") for name in both}
    gaps = {} if found is None else found.planned(pairs)
    marks = {}
    for name, group in both.items():
        values = group[MODALITY].against(group[ENTITY], metric.name)
        low, high = (gaps[name].low, gaps[name].high) if gaps else (np.nan, np.nan)
        mean = gaps[name].value if gaps else float(values.mean())
        marks[name] = Mark(values, mean, low, high, name=name)
    return marks


def _groups(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    """Method and condition -> order -> row."""
    planned = [row.row for row in rows]
    groups: dict[str, dict[str, Row]] = {}
    for row in rows:
        name = ", ".join(part for part in (row.row.method, condition(row.row, planned)) if part)
        groups.setdefault(name, {})[row.row.arm] = row
    return groups
