"""Table 9: every fusion method on identical encoders, trunk and head, beside rows that need no fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fusions
from bench.compare.frame import Results
from bench.experiments.base import Experiment, experiment
from bench.experiments.other_encoders import change_of_encoders
from bench.methods.references import REFERENCES
from bench.paper.printed import printed_in
from bench.plan import PlanRow
from bench.report.figures.comparison import comparison
from bench.report.figures.cost import cost
from bench.report.figures.drawing import Drawing
from bench.report.figures.errors import errors
from bench.variants import Choice, Variant


@experiment("fusion", paper="Table 9", title="Fusion methods on identical encoders and head")
class FusionMethods(Experiment):
    """All chosen fusions and all references, on every combination of encoders asked for."""

    def variants(self, choice: Choice) -> list[Variant]:
        """Fusions first, then the references for this kind of target."""
        sets = choice.encoder_sets()
        variants = [choice.variant(name, e) for e in sets for name in choice.fusions or fusions.names()]
        known = {n: kind for n, kind in REFERENCES.items() if choice.schema.target.task in kind.tasks}
        # the best of one entity is that entity
        pointless = {"boosted-trees-best-entity"} if len(choice.schema.entities) == 1 else set()
        looking = [name for name, kind in known.items() if kind.looks and name not in pointless]
        references = [Variant(name, e, reference=True) for e in sets for name in looking]
        # the mean, or the frequency of classes, looks at no features: one row, whatever the encoders
        floor = [Variant(name, {}, reference=True) for name, kind in known.items() if not kind.looks]
        return variants + references + floor

    def printed(self, row: PlanRow) -> Mapping[str, Any] | None:
        """Tables 9 and 10."""
        return printed_in("fusion", row.method, row.encoders)

    def verdict(self, results: Results) -> str:
        """Which methods may be the best, and what other encoders change."""
        return " ".join(filter(None, [super().verdict(results), change_of_encoders(results)]))

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Methods beside each other, what their accuracy costs, and where the best one errs."""
        return [*comparison(results), *cost(results), *errors(results)]
