"""What an experiment compares: a choice of methods and encoders, and variants made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from bench.data.schema import Schema

WITHOUT, ONLY = "without", "only"
"""The arms of rows that see some entities: named by those left out, or by those seen."""


@dataclass(frozen=True)
class Choice:
    """What the user chose to compare. An empty tuple means that nothing was said.

    Attributes:
        schema: of the dataset.
        fusions: names of fusion methods.
        encoders: modality -> encoders that were asked for.
        defaults: modality -> the encoder of the dataset's description, or else of the preset.
        options: fusion name -> its own options.
        weights: where encoders' weights are to come from: auto, pretrained or random.
        finetuned: the modalities whose encoders are to be trained, too.
    """

    schema: Schema
    fusions: tuple[str, ...]
    encoders: Mapping[str, tuple[str, ...]]
    defaults: Mapping[str, str]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: str = "auto"
    finetuned: tuple[str, ...] = ()

    @property
    def modalities(self) -> frozenset[str]:
        """The modalities that the dataset has."""
        return frozenset(source.modality for source in self.schema.sources)

    @property
    def encoded(self) -> frozenset[str]:
        """The modalities that need an encoder: those with raw items."""
        return self.schema.encoded

    def encoder_set(self, **chosen: str) -> dict[str, str]:
        """Modality -> encoder, for modalities that need one: the chosen ones, else the first asked for."""
        first = {modality: names[0] for modality, names in self.encoders.items() if names}
        return {m: name for m, name in {**self.defaults, **first, **chosen}.items() if m in self.encoded}

    def encoder_sets(self) -> list[dict[str, str]]:
        """Every distinct combination of the encoders asked for."""
        lists = [self.encoders.get(m) or (name,) for m, name in self.defaults.items()]
        sets = [self.encoder_set(**dict(zip(self.defaults, names, strict=True))) for names in product(*lists)]
        return [s for i, s in enumerate(sets) if s not in sets[:i]]

    def variant(self, method: str, encoders: Mapping[str, str] | None = None, **more: Any) -> Variant:
        """A variant of a fusion with the user's options; on the first choice of encoders unless said."""
        options = {**self.options.get(method, {}), **more.pop("options", {})}
        return Variant(method, self.encoder_set() if encoders is None else encoders, options=options, **more)


@dataclass(frozen=True)
class Variant:
    """One row of a table: what is trained, on which encoders. `bench.plan.PlanRow` is what is stored of it.

    Attributes:
        method: a fusion or a reference method.
        encoders: modality -> encoder.
        arm: what is done to the method, such as "source dropout"; "" for the method as it is.
        options: the fusion's own options.
        reference: whether the row is there for comparison only.
        entities, left_out: the entities that the method sees, and the others; empty for all.
        seeds: how many seeds; None for as many as were asked for.
        training, model: settings that differ from the request's.
        recipe: what its settings are chosen by: "" for the request's, "tuned" for what `bench tune` found,
            "matched" for a width with which all fusions have as many parameters, "finetuned" for those of
            the request and encoders that are trained.
        goal: the parameters that its width was chosen for; 0 for none.
        missing: what is done with incomplete samples, where that is compared.
        scored: on all test samples, or only on the complete ones.
        observe: what to record beside the result, of `bench.observe`.
    """

    method: str
    encoders: Mapping[str, str]
    arm: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = False
    entities: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    seeds: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    recipe: Literal["", "tuned", "matched", "finetuned"] = ""
    goal: int = 0
    missing: Literal["", "keep", "drop"] = ""
    scored: Literal["all", "complete"] = "all"
    observe: frozenset[str] = frozenset()
