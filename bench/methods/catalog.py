"""Methods by name: a fusion of the registry in its network, or a reference that needs none."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import torch

import fusions
from bench.config import ModelConfig, TrainingConfig
from bench.finetuning import FinetunedSpec
from bench.methods.base import Method
from bench.methods.finetune import Finetuned
from bench.methods.network import Network
from bench.methods.references import REFERENCES
from bench.sourcecode import PROJECT, READING, digest, home_of, imports, plain
from bench.spec import RunSpec

CORE = ("bench.trial", *READING)
"""Where the code begins that every run uses: splitting, fitting and predicting; reading the data."""


def kind_of(name: str) -> type[Method]:
    """What a method of this name is made of. Raises UnknownFusion."""
    if name in REFERENCES:
        return REFERENCES[name]
    fusions.get(name)
    return Network


def method_of(spec: RunSpec) -> type[Method]:
    """What the method of a run is made of. Raises UnknownFusion."""
    return Finetuned if isinstance(spec, FinetunedSpec) else kind_of(spec.method)


def build(spec: RunSpec, device: torch.device) -> Method:
    """The method of a run, not fitted yet."""
    return method_of(spec)(spec, device)


def settings(
    name: str, model: ModelConfig, training: TrainingConfig, device: str
) -> tuple[ModelConfig, TrainingConfig, str]:
    """The settings that decide the numbers of a method: those that it does not read are at their defaults."""
    reads = kind_of(name).reads
    read = {key: value for key, value in training.model_dump().items() if key in reads}
    return (
        model if "model" in reads else ModelConfig(),
        TrainingConfig.model_validate(read),
        device if "device" in reads else "cpu",
    )


def code_of(method: str, *, finetuned: bool = False) -> str:
    """16 hexadecimal digits of all source that decides the numbers of a method. Raises UnknownFusion."""
    kind = kind_of(method)
    cls = kind if method in REFERENCES else fusions.get(method).cls
    modules, homes, own = [*CORE, kind.__module__, cls.__module__], [PROJECT], b""
    modules += [Finetuned.__module__] if finetuned else []
    if PROJECT.file(cls.__module__) is None:  # from a plugin file, a notebook or another package
        entry = None if method in REFERENCES else fusions.get(method)
        file = entry.file if entry else inspect.getfile(cls)
        source = entry.source if entry else Path(file).read_bytes()
        own = plain(source)
        if entry is None or entry.place.text is not None:
            home, module = home_of(cls, file)
            homes.append(home)
            modules += imports(ast.parse(source), module, package=False)
    return digest(homes, modules, own)
