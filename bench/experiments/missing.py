"""What every method loses when a source goes missing, and whether training for that helps."""

from bench.experiments.base import Choice, Variant, experiment

FUSIONS = ("memf", "vtfsa", "cmmt", "mult", "mfb", "tfn", "concat")
SOURCE_DROPOUT = 0.3
FULL, DROPOUT = "full data", "source dropout"


def _applies(choice: Choice) -> str:
    return "" if len(choice.schema.sources) > 1 else "the dataset has one source; without it nothing is left"


@experiment("missing", paper="", title="Sources missing at test time", applies=_applies, ranked=False)
def missing(choice: Choice) -> list[Variant]:
    """Each fusion trained on all there is, and trained with sources hidden at random.

    Both are tested with each source taken away from 0 to 100 % of the test samples.
    """
    observe = frozenset({"missing"})
    arms = {FULL: {}, DROPOUT: {"source_dropout": SOURCE_DROPOUT}}
    return [
        choice.variant(name, name=arm, training=training, observe=observe)
        for name in choice.fusions or FUSIONS
        for arm, training in arms.items()
    ]
