"""Fig. 5: first the modalities within an entity and then the entities, or the other way round."""

from bench.experiments.base import Choice, Variant, experiment, several_entities


def _applies(choice: Choice) -> str:
    if len(choice.modalities) < 2:
        return f"the dataset has one modality ({', '.join(choice.modalities)}); both orders would be the same"
    return several_entities(choice)


@experiment("order", paper="Fig. 5", title="Order of fusion", applies=_applies, ranked=False)
def order(choice: Choice) -> list[Variant]:
    """MEMF in both orders; entity-first is MEMF as published, and shares its runs."""
    return [
        choice.variant("memf", name="entity-first"),
        choice.variant("memf", name="modality-first", options={"order": "modality-first"}),
    ]
