"""Table 10: do the methods keep their order under other image and text encoders?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

import encoders
from bench.compare.frame import Results, Row
from bench.experiments.base import Experiment, experiment
from bench.experiments.other_encoders import change_of_encoders
from bench.labels import short
from bench.metrics import Metric
from bench.paper.printed import printed_in
from bench.plan import PlanRow
from bench.report.captions import provenance, reading
from bench.report.figures.comparison import legend
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height, ordered
from bench.report.figures.style import TWO_COLUMNS, canvas, key, mark, metric_label, shown
from bench.variants import Choice, Variant

FUSIONS = ("memf", "vtfsa", "cmmt")
PAPERS = {"image": ("resnet50", "densenet121", "resnet18", "resnet101"), "text": ("bert", "xlnet")}
"""The paper's encoders, compared where none are asked for."""


@experiment("backbones", paper="Table 10", title="Image and text encoders", ranked=False)
class Backbones(Experiment):
    """Each modality's encoders in turn, those of the others at their default.

    Where encoders of any modality are asked for, those are compared instead of the paper's.
    """

    def applies(self, choice: Choice) -> str:
        """It takes something to encode."""
        some = choice.encoded & {*PAPERS, *(m for m, names in choice.encoders.items() if names)}
        return "" if some else "the dataset has neither images nor texts to encode"

    def variants(self, choice: Choice) -> list[Variant]:
        """Encoders, then methods."""
        sets = []
        for modality in choice.defaults:
            papers = [n for n in PAPERS.get(modality, ()) if n not in _without_weights(choice, modality)]
            sets += [choice.encoder_set(**{modality: n}) for n in choice.encoders.get(modality) or papers]
        distinct = [s for i, s in enumerate(sets) if s not in sets[:i]]
        return [choice.variant(name, e) for e in distinct for name in choice.fusions or FUSIONS]

    def left_out(self, choice: Choice) -> str:
        """The paper's encoders whose random weights would say nothing."""
        names = ", ".join(_without_weights(choice, "text"))
        return names and (
            f"{names} left out: no pretrained weights, and random ones know no language. `bench weights "
            f"fetch {names.replace(', ', ' ')} --to DIR` gets them where there is a network, --weights-dir "
            f"DIR takes them from there; --weights random compares random ones."
        )

    def printed(self, row: PlanRow) -> Mapping[str, Any] | None:
        """Table 10."""
        return printed_in("backbones", row.method, row.encoders)

    def verdict(self, results: Results) -> str:
        """Which method and encoder may be the best, and what other encoders change."""
        return " ".join(filter(None, [super().verdict(results), change_of_encoders(results)]))

    def figures(self, results: Results) -> Sequence[Drawing]:
        """The primary metric of every method on every encoder, the others kept."""
        rows, plan = [row for row in results.finite if not row.row.reference], results.plan
        modalities = dict.fromkeys(modality for row in rows for modality in row.row.encoders)
        parts = {modality: _varied(rows, modality) for modality in modalities}
        parts = {modality: part for modality, part in parts.items() if len(part) > 1}
        if not parts:
            return []
        methods, order = ordered(rows, results.primary)
        most = max(len(part) for part in parts.values())
        figure = canvas(TWO_COLUMNS, 1.3 + max(0.8, height(len(methods), most)))
        panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
        for ax, (modality, part) in zip(panels, parts.items(), strict=True):
            lanes = {name: _marks(name, part, results.primary) for name in methods}
            forest(ax, lanes, len(part), results.primary.bounds, connect=True)
            ax.set_xlabel(metric_label(results.primary, plan.target, 44))
            _legend(ax, list(part), f"{modality} encoders")
        key(figure, legend([], references=False, seeds=plan.seeds))
        text = (
            f"{provenance(plan)} {order} In each row, from top to bottom, the encoders of the legend, joined "
            f"by a thin line. {reading(plan)}"
        )
        return [Drawing("backbones", plan.title, text, figure)]


def _without_weights(choice: Choice, modality: str) -> list[str]:
    """The paper's text encoders that would be random though nobody asked for that."""
    asked = choice.encoders.get(modality) or choice.weights == "random" or modality not in choice.encoded
    return (
        [] if asked or modality != "text" else [n for n in PAPERS[modality] if not _has_weights(modality, n)]
    )


def _has_weights(modality: str, name: str) -> bool:
    try:
        return encoders.get(modality, name, weights="pretrained").weights == "pretrained"
    except encoders.WeightsUnavailable:
        return False


def _varied(rows: Sequence[Row], modality: str) -> dict[str, list[Row]]:
    """Encoder of one modality -> the rows with it, every other encoder being the most frequent one."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        for other, encoder in row.row.encoded_by.items():
            counts.setdefault(other, Counter())[encoder] += 1
    usual = {m: count.most_common(1)[0][0] for m, count in counts.items() if m != modality}
    kept = [r for r in rows if modality in r.row.encoders and usual.items() <= r.row.encoded_by.items()]
    names = dict.fromkeys(row.row.encoded_by[modality] for row in kept)
    return {name: [r for r in kept if r.row.encoded_by[modality] == name] for name in names}


def _marks(method: str, part: Mapping[str, Sequence[Row]], metric: Metric) -> list[Mark]:
    return [
        Mark.of(row, metric, group)
        for group, rows in enumerate(part.values())
        for row in rows
        if row.row.method == method
    ]


def _legend(ax: Axes, names: Sequence[str], title: str) -> None:
    """The panel's own encoders, above it."""
    ax.legend(
        handles=[mark(i, shown(name, 24)) for i, name in enumerate(short(names).values())],
        title=title, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.3,
        columnspacing=1.0,
    )  # fmt: skip
