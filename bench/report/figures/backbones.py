"""Table 10: does the order of methods hold on other image and text encoders?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.axes import Axes

from bench.plan import Plan
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.results import Result, ordered, provenance, reading, results_of
from bench.report.figures.style import TWO_COLUMNS, canvas, key, mark, metric_label, shown
from bench.report.names import short
from bench.store import RunStore

KINDS = {"image": "image backbones", "text": "text encoders"}


def backbones(plan: Plan, store: RunStore) -> Drawing | None:
    """MSE of every method on every image backbone and on every text encoder, the other kept."""
    results = [result for result in results_of(plan, store) if not result.row.reference]
    parts = {kind: _varied(results, kind) for kind in KINDS}
    parts = {kind: part for kind, part in parts.items() if len(part) > 1}
    if not parts:
        return None
    methods, order = ordered(results)
    most = max(len(part) for part in parts.values())
    figure = canvas(TWO_COLUMNS, 1.3 + max(0.8, height(len(methods), most)))
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for ax, (kind, part) in zip(panels, parts.items(), strict=True):
        lanes = {name: _marks(name, part) for name in methods}
        forest(ax, lanes, len(part), "MSE", connect=True)
        ax.set_xlabel(metric_label("MSE", plan, 44))
        _legend(ax, list(part), KINDS[kind])
    key(figure, legend([], references=False, seeds=plan.seeds))
    text = (
        f"{provenance(plan)} {order} Left is better. In each row, from top to bottom, the encoders of the "
        f"legend, joined by a thin line. {reading(plan)}"
    )
    return Drawing("backbones", plan.title, text, figure)


def _varied(results: Sequence[Result], kind: str) -> dict[str, list[Result]]:
    """Encoder of one kind -> the results with it, every other encoder being the most frequent one."""
    others = {m: c for m, c in _usual(results).items() if m != kind}
    kept = [r for r in results if kind in r.row.encoders and others.items() <= r.row.encoders.items()]
    return {e: [r for r in kept if r.row.encoders[kind] == e] for e in _encoders(kept, kind)}


def _usual(results: Sequence[Result]) -> dict[str, str]:
    """Modality -> its most frequent encoder (on a tie, the first)."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        for modality, encoder in result.row.encoders.items():
            counts.setdefault(modality, Counter())[encoder] += 1
    return {modality: count.most_common(1)[0][0] for modality, count in counts.items()}


def _encoders(results: Sequence[Result], kind: str) -> list[str]:
    return list(dict.fromkeys(result.row.encoders[kind] for result in results))


def _marks(method: str, part: dict[str, list[Result]]) -> list[Mark]:
    return [
        Mark.of(result, "MSE", group)
        for group, found in enumerate(part.values())
        for result in found
        if result.row.method == method
    ]


def _legend(ax: Axes, names: Sequence[str], title: str) -> None:
    """The panel's own encoders, above it."""
    ax.legend(
        handles=[mark(i, shown(name, 24)) for i, name in enumerate(short(names).values())],
        title=title, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.3,
        columnspacing=1.0,
    )  # fmt: skip
