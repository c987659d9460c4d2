"""Table 8: MEMF without each entity, and the mirror that nobody prints: with each entity alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bench.compare.frame import Results, Row
from bench.compare.handling import handling_verdict
from bench.compare.tests import interval
from bench.compare.verdict import ONE_SEED, planned, planned_procedure
from bench.config import Preset
from bench.data.dataset import Dataset
from bench.experiments.base import Experiment, Facts, experiment, several_entities
from bench.experiments.truth import FEWEST, rank_correlation, shares_of, stated
from bench.labels import condition
from bench.metrics import COMPANION, METRICS
from bench.paper.printed import printed_in
from bench.plan import Plan, PlanRow
from bench.report.captions import provenance, reading
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, key, metric_label, name_rows
from bench.variants import ONLY, WITHOUT, Choice, Variant


@experiment("entities", paper="Table 8", title="What each entity is worth", ranked=False)
class Entities(Experiment):
    """All entities, all but one, only one."""

    def applies(self, choice: Choice) -> str:
        """It takes several entities."""
        return several_entities(choice)

    def variants(self, choice: Choice) -> list[Variant]:
        """The whole first."""
        names = tuple(choice.schema.entities)
        others = {one: tuple(n for n in names if n != one) for one in names}
        without = [
            choice.variant("memf", arm=WITHOUT, entities=rest, left_out=(one,))
            for one, rest in others.items()
        ]
        only = [
            choice.variant("memf", arm=ONLY, entities=(one,), left_out=rest) for one, rest in others.items()
        ]
        return [choice.variant("memf"), *without, *only]

    def facts(self, dataset: Dataset, preset: Preset) -> Facts:
        """Each entity's share of what can be explained, where the data were generated and it is known."""
        return stated(dataset)

    def printed(self, row: PlanRow) -> Mapping[str, Any] | None:
        """Table 8."""
        if row.arm == ONLY:
            return None
        return printed_in("entities", row.method, row.encoders, row.unseen)

    def verdict(self, results: Results) -> str:
        """How much worse MEMF gets without each entity, and whether the order is that of the true shares."""
        if said := handling_verdict(results):
            return said
        full = [row for row in results.finite if len(row.runs) == results.plan.seeds]
        wholes = _wholes(full)
        if not wholes or len(full) < 2:
            return ""
        if results.plan.seeds < 2:
            return ONE_SEED
        whole = wholes[0]
        without = {row.row.unseen[0]: row for row in full if row.row.arm == WITHOUT and _belongs(row, whole)}
        if not without:
            return ""
        gaps = planned(results, {"": whole, **without}, {entity: (entity, "") for entity in without})
        parts = [
            f"{entity} {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
            for entity, gap in sorted(gaps.items(), key=lambda item: -item[1].value)
        ]
        missed = [entity for entity, gap in gaps.items() if gap.found and gap.value > 0]
        shown = f"shown for {', '.join(missed)}" if missed else "for none of them shown"
        return (
            f"Rise of {results.primary.name} without an entity, with simultaneous 95 % intervals: "
            f"{'; '.join(parts)}; {shown}. ({planned_procedure(results, [whole], len(gaps))}.)"
            + _against_truth(results.plan, {entity: gap.value for entity, gap in gaps.items()})
        )

    def figures(self, results: Results) -> Sequence[Drawing]:
        """The rise without each entity, what each alone explains, and the true shares where known."""
        return _drawn(results)


def _against_truth(plan: Plan, rises: Mapping[str, float]) -> str:
    shares = shares_of(plan)
    if len(shares) < FEWEST or set(shares) != set(rises):
        return ""
    known = ", ".join(f"{entity} {share:.2f}" for entity, share in shares.items())
    rank = rank_correlation(shares, rises)
    return f" True shares of the generator: {known}. Spearman correlation of the two orders: {rank:.2f}."


def _wholes(rows: Sequence[Row]) -> list[Row]:
    """The rows that see all entities: one per method and combination of encoders."""
    return [row for row in rows if not row.row.unseen and not row.row.reference]


def _belongs(part: Row, whole: Row) -> bool:
    """Same method, same encoders; a modality that only the missing entity has may be gone."""
    seen, whole_seen = part.row.encoded_by.items(), whole.row.encoded_by.items()
    return part.row.method == whole.row.method and seen <= whole_seen


