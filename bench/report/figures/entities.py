"""Table 8: what every entity adds, and what it says alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import spearmanr

from bench.plan import Plan
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.results import Result, condition, provenance, reading, results_of
from bench.report.figures.style import GREY, TWO_COLUMNS, canvas, key, metric_label, name_rows
from bench.report.seeds import interval_over_seeds
from bench.store import RunStore

WITHOUT, ONLY = "without ", "only "


def entities(plan: Plan, store: RunStore) -> Drawing | None:
    """The rise of MSE without each entity, R2_score of each alone, and the true shares where known."""
    results = [result for result in results_of(plan, store) if not result.row.reference]
    wholes = _wholes(results)
    rises = {name: _marks(results, wholes, WITHOUT + name) for name in _named(results, WITHOUT)}
    alone = {name: _marks(results, wholes, ONLY + name) for name in _named(results, ONLY)}
    rises, alone = ({k: v for k, v in marks.items() if v} for marks in (rises, alone))
    if not rises and not alone:
        return None
    leading = rises or alone
    names = sorted({**rises, **alone}, key=lambda n: -leading[n][0].mean if n in leading else np.inf)
    shares = _true_shares(plan, names)
    figure = canvas(TWO_COLUMNS, 1.1 + max(0.9, height(len(names), len(wholes))))
    panels = iter(figure.subplots(1, bool(rises) + bool(alone) + bool(shares), sharey=True, squeeze=False)[0])
    if rises:
        ax = next(panels)
        forest(ax, {n: rises.get(n, []) for n in names}, len(wholes), include=[0.0])
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_xlabel("rise of " + metric_label("MSE", plan))
        ax.set_title(_titled("left out", leading=rises, shares=shares))
    if alone:
        ax = next(panels)
        whole = float(np.mean([result.mean("R2_score") for result in wholes]))
        forest(ax, {n: alone.get(n, []) for n in names}, len(wholes), include=[whole])
        ax.axvline(whole, color="0.3", linewidth=0.8, linestyle="--")
        ax.set_xlabel(metric_label("R2_score", plan))
        ax.set_title(_titled("alone", leading=alone, shares=shares))
    if shares:
        _draw_shares(next(panels), names, shares)
    groups = [_name(whole, wholes) for whole in wholes]
    key(figure, legend(groups, references=False, seeds=plan.seeds))
    return Drawing("entities", plan.title, _caption(plan, bool(rises), bool(alone), shares), figure)


def _caption(plan: Plan, rises: bool, alone: bool, shares: dict[str, float]) -> str:
    text = f"{provenance(plan)} "
    if rises:
        text += (
            "Left out: MSE without the entity minus MSE with all, paired per seed; right of 0, it is missed. "
        )
    if alone:
        text += "Alone: R2_score of a model that sees this entity only; dashed: of one that sees all. "
    if shares:
        text += "True share: of the target's variance, as generated; ρ: Spearman's rank correlation with it. "
    return text + reading(plan)


def _wholes(results: Sequence[Result]) -> list[Result]:
    """The rows that see all entities: one per method and combination of encoders."""
    return [result for result in results if not result.row.variant]


def _named(results: Sequence[Result], start: str) -> list[str]:
    found = (r.row.variant.removeprefix(start) for r in results if r.row.variant.startswith(start))
    return list(dict.fromkeys(found))


def _name(whole: Result, wholes: Sequence[Result]) -> str:
    rows = [other.row for other in wholes]
    return ", ".join(part for part in (whole.row.method, condition(whole.row, rows)) if part)


def _belongs(part: Result, whole: Result) -> bool:
    """Same method, same encoders; a modality that only the missing entity has may be gone."""
    return part.row.method == whole.row.method and part.row.encoders.items() <= whole.row.encoders.items()


def _marks(results: Sequence[Result], wholes: Sequence[Result], variant: str) -> list[Mark]:
    """One mark for every row of all entities that this variant belongs to."""
    marks = []
    for group, whole in enumerate(wholes):
        part = next((r for r in results if r.row.variant == variant and _belongs(r, whole)), None)
        if part is None:
            continue
        if variant.startswith(ONLY):
            marks.append(Mark.of(part, "R2_score", group))
            continue
        rise = part.against(whole, "MSE")
        if len(rise):
            low, high = interval_over_seeds(rise, whole.overlap)
            marks.append(Mark(rise, float(rise.mean()), low, high, group))
    return marks


def _true_shares(plan: Plan, names: Sequence[str]) -> dict[str, float]:
    shares = {str(row["entity"]): float(row["share"]) for row in plan.facts.get("true_shares", [])}
    return {name: shares[name] for name in names if name in shares}


def _titled(title: str, leading: dict[str, list[Mark]], shares: dict[str, float]) -> str:
    """A panel's title, with the rank correlation of what it shows and the true shares."""
    both = [name for name in shares if leading.get(name)]
    if len(both) < 3:
        return title
    rho = spearmanr([leading[n][0].mean for n in both], [shares[n] for n in both]).statistic
    return f"{title} (ρ = {rho:.2f})".replace("-", "−") if np.isfinite(rho) else title


def _draw_shares(ax: Axes, names: Sequence[str], shares: dict[str, float]) -> None:
    name_rows(ax, names)
    rows = [names.index(name) for name in shares]
    ax.plot(list(shares.values()), rows, "s", ms=5.5, mfc="white", mec=GREY, mew=1.2)
    ax.set_xlim(0, 1.15 * max(shares.values()) or 1)
    ax.set_xlabel("share of the target's\nvariance")
    ax.set_title("true share")
    ax.grid(axis="x")
