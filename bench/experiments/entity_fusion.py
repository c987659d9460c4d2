"""Table 7: ways of fusing the entity vectors, which the same encoders make for each of them."""

from bench.experiments.base import Choice, Variant, experiment, several_entities

ENTITY_FUSERS = ("mean", "fc", "lstm", "cnn", "memf")


@experiment("entity-fusion", paper="Table 7", title="Fusing the entity vectors", applies=several_entities)
def entity_fusion(choice: Choice) -> list[Variant]:
    """The paper's five, on the same entity vectors; memf is its Multi-Entity Transformer."""
    return [choice.variant(name) for name in ENTITY_FUSERS]
