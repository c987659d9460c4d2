"""Fig. 3: the course of a training run."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from bench.metrics import leading
from bench.observe.history import scores_by_epoch
from bench.plan import Plan
from bench.report.figures.drawing import Drawing
from bench.report.figures.results import first_run, provenance
from bench.report.figures.style import TWO_COLUMNS, arrow, canvas, look, unit
from bench.store import RunStore


def training(plan: Plan, store: RunStore) -> Drawing | None:
    """Losses and the five test metrics over the epochs of one run, its best epoch marked."""
    found = first_run(plan, store, "test_history.parquet")
    if found is None:
        return None
    row, seed, run = found
    losses, record = store.frame(run, "history.parquet"), store.frame(run, "test_history.parquet")
    if losses is None or record is None or losses.empty or record.empty:
        return None
    tests = scores_by_epoch(plan.target, record)
    best = losses["epoch"][losses["validation_loss"].idxmin()]
    figure = canvas(TWO_COLUMNS, 3.9)
    panels = figure.subplots(2, 3, sharex=True).flat
    first = next(panels)
    blue, orange = look(0)[0], look(1)[0]
    first.plot(losses["epoch"], losses["train_loss"], color=blue)
    first.plot(losses["epoch"], losses["validation_loss"], color=orange, linestyle="--")
    first.set_title("loss")
    first.set_ylabel("mean squared error\n(standardised target)")
    for ax, metric in zip(panels, leading(plan.target.task), strict=True):
        ax.plot(tests["epoch"], tests[metric], color=blue)
        ax.set_title(f"test {metric}, {arrow(metric)}")
        ax.set_ylabel(unit(metric, plan))
    for ax in figure.axes:
        ax.axvline(best, color="0.3", linewidth=0.8, linestyle=":")
        ax.grid()
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    first.legend([*first.lines], ["training", "validation", "kept epoch"], frameon=True, edgecolor="none")
    for ax in figure.axes[3:]:
        ax.set_xlabel("epoch")
    text = (
        f"{provenance(plan, row, seed)} Dotted: the epoch with the lowest validation loss ({best}), the one "
        "that is kept. The test curves were recorded for drawing only; no decision was taken from them."
    )
    return Drawing("training", plan.title, text, figure)
