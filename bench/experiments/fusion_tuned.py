"""What the default recipe costs each method: every method by it, and with the settings `bench tune` found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.compare.agreement import agreement, flipped
from bench.compare.frame import Results
from bench.experiments import arms
from bench.experiments.base import Experiment, experiment
from bench.report.figures.drawing import Drawing
from bench.report.figures.style import shown
from bench.report.sheet import Cell, Column, Line, Sheet
from bench.space import is_tunable
from bench.variants import Choice, Variant

ARMS = arms.Arms(
    first="default",
    second="tuned",
    legend="default recipe",
    change="Tuning",
    gain=(
        "Gain: how much better the tuned settings are on the test part than the default recipe, above zero "
        "where they are better. Settings were chosen by the validation part of each split, the test part was "
        "not read."
    ),
    share="regret",
    title="What the default recipe costs each",
)


@experiment("fusion-tuned", title="Fusion methods by the default recipe, and each with its own settings")
class FusionTuned(Experiment):
    """All rows of the comparison of fusions, and a tuned one beside each that has settings to tune."""

    def variants(self, choice: Choice) -> list[Variant]:
        """Two arms for every method that can be tuned."""
        return arms.variants(choice, ARMS, "tuned", lambda variant: is_tunable(variant.method))

    def verdict(self, results: Results) -> str:
        """Whom tuning helps for sure, and whether it changes the order."""
        return arms.said_of(results, ARMS, order(results))

    def tables(self, results: Results) -> dict[str, pd.DataFrame]:
        """The gain of every method, and the pairs of methods whose order flips."""
        return {"gain": gains(results), "flips": flips(results)}

    def sheets(self, results: Results, tables: Mapping[str, pd.DataFrame]) -> Sequence[Sheet]:
        """The same for people."""
        gain, flipped = tables["gain"], tables["flips"]
        sheets = [] if gain.empty else [arms.gain_sheet(results, gain, ARMS)]
        if not flipped.empty:
            caption = f"Means over seeds of {results.primary.name}. {order(results)}"
            columns = tuple(Column(name, "text" if i < 2 else "metric") for i, name in enumerate(flipped))
            lines = tuple(
                Line(tuple(Cell(value, column.kind) for column, value in zip(columns, row, strict=True)))
                for row in flipped.itertuples(index=False)
            )
            sheets.append(Sheet("flips", caption, columns, lines, title="Pairs whose order flips"))
        return sheets

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Both arms of every method, and the gain."""
        return arms.figure(results, ARMS, f"{shown(order(results), 400)} ")


def gains(results: Results) -> pd.DataFrame:
    """One row per method, as of any two arms; its regret is that of the default recipe."""
    return arms.gains(results, ARMS)


def flips(results: Results) -> pd.DataFrame:
    """The pairs of which another method is the better one when both are tuned: means of both arms."""
    default, tuned = _means(results)
    return pd.DataFrame(
        {
            "one": a, "other": b, "one default": default[a], "other default": default[b],
            "one tuned": tuned[a], "other tuned": tuned[b],
        }
        for a, b in flipped(default, tuned)
    )  # fmt: skip


def order(results: Results) -> str:
    """How far the order of methods is the same in both arms, in a sentence; "" for fewer than two."""
    default, tuned = _means(results)
    if len(default) < 2:
        return ""
    return (
        f"Order of the {len(default)} methods by mean {results.primary.name}, default against tuned: "
        f"{agreement(default, tuned)}."
    )


def _means(results: Results) -> tuple[dict[str, float], dict[str, float]]:
    """Method -> mean of the primary metric, by the default recipe and tuned."""
    table = gains(results)
    if table.empty:
        return {}, {}
    by_name = table.set_index("method")
    return by_name["default"].to_dict(), by_name["tuned"].to_dict()
