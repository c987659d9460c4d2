"""Table 7: ways of fusing the entity vectors, which the same encoders make for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.compare.frame import Results
from bench.experiments.base import Experiment, experiment, several_entities
from bench.paper.printed import printed_in
from bench.plan import PlanRow
from bench.report.figures.comparison import comparison
from bench.report.figures.drawing import Drawing
from bench.variants import Choice, Variant

ENTITY_FUSERS = ("mean", "fc", "lstm", "cnn", "memf")


@experiment("entity-fusion", paper="Table 7", title="Fusing the entity vectors")
class EntityFusion(Experiment):
    """The paper's five, on the same entity vectors; memf is its Multi-Entity Transformer."""

    def applies(self, choice: Choice) -> str:
        """It takes several entities."""
        return several_entities(choice)

    def variants(self, choice: Choice) -> list[Variant]:
        """One for each way."""
        return [choice.variant(name) for name in ENTITY_FUSERS]

    def printed(self, row: PlanRow) -> Mapping[str, Any] | None:
        """Table 7."""
        return printed_in("entity-fusion", row.method, row.encoders)

    def figures(self, results: Results) -> Sequence[Drawing]:
        """The five beside each other."""
        return comparison(results)