# -- figure -------------------------------------------------------------------------------------------------


def _drawn(results: Results) -> list[Drawing]:
    plan, primary = results.plan, results.primary
    companion = METRICS[COMPANION[plan.target.task]]
    wholes = _wholes(results.finite)
    rises, alone = _marks(results, wholes, WITHOUT), _marks(results, wholes, ONLY)
    if not rises and not alone:
        return []
    leading = rises or alone
    names = sorted({**rises, **alone}, key=lambda n: -leading[n][0].mean if n in leading else np.inf)
    shares = {name: share for name, share in shares_of(plan).items() if name in names}
    figure = canvas(TWO_COLUMNS, 1.1 + max(0.9, height(len(names), len(wholes))))
    panels = iter(figure.subplots(1, bool(rises) + bool(alone) + bool(shares), sharey=True, squeeze=False)[0])
    if rises:
        ax = next(panels)
        forest(ax, {n: rises.get(n, []) for n in names}, len(wholes), include=[0.0])
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_xlabel("rise of " + metric_label(primary, plan.target))
        ax.set_title(_titled("left out", rises, shares))
    if alone:
        ax = next(panels)
        whole = float(np.mean([row.mean(companion.name) for row in wholes]))
        forest(ax, {n: alone.get(n, []) for n in names}, len(wholes), include=[whole])
        ax.axvline(whole, color="0.3", linewidth=0.8, linestyle="--")
        ax.set_xlabel(metric_label(companion, plan.target))
        ax.set_title(_titled("alone", alone, shares))
    if shares:
        _draw_shares(next(panels), names, shares)
    planned = [row.row for row in wholes]
    groups = [", ".join(filter(None, [row.method, condition(row, planned)])) for row in planned]
    key(figure, legend(groups, references=False, seeds=plan.seeds))
    text = f"{provenance(plan)} "
    if rises:
        text += (
            f"Left out: {primary.name} without the entity minus {primary.name} with all, paired per seed; "
            "right of 0, it is missed. "
        )
    if alone:
        text += (
            f"Alone: {companion.name} of a model that sees this entity only; dashed: of one that sees all. "
        )
    if shares:
        text += "True share: of the target's variance, as generated; ρ: Spearman's rank correlation with it. "
    return [Drawing("entities", plan.title, text + reading(plan), figure)]


def _marks(results: Results, wholes: Sequence[Row], arm: str) -> dict[str, list[Mark]]:
    """Entity -> one mark for every row of all entities that has a row of this arm."""
    primary, companion = results.primary, METRICS[COMPANION[results.plan.target.task]]
    marks: dict[str, list[Mark]] = {}
    for part in (row for row in results.finite if row.row.arm == arm):
        entity = part.row.unseen[0] if arm == WITHOUT else part.row.seen[0]
        for group, whole in enumerate(wholes):
            if not _belongs(part, whole):
                continue
            if arm == ONLY:
                marks.setdefault(entity, []).append(Mark.of(part, companion, group))
                continue
            rise = part.against(whole, primary.name)
            if len(rise):
                low, high = interval(rise, *whole.overlap)
                marks.setdefault(entity, []).append(Mark(rise, float(rise.mean()), low, high, group))
    return marks


def _titled(title: str, leading: Mapping[str, list[Mark]], shares: Mapping[str, float]) -> str:
    """A panel's title, with the rank correlation of what it shows and the true shares."""
    both = {name: share for name, share in shares.items() if leading.get(name)}
    if len(both) < FEWEST:
        return title
    rho = rank_correlation(both, {name: leading[name][0].mean for name in both})
    return f"{title} (ρ = {rho:.2f})".replace("-", "−") if np.isfinite(rho) else title


def _draw_shares(ax: Axes, names: Sequence[str], shares: Mapping[str, float]) -> None:
    name_rows(ax, names)
    rows = [names.index(name) for name in shares]
    ax.plot(list(shares.values()), rows, "s", ms=5.5, mfc="white", mec=GREY, mew=1.2)
    ax.set_xlim(0, 1.15 * max(shares.values()) or 1)
    ax.set_xlabel("share of the target's\nvariance")
    ax.set_title("true share")
    ax.grid(axis="x")
