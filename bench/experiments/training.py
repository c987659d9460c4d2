"""Fig. 3: the course of a training run."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.ticker import MaxNLocator

from bench.compare.frame import Results
from bench.experiments.base import Experiment, experiment
from bench.methods.tasks import TASKS
from bench.metrics import leading
from bench.observe.history import scores_by_epoch
from bench.report.captions import provenance_of
from bench.report.figures.drawing import Drawing
from bench.report.figures.style import TWO_COLUMNS, arrow, canvas, look, unit
from bench.variants import Choice, Variant


@experiment("training", paper="Fig. 3", title="Training and test metrics over epochs")
class Training(Experiment):
    """One run of MEMF whose test metrics are recorded for drawing only; nothing is chosen by them."""

    def variants(self, choice: Choice) -> list[Variant]:
        """One run."""
        return [choice.variant("memf", seeds=1, observe=frozenset({"test-history"}))]

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Losses and the leading test metrics over the epochs of one run, its best epoch marked."""
        plan, row = results.plan, next(iter(results.rows), None)
        record = row.first.record("test-history") if row else None
        if row is None or not isinstance(record, pd.DataFrame) or record.empty:
            return []
        losses, tests = row.first.history, scores_by_epoch(plan.target, record)
        best = losses["epoch"][losses["validation_loss"].idxmin()]
        figure = canvas(TWO_COLUMNS, 3.9)
        panels = figure.subplots(2, 3, sharex=True).flat
        first = next(panels)
        blue, orange = look(0)[0], look(1)[0]
        first.plot(losses["epoch"], losses["train_loss"], color=blue)
        first.plot(losses["epoch"], losses["validation_loss"], color=orange, linestyle="--")
        first.set_title("loss")
        first.set_ylabel(TASKS[plan.target.task].loss_label)
        for ax, name in zip(panels, leading(plan.target.task), strict=True):
            metric = results.metrics[name]
            ax.plot(tests["epoch"], tests[name], color=blue)
            ax.set_title(f"test {name}, {arrow(metric)}")
            ax.set_ylabel(unit(metric, plan.target))
        for ax in figure.axes:
            ax.axvline(best, color="0.3", linewidth=0.8, linestyle=":")
            ax.grid()
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        first.legend([*first.lines], ["training", "validation", "kept epoch"], frameon=True, edgecolor="none")
        for ax in figure.axes[3:]:
            ax.set_xlabel("epoch")
        text = (
            f"{provenance_of(plan, row)} Dotted: the epoch with the lowest validation loss ({best}), the one "
            "that is kept. The test curves were recorded for drawing only; no decision was taken from them."
        )
        return [Drawing("training", plan.title, text, figure)]
