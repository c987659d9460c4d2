"""Table 10: do the methods keep their order under other image and text encoders?"""

from bench.experiments.base import Choice, Variant, experiment

FUSIONS = ("memf", "vtfsa", "cmmt")
IMAGES = ("resnet50", "densenet121", "resnet18", "resnet101")
TEXTS = ("bert", "xlnet")


def _applies(choice: Choice) -> str:
    return "" if choice.encoded & {"image", "text"} else "the dataset has neither images nor texts to encode"


@experiment("backbones", paper="Table 10", title="Image and text encoders", applies=_applies, ranked=False)
def backbones(choice: Choice) -> list[Variant]:
    """The image encoders on the default text encoder, then the text encoders on the default image encoder.

    Where `--backbone` or `--text` names encoders, those are compared instead of the paper's.
    """
    sets = [choice.encoders(image=name) for name in choice.backbones or IMAGES]
    sets += [choice.encoders(text=name) for name in choice.texts or TEXTS]
    distinct = [s for i, s in enumerate(sets) if s not in sets[:i]]
    return [choice.variant(name, e) for e in distinct for name in choice.fusions or FUSIONS]
