"""Table 5: statistics of the data; no run is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from bench.compare.frame import Results
from bench.config import Preset
from bench.data.dataset import Dataset
from bench.data.statistics import target_by_part
from bench.experiments.base import Experiment, Facts, experiment
from bench.report.captions import provenance
from bench.report.figures.drawing import Drawing
from bench.report.figures.style import ONE_COLUMN, canvas, look, shown
from bench.variants import Choice, Variant


@experiment("data", paper="Table 5", title="Statistics of the dataset")
class Data(Experiment):
    """The target's statistics and histogram per part of the first seed's split."""

    def variants(self, choice: Choice) -> list[Variant]:
        """Nothing is trained."""
        return []

    def facts(self, dataset: Dataset, preset: Preset) -> Facts:
        """Statistics and bins."""
        return target_by_part(dataset, preset.training)

    def figures(self, results: Results) -> Sequence[Drawing]:
        """A histogram of the target per part, with its statistics above."""
        plan = results.plan
        bins = plan.facts.get("histogram", [])
        parts = list(dict.fromkeys(str(row["part"]) for row in bins))
        if not parts:
            return []
        statistics = {str(row["part"]): row for row in plan.facts.get("statistics", [])}
        figure = canvas(ONE_COLUMN, 0.5 + 1.35 * len(parts))
        panels = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
        for i, (ax, part) in enumerate(zip(panels, parts, strict=True)):
            rows = [row for row in bins if str(row["part"]) == part]
            gap = 0.1 if any("class" in row for row in rows) else 0  # classes are apart
            ax.bar(
                [row["left"] + gap for row in rows], [row["count"] for row in rows],
                [row["right"] - row["left"] - 2 * gap for row in rows], align="edge", color=look(i)[0],
                linewidth=0.3, edgecolor="white",
            )  # fmt: skip
            ax.set_ylabel("samples")
            known = statistics.get(part) or {"size": sum(row["count"] for row in rows)}
            ax.set_title(_title(part, known), loc="left", fontsize=7)
            ax.grid(axis="y")
            _lines(ax, statistics.get(part))
        panels[-1].set_xlabel(shown(plan.target.label, 60))
        if classes := {row["left"] + 0.5: shown(row["class"], 16) for row in bins if "class" in row}:
            panels[-1].set_xticks(list(classes), list(classes.values()))
        lines = " Solid line: mean; dotted: median." if statistics else ""
        text = f"{provenance(plan)} Samples per {'class' if classes else 'bin of the target'}.{lines}"
        return [Drawing("data", plan.title, text, figure)]


def _title(part: str, statistics: Mapping[str, Any]) -> str:
    known = [name for name in ("mean", "sd", "median", "min", "max") if name in statistics]
    values = ", ".join(f"{name} {statistics[name]:.2f}" for name in known)
    return "\n".join(filter(None, [f"{shown(part)}: {statistics['size']:,} samples", values]))


def _lines(ax: Axes, statistics: Mapping[str, Any] | None) -> None:
    for name, style in (("mean", "-"), ("median", ":")):
        if statistics is not None and name in statistics:
            ax.axvline(statistics[name], color="0.2", linewidth=0.9, linestyle=style)
