"""Table 8: MEMF without each entity, and the mirror that nobody prints: with each entity alone."""

import json

from bench.config import Preset
from bench.data.dataset import Dataset
from bench.experiments.base import Choice, Facts, Variant, experiment, several_entities


def _true_shares(dataset: Dataset, preset: Preset) -> Facts:
    """Each entity's share of what can be explained, where the data were generated and it is known."""
    try:
        shares = json.loads((dataset.root / "truth.json").read_bytes())["entity_shares"]
        rows = [{"entity": entity, "share": float(share)} for entity, share in shares.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # no truth, or a file of somebody else's that is called so
    return {"true_shares": rows}


@experiment(
    "entities",
    paper="Table 8",
    title="What each entity is worth",
    applies=several_entities,
    facts=_true_shares,
    ranked=False,
)
def entities(choice: Choice) -> list[Variant]:
    """All entities, all but one, only one."""
    names = tuple(choice.schema.entities)
    everything = [choice.variant("memf")]
    without = [
        choice.variant("memf", name=f"without {one}", entities=tuple(n for n in names if n != one))
        for one in names
    ]
    only = [choice.variant("memf", name=f"only {one}", entities=(one,)) for one in names]
    return everything + without + only
