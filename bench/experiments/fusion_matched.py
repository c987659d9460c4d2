"""Fusions of about the same number of parameters: is the best one better, or only larger?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from bench.compare.frame import Results
from bench.experiments.base import Experiment, experiment
from bench.experiments.fusion import FusionMethods
from bench.labels import labels
from bench.match import TOLERANCE
from bench.report.figures.comparison import comparison
from bench.report.figures.drawing import Drawing
from bench.report.sheet import Cell, Column, Line, Sheet
from bench.variants import Choice, Variant

MATCHED = "matched"


@experiment("fusion-matched", title="Fusion methods of about the same number of trained parameters")
class FusionMatched(Experiment):
    """Every fusion with a width of its own (`model.dim`); references as they are."""

    def variants(self, choice: Choice) -> list[Variant]:
        """The rows of the comparison of fusions, each fusion matched to the largest of them."""
        return [
            v if v.reference else replace(v, arm=MATCHED, recipe="matched")
            for v in FusionMethods().variants(choice)
        ]

    def tables(self, results: Results) -> dict[str, pd.DataFrame]:
        """The width of every fusion, and how near it came."""
        plain = {id(row): row.row.model_copy(update={"arm": "", "goal": 0}) for row in results.rows}
        label = labels(list(plain.values()))
        lines = [
            {
                "method": label(plain[id(row)]), "width": row.first.store.spec(row.first.id).model.dim,
                "target": row.row.goal, "reached": row.first.measured["params"],
                "off": row.first.measured["params"] / row.row.goal - 1,
            }
            for row in results.rows
            if row.row.goal
        ]  # fmt: skip
        return {"widths": pd.DataFrame(lines)}

    def sheets(self, results: Results, tables: Mapping[str, pd.DataFrame]) -> Sequence[Sheet]:
        """The same for people."""
        table = tables["widths"]
        if table.empty:
            return []
        columns = (
            Column("method"), Column("width", "count"), Column("target", "count"),
            Column("reached", "count"), Column("off", "plain"),
        )  # fmt: skip
        lines = tuple(
            Line(
                (
                    Cell(row["method"]), Cell(row["width"], "count"), Cell(row["target"], "count"),
                    Cell(row["reached"], "count"), Cell(row["off"], "plain", f"{row['off']:+.1%}"),
                )
            )
            for row in table.to_dict("records")
        )  # fmt: skip
        caption = (
            "Target: the parameters of the largest of these fusions by the preset (trunk, fusion and head). "
            f"Every other one got the width with which it comes nearest, within {TOLERANCE:.0%}."
        )
        return [Sheet("widths", caption, columns, lines, title="Widths and parameters")]

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Methods beside each other."""
        return comparison(results)
