"""Fig. 5: first the modalities within an entity and then the entities, or the other way round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bench.compare.frame import Results, Row
from bench.compare.handling import handling_verdict
from bench.compare.verdict import (
    DECIMALS,
    ONE_SEED,
    comparable,
    planned,
    planned_procedure,
    resolution,
)
from bench.experiments.base import Experiment, experiment, several_entities
from bench.labels import condition
from bench.metrics import Metric, leading
from bench.report.captions import provenance, reading
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.style import TWO_COLUMNS, arrow, canvas, key, look, shown, unit
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
        rows = comparable(results)
        groups = _groups(list(rows.values()))
        both = {name: group for name, group in groups.items() if {ENTITY, MODALITY} <= {*group}}
        if not both:
            return ""
        if results.plan.seeds < 2:
            return ONE_SEED
        named = {f"{name}, {order}": row for name, group in both.items() for order, row in group.items()}
        gaps = planned(results, named, {name: (f"{name}, {MODALITY}", f"{name}, {ENTITY}") for name in both})
        changes = [
            f"{name} {gap.value:+.{DECIMALS}f} [{gap.low:+.{DECIMALS}f}, {gap.high:+.{DECIMALS}f}]"
            for name, gap in gaps.items()
        ]
        same = [gap for gap in gaps.values() if not gap.found]
        doubt = f" The orders cannot be distinguished: {resolution(same)}." if len(same) == len(gaps) else ""
        return (
            f"Change of {results.primary.name} where modality-first takes the place of entity-first, "
            f"simultaneous 95 % interval: {'; '.join(changes)}.{doubt} "
            f"({planned_procedure(results, list(named.values()), len(gaps))}.)"
        )

    def figures(self, results: Results) -> Sequence[Drawing]:
        """One panel per leading metric: every order's mean, and lines that join the runs of one seed."""
        rows, plan = [row for row in results.finite if not row.row.reference], results.plan
        orders = list(dict.fromkeys(row.row.variant for row in rows))
        if len(orders) < 2:
            return []
        groups = _groups(rows)
        figure = canvas(TWO_COLUMNS, 2.4 if len(groups) == 1 else 2.7)
        metrics = [results.metrics[name] for name in leading(plan.target.task)]
        for ax, metric in zip(figure.subplots(1, len(metrics)), metrics, strict=True):
            for i, group in enumerate(groups.values()):
                _group(ax, group, orders, metric, i, len(groups))
            ax.set_title(f"{metric.name}\n{arrow(metric)}")
            ax.set_ylabel(unit(metric, plan.target))
            _name_orders(ax, orders)
            ax.locator_params(axis="y", nbins=5)
            ax.grid(axis="y")
        key(figure, legend(list(groups), references=False, seeds=plan.seeds))
        joined = " Thin lines join the two runs of one seed." if plan.seeds > 1 else ""
        return [Drawing("order", plan.title, f"{provenance(plan)} {reading(plan)}{joined}", figure)]


def _name_orders(ax: Axes, orders: Sequence[str]) -> None:
    names = [shown(name).replace("-", "-\n", 1) for name in orders]
    fits = len(names) == 2 and max(len(line) for name in names for line in name.split("\n")) < 10
    ax.set_xticks(range(len(orders)), names, rotation=0 if fits else 90)
    ax.set_xlim(-0.35, len(orders) - 0.65)


def _groups(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    """Method and condition -> order -> row."""
    planned = [row.row for row in rows]
    groups: dict[str, dict[str, Row]] = {}
    for row in rows:
        name = ", ".join(part for part in (row.row.method, condition(row.row, planned)) if part)
        groups.setdefault(name, {})[row.row.variant] = row
    return groups


def _group(
    ax: Axes, group: dict[str, Row], orders: Sequence[str], metric: Metric, index: int, groups: int
) -> None:
    shift = (index - (groups - 1) / 2) * 0.6 / groups
    at = {name: i + shift for i, name in enumerate(orders) if name in group}
    for seed in sorted({seed for row in group.values() for seed in row.runs}):
        runs = [(x, group[name].runs[seed]) for name, x in at.items() if seed in group[name].runs]
        x, y = zip(*((x, run.values[metric.name]) for x, run in runs), strict=True)
        ax.plot(x, y, color="0.4", marker=".", ms=4.5, mew=0, linewidth=0.6, zorder=3)
    colour, marker = look(index)
    for name, at_x in at.items():
        low, high = group[name].interval(metric)
        if np.isfinite(low):
            ax.plot([at_x, at_x], [low, high], color=colour, alpha=0.35, linewidth=2.5, zorder=2)
        mean = group[name].mean(metric.name)
        ax.plot([at_x], [mean], marker=marker, ms=5, color=colour, mec="white", mew=0.7, zorder=4)
