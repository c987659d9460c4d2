"""What an experiment is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.data.schema import Schema


@dataclass(frozen=True)
class Choice:
    """What the user chose to compare.

    Attributes:
        schema: of the dataset.
        fusions: names of fusion methods.
        backbones: image encoders.
        texts: text encoders.
        video, audio: the encoder of each.
        options: fusion name -> its own options.
    """

    schema: Schema
    fusions: tuple[str, ...]
    backbones: tuple[str, ...]
    texts: tuple[str, ...]
    video: str
    audio: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def encoders(self, backbone: str, text: str) -> dict[str, str]:
        """Modality -> encoder, for the modalities that the dataset has."""
        chosen = {"text": text, "image": backbone, "video": self.video, "audio": self.audio}
        present = {source.modality for source in self.schema.sources}
        return {modality: name for modality, name in chosen.items() if modality in present}

    def encoder_sets(self) -> list[dict[str, str]]:
        """Every distinct combination of backbone and text encoder."""
        sets = [self.encoders(backbone, text) for backbone in self.backbones for text in self.texts]
        return [s for i, s in enumerate(sets) if s not in sets[:i]]


@dataclass(frozen=True)
class Variant:
    """One row of a table: what is trained, on which encoders.

    Attributes:
        method: a fusion or a reference method.
        name: what else sets the row apart, such as "without anchor"; "" for the method as it is.
        encoders: modality -> encoder.
        options: the fusion's own options.
        reference: whether the row is there for comparison only.
        entities: the entities that the method sees; None for all.
        observe: what to record beside the result: "test-history", "attention".
    """

    method: str
    encoders: Mapping[str, str]
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = False
    entities: tuple[str, ...] | None = None
    observe: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Experiment:
    """A named comparison.

    Attributes:
        name: on the command line and in file names.
        paper: the table or figure of the MEMF paper that it regenerates.
        title: one line for captions.
        variants: what is compared.
    """

    name: str
    paper: str
    title: str
    variants: Callable[[Choice], list[Variant]]


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(name: str, *, paper: str, title: str) -> Callable[..., Callable[[Choice], list[Variant]]]:
    """Decorator: make a function from Choice to variants an experiment."""

    def add(variants: Callable[[Choice], list[Variant]]) -> Callable[[Choice], list[Variant]]:
        EXPERIMENTS[name] = Experiment(name, paper, title, variants)
        return variants

    return add
