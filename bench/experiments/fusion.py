"""Table 9: every fusion method on identical encoders, trunk and head, beside rows that need no fusion."""

import fusions
from bench.experiments.base import Choice, Variant, experiment
from bench.methods.references import REFERENCES


@experiment("fusion", paper="Table 9", title="Fusion methods on identical encoders and head")
def fusion(choice: Choice) -> list[Variant]:
    """All chosen fusions and all references, on every combination of backbone and text encoder."""
    sets = choice.encoder_sets()
    variants = [choice.variant(name, e) for e in sets for name in choice.fusions or fusions.names()]
    # the best of one entity is that entity
    pointless = {"boosted-trees-best-entity"} if len(choice.schema.entities) == 1 else set()
    known = {n: kind for n, kind in REFERENCES.items() if choice.schema.target.task in kind.tasks}
    looking = [name for name, kind in known.items() if kind.looks and name not in pointless]
    references = [Variant(name, e, reference=True) for e in sets for name in looking]
    # the mean, or the frequency of classes, looks at no features: one row, whatever the encoders
    floor = [Variant(name, {}, reference=True) for name, kind in known.items() if not kind.looks]
    return variants + references + floor
