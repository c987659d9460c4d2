"""What an encoder is, and the registry: a decorator adds one, a modality and a name get one."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import nn

from encoders.decoding import CannotDecode
from encoders.weights import WEIGHTS, Found

MODALITIES = ("text", "image", "video", "audio")
"""Modalities whose items an encoder turns into one vector each; "numeric" is trained with the model."""

Item = str | Path
"""A text, or the path of an image, video or audio file."""


class UnknownEncoder(KeyError):
    """No encoder of that name, or no such option; the message says what comes nearest and how to list all."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Undecodable:
    """The result for an item that has no feature vector: broken, empty, or not of this modality.

    Attributes:
        reason: what is wrong, without the item's name or path.
    """

    reason: str


class Encoder(ABC):
    """Turns items of one modality into one float32 vector each.

    A subclass sets ``version``, takes its options as keyword-only arguments of ``__init__``, and implements
    ``features``. Making an encoder is cheap: weights are looked up when ``weights``, ``stamp``, ``source`` or
    ``fingerprint`` is first read, and a network is built when the first item is encoded.

    A vector depends on its item and on the fingerprint alone: items are encoded one at a time, because
    batch-mates change the last bits of a matrix product, and a cache filled in any order, by any number of
    processes, must hold the same bits. (Another device or number of threads may change the last bits.)

    Attributes:
        modality: one of MODALITIES.
        name: the name it was asked for; for a local folder, the folder's own name.
        version: raised whenever preprocessing or features change, so that old cache entries are not used.
        asked: the name as it was given, with the path of a local folder.
        options: the values of the keyword-only options, part of the fingerprint.
    """

    version: ClassVar[int] = 1

    def __init__(self, modality: str, name: str, weights: str, **options: Any):
        self.modality = modality
        self.name = self.asked = name
        self.wanted = weights
        self.options = options

    @abstractmethod
    def features(self, item: Item, device: str) -> np.ndarray:
        """The feature vector (D,) of one item. Raises CannotDecode with the reason if it has none."""

    @property
    def weights(self) -> str:
        """One of "pretrained", "random", and "none" where no weights are needed."""
        return "none"

    @property
    def stamp(self) -> str:
        """The name for tables, which says so if the weights are random: ``resnet50 (random)``."""
        return f"{self.name} (random)" if self.weights == "random" else self.name

    @property
    def source(self) -> str:
        """Where the weights come from, for the run record: their name and digest, or how they were drawn."""
        return ""

    @property
    def recipe(self) -> tuple[str, str, str, tuple[tuple[str, Any], ...]]:
        """What makes the same encoder in another process: modality, name, weights and options for ``get``.

        Its weights are the outcome, not the wish: a worker must neither search again nor end up elsewhere.
        """
        weights = self.wanted if self.weights == "none" else self.weights
        return self.modality, self.asked, weights, tuple(sorted(self.options.items()))

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over all that decides a vector: name, weights, options, version."""
        parts = {
            "modality": self.modality,
            "encoder": type(self).__name__,
            "name": self.name,
            "weights": self.source,
            "options": self.options,
            "version": self.version,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def encode(self, items: Iterable[Item], device: str = "cpu") -> Iterator[np.ndarray | Undecodable]:
        """Encode items, lazily and in order.

        Args:
            items: texts, or paths of files.
            device: where a network runs, "cpu" or "cuda" or "cuda:1" ...

        Yields:
            For each item its vector, float32 (D,), or Undecodable with the reason. A broken item never raises
            and never affects its neighbours.
        """
        for item in items:
            try:
                vector = np.asarray(self.features(item, device), dtype=np.float32)
            except CannotDecode as error:
                yield Undecodable(str(error))
                continue
            yield vector if np.isfinite(vector).all() else Undecodable("its features are not finite")


class Network(Encoder):
    """An encoder that runs a neural network, with pretrained or random weights.

    A subclass implements ``find_weights``, ``present``, ``library`` and ``build``. Random weights are drawn
    from a generator seeded by the encoder's name, so they are the same in every process, and the global
    random state stays as it was.
    """

    library: ClassVar[str]
    """The distribution whose code draws random weights; its version is part of their fingerprint."""

    def __init__(self, modality: str, name: str, weights: str, **options: Any):
        super().__init__(modality, name, weights, **options)
        self._network: tuple[str, nn.Module] | None = None

    @abstractmethod
    def find_weights(self) -> Found | None:
        """Where the pretrained weights are, or None for random ones."""

    @abstractmethod
    def present(self) -> Path | None:
        """Where pretrained weights lie on this machine, by a quick look that opens no file."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with its weights, on the CPU. Called under a seeded random generator."""

    @cached_property
    def found(self) -> Found | None:
        """The pretrained weights, looked up once; None if the encoder has random ones."""
        return self.find_weights()

    @property
    def weights(self) -> str:
        """Either "pretrained" or "random"."""
        return "pretrained" if self.found else "random"

    @property
    def source(self) -> str:
        """The name and digest of the weights, or what the random ones depend on."""
        if self.found:
            return f"{self.found.source} {self.found.digest}"
        return f"random, seed 0, torch {version('torch')}, {self.library} {version(self.library)}"

    def network(self, device: str) -> nn.Module:
        """The network in evaluation mode on `device`; built at the first call and kept."""
        if self._network is None or self._network[0] != device:
            seed = int.from_bytes(hashlib.sha256(f"{self.name} seed 0".encode()).digest()[:8], "big")
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)  # torch.manual_seed would touch the GPU's state too
                network = self.build()
            self._network = device, network.eval().requires_grad_(False).to(device)
        return self._network[1]


