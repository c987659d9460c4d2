"""What an experiment is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.config import Preset
from bench.data.dataset import Dataset
from bench.data.schema import Schema

Facts = dict[str, list[dict[str, Any]]]
"""Tables by name, each a list of rows: what an experiment states without any run."""


@dataclass(frozen=True)
class Choice:
    """What the user chose to compare. An empty tuple means that nothing was said.

    Attributes:
        schema: of the dataset.
        fusions: names of fusion methods.
        backbones: image encoders.
        texts: text encoders.
        defaults: modality -> the encoder of the preset.
        options: fusion name -> its own options.
        weights: where encoders' weights are to come from: auto, pretrained or random.
    """

    schema: Schema
    fusions: tuple[str, ...]
    backbones: tuple[str, ...]
    texts: tuple[str, ...]
    defaults: Mapping[str, str]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: str = "auto"

    @property
    def modalities(self) -> frozenset[str]:
        """The modalities that the dataset has."""
        return frozenset(source.modality for source in self.schema.sources)

    @property
    def encoded(self) -> frozenset[str]:
        """The modalities that need an encoder: those with raw items."""
        return self.schema.encoded

    def encoders(self, **chosen: str) -> dict[str, str]:
        """Modality -> encoder, for modalities that need one: the chosen ones, else the first asked for."""
        first = {"image": self.backbones[:1], "text": self.texts[:1]}
        asked = {modality: names[0] for modality, names in first.items() if names}
        return {m: name for m, name in {**self.defaults, **asked, **chosen}.items() if m in self.encoded}

    def encoder_sets(self) -> list[dict[str, str]]:
        """Every distinct combination of the backbones and text encoders asked for."""
        sets = [
            self.encoders(image=backbone, text=text)
            for backbone in self.backbones or (self.defaults["image"],)
            for text in self.texts or (self.defaults["text"],)
        ]
        return [s for i, s in enumerate(sets) if s not in sets[:i]]

    def variant(self, method: str, encoders: Mapping[str, str] | None = None, **more: Any) -> Variant:
        """A variant of a fusion with the user's options; on the first choice of encoders unless said."""
        options = {**self.options.get(method, {}), **more.pop("options", {})}
        return Variant(method, self.encoders() if encoders is None else encoders, options=options, **more)


@dataclass(frozen=True)
class Variant:
    """One row of a table: what is trained, on which encoders.

    Attributes:
        method: a fusion or a reference method.
        encoders: modality -> encoder.
        name: what else sets the row apart, such as "without anchor"; "" for the method as it is.
        options: the fusion's own options.
        reference: whether the row is there for comparison only.
        entities: the entities that the method sees; None for all.
        seeds: how many seeds; None for as many as were asked for.
        training: settings of training that differ from the request's.
        scored: on all test samples, or only on the complete ones.
        observe: what to record beside the result, of `bench.observe`.
    """

    method: str
    encoders: Mapping[str, str]
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = False
    entities: tuple[str, ...] | None = None
    seeds: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    scored: Literal["all", "complete"] = "all"
    observe: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Experiment:
    """A named comparison.

    Attributes:
        name: on the command line and in file names.
        paper: the table or figure of the MEMF paper that it regenerates; "" for what the paper has not.
        title: one line for captions.
        variants: what is compared; empty where the experiment only states facts.
        applies: why it says nothing about a choice, or "".
        facts: what it states without any run.
        left_out: rows that it would have, and why it has not; "" where there are none.
        ranked: whether its rows are shown best first, or in their own order.
    """

    name: str
    paper: str
    title: str
    variants: Callable[[Choice], list[Variant]]
    applies: Callable[[Choice], str]
    facts: Callable[[Dataset, Preset], Facts]
    left_out: Callable[[Choice], str]
    ranked: bool = True


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(
    name: str,
    *,
    paper: str,
    title: str,
    applies: Callable[[Choice], str] = lambda choice: "",
    facts: Callable[[Dataset, Preset], Facts] = lambda dataset, preset: {},
    left_out: Callable[[Choice], str] = lambda choice: "",
    ranked: bool = True,
) -> Callable[..., Callable[[Choice], list[Variant]]]:
    """Decorator: make a function from Choice to variants an experiment."""

    def add(variants: Callable[[Choice], list[Variant]]) -> Callable[[Choice], list[Variant]]:
        EXPERIMENTS[name] = Experiment(name, paper, title, variants, applies, facts, left_out, ranked)
        return variants

    return add


def several_entities(choice: Choice) -> str:
    """An `applies` for what compares entities."""
    n = len(choice.schema.entities)
    return (
        ""
        if n > 1
        else f"the dataset has one entity ({next(iter(choice.schema.entities))}); it takes two or more"
    )
