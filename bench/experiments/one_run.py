"""Fig. 3, 4 and 6: one run of MEMF looked at closely. The three share it."""

from bench.experiments.base import Choice, Variant, experiment, several_entities


@experiment("training", paper="Fig. 3", title="Training and test metrics over epochs")
def training(choice: Choice) -> list[Variant]:
    """The test metrics are recorded for the drawing only; early stopping and selection never see them."""
    return [choice.variant("memf", seeds=1, observe=frozenset({"test-history"}))]


@experiment("scatter", paper="Fig. 4", title="Predicted against true values")
def scatter(choice: Choice) -> list[Variant]:
    """The test part of one run."""
    return [choice.variant("memf", seeds=1)]


@experiment("attention", paper="Fig. 6", title="Attention between entities", applies=several_entities)
def attention(choice: Choice) -> list[Variant]:
    """Attention maps of the Multi-Entity Transformer on the test part of one run."""
    return [choice.variant("memf", seeds=1, observe=frozenset({"attention"}))]
