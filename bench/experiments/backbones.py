"""Table 10: do the methods keep their order under other image and text encoders?"""

import encoders
from bench.experiments.base import Choice, Variant, experiment

FUSIONS = ("memf", "vtfsa", "cmmt")
IMAGES = ("resnet50", "densenet121", "resnet18", "resnet101")
TEXTS = ("bert", "xlnet")


def _applies(choice: Choice) -> str:
    return "" if choice.encoded & {"image", "text"} else "the dataset has neither images nor texts to encode"


def _without_weights(choice: Choice) -> list[str]:
    """The paper's text encoders that would be random though nobody asked for that."""
    asked = choice.texts or choice.weights == "random" or "text" not in choice.encoded
    return [] if asked else [name for name in TEXTS if not _has_weights(name)]


def _has_weights(name: str) -> bool:
    try:
        return encoders.get("text", name, weights="pretrained").weights == "pretrained"
    except encoders.WeightsUnavailable:
        return False


def _left_out(choice: Choice) -> str:
    names = ", ".join(_without_weights(choice))
    return names and (
        f"{names} left out: no pretrained weights, and random ones know no language. Get them (`bench "
        f"doctor` shows where they are looked for), or compare random ones with --text {','.join(TEXTS)}."
    )


@experiment(
    "backbones",
    paper="Table 10",
    title="Image and text encoders",
    applies=_applies,
    left_out=_left_out,
    ranked=False,
)
def backbones(choice: Choice) -> list[Variant]:
    """The image encoders on the default text encoder, then the text encoders on the default image encoder.

    Where `--backbone` or `--text` names encoders, those are compared instead of the paper's.
    """
    texts = choice.texts or [name for name in TEXTS if name not in _without_weights(choice)]
    sets = [choice.encoders(image=name) for name in choice.backbones or IMAGES]
    sets += [choice.encoders(text=name) for name in texts]
    distinct = [s for i, s in enumerate(sets) if s not in sets[:i]]
    return [choice.variant(name, e) for e in distinct for name in choice.fusions or FUSIONS]