def evenly(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the indices 0 .. count-1, evenly spaced, each from the middle of its stretch."""
    if count <= wanted:
        return list(range(count))
    return [math.floor((i + 0.5) * count / wanted) for i in range(wanted)]


# ---------------------------------------------------------------------------------------------- registry

E = TypeVar("E", bound=type[Encoder])
_registry: dict[str, dict[str, type[Encoder]]] = {modality: {} for modality in MODALITIES}
_fallbacks: dict[str, tuple[Callable[[str], bool], type[Encoder], str]] = {}


def register(modality: str, *names: str) -> Callable[[E], E]:
    """Class decorator: make an encoder known under these names. Raises ValueError if a name is taken.

    A new encoder is a class with ``features``, in any module that is imported::

        @register("audio", "loudness")
        class Loudness(Encoder):
            def features(self, item, device):
                return np.array([np.sqrt(np.mean(decode(item, rate=16000, seconds=60) ** 2))])
    """

    def add(cls: E) -> E:
        for name in names:
            if name in _registry[modality]:
                raise ValueError(f"{modality} encoder {name!r} is already registered; choose another name")
            _registry[modality][name] = cls
        return cls

    return add


def register_family(modality: str, accepts: Callable[[str], bool], hint: str) -> Callable[[E], E]:
    """Class decorator: use this class for every name that `accepts`, if no encoder has exactly that name.

    `hint` tells in an error message which further names there are.
    """

    def add(cls: E) -> E:
        _fallbacks[modality] = (accepts, cls, hint)
        return cls

    return add


def names(modality: str) -> list[str]:
    """The registered names of a modality, in order of registration."""
    return list(_of(modality))


def weights_present() -> dict[str, Path | None]:
    """For each registered encoder that needs weights, where they lie on this machine, or None; instant."""
    encoders = (get(modality, name) for modality in MODALITIES for name in names(modality))
    return {encoder.name: encoder.present() for encoder in encoders if isinstance(encoder, Network)}


def get(modality: str, name: str, weights: str = "auto", **options: Any) -> Encoder:
    """The encoder `name` of a modality; cheap, see Encoder.

    Args:
        modality: one of MODALITIES.
        name: a registered name; for images also any torchvision classification model, for the other
            modalities also a Hugging Face name ("owner/model") or a local folder with config.json.
        weights: "auto" (pretrained if they can be had, else random with one warning), "pretrained" (an error
            if they cannot be had) or "random" (no look-up). Of no effect for encoders without weights.
        **options: options of the encoder, such as ``size`` of an image encoder.

    Raises:
        UnknownEncoder: no such modality, name or option.
        ValueError: `weights` is none of the three.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}, not {weights!r}")
    cls, more = _of(modality).get(name), ""
    if cls is None and modality in _fallbacks:
        accepts, family, more = _fallbacks[modality]
        cls = family if accepts(name) else None
    if cls is None:
        raise UnknownEncoder(
            f"no {modality} encoder {name!r}{_nearest(name, names(modality))}; "
            f"{more}`bench list encoders` shows all"
        )
    known = [p.name for p in inspect.signature(cls).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise UnknownEncoder(
                f"{modality} encoder {name!r} has no option {option!r}{_nearest(option, known)}; "
                f"it has: {', '.join(known) or 'none'}"
            )
    return cls(modality, name, weights, **options)


def _of(modality: str) -> dict[str, type[Encoder]]:
    if modality not in _registry:
        raise UnknownEncoder(
            f"no modality {modality!r}{_nearest(modality, MODALITIES)}; there are: {', '.join(MODALITIES)}"
        )
    return _registry[modality]


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
