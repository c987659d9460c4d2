"""What an encoder is: it prepares an item on the CPU, and embeds prepared items on a device."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from encoders.batches import Batching, embedded
from encoders.decoding import CannotDecode
from encoders.feature import Feature, Undecodable
from encoders.untrusted import first_line
from encoders.weights import Found, Offer

MODALITIES = ("text", "image", "video", "audio")
"""Modalities whose items an encoder turns into features; "numeric" is trained with the model."""

IN_HALF = ":bfloat16"
"""The end of a name that asks for a network to compute in bfloat16."""

Item = str | Path
"""A text, or the path of an image, video or audio file."""


class UnknownEncoder(KeyError):
    """No encoder of that name, no such option or value; the message says what comes nearest."""

    def __str__(self) -> str:
        return str(self.args[0])


class Encoder(ABC):
    """Turns items of one modality into features: one float32 vector each, or a sequence of them.

    An encoder works in two steps: ``prepare`` decodes, resizes or tokenises an item on the CPU, in any
    process; ``embed`` runs a network on prepared items, on the CPU or a device. A subclass takes its options
    as keyword-only arguments of ``__init__`` and implements ``prepare``; without a network, that is all, and
    what it prepares is the Feature. Making an encoder is cheap: weights are looked up when ``weights``,
    ``stamp``, ``source`` or ``fingerprint`` is first read, and a network is built at the first ``embed``.

    On the CPU a feature depends on its item and on the fingerprint alone: a cache filled in any order, by any
    number of processes, must hold the same bits. As the size of a batch changes the last bits of a matrix
    product, and its other items do not, batches there have one size, ``cpu_batch``. (Another device or number
    of threads may change the last bits.)

    Attributes:
        modality: one of MODALITIES.
        name: the name it was asked for; for a local folder, the folder's own name.
        version: raised whenever preprocessing or features change, so that old cache entries are not used.
        batch: how many items are embedded at once on a device, at most.
        asked: the name as it was given, with the path of a local folder.
        options: the values of the keyword-only options, part of the fingerprint.
        code: what identifies the source of an encoder that does not come with this package, part of the
            fingerprint too: an edited plugin never gets the features of its former self.
    """

    version: ClassVar[int] = 1
    batch: ClassVar[int] = 256
    code = ""

    def __init__(self, modality: str, name: str, weights: str, **options: Any):
        self.modality = modality
        self.name = self.asked = name
        self.wanted = weights
        self.options = options

    @abstractmethod
    def prepare(self, item: Item) -> Any:
        """All that needs no device, for one item; anything that can be pickled.

        Raises CannotDecode with the reason if the item has no feature.
        """

    def embed(self, batch: Sequence[Any], device: str) -> list[Feature]:
        """The features of prepared items, in their order.

        Args:
            batch: what ``prepare`` returned for each, all of one kind (`batching`): unless it says else,
                all arrays in them have the same shapes.
            device: where a network runs, "cpu" or "cuda" or "cuda:1" ...
        """
        return list(batch)

    def remark(self, item: Item) -> str:
        """What is to be known of how an item that has a feature was read, or ""; counted and reported.

        It goes on from "3 of 40 items are ...": ``longer than 128 tokens, and cut there``.
        """
        return ""

    @property
    def cpu_batch(self) -> int:
        """How many items are embedded at once on the CPU, always exactly so many."""
        return 1

    def batching(self, device: str) -> Batching:
        """How prepared items are put together to be embedded: on the CPU so many of one layout.

        Args:
            device: where, "cpu" or "cuda" ...
        """
        return Batching(self.cpu_batch if device == "cpu" else self.batch)

    @property
    def title(self) -> str:
        """The encoder in messages: ``image encoder 'resnet50'``."""
        return f"{self.modality} encoder {self.name!r}"

    @property
    def weights(self) -> str:
        """One of "pretrained", "random", and "none" where no weights are needed."""
        return "none"

    @property
    def stamp(self) -> str:
        """The name for tables, which says where weights come from if there are any: ``resnet50 (random)``."""
        return f"{self.name} (random)" if self.weights == "random" else self.name

    @property
    def source(self) -> str:
        """Where the weights come from, for the run record: their name and digest, or how they were drawn."""
        return ""

    @property
    def unread(self) -> tuple[str, ...]:
        """Its options that have no effect with the weights that it has."""
        return ()

    @property
    def recipe(self) -> tuple[str, str, str, tuple[tuple[str, Any], ...]]:
        """What makes the same encoder in another process: modality, name, weights and options for ``get``.

        Its weights are the outcome, not the wish: a worker must neither search again nor end up elsewhere.
        """
        weights = self.wanted if self.weights == "none" else self.weights
        return self.modality, self.asked, weights, tuple(sorted(self.options.items()))

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over all that decides a feature."""
        return hashlib.sha256(json.dumps(self._identity(), sort_keys=True).encode()).hexdigest()[:16]

    def _identity(self) -> dict[str, Any]:
        """All that decides a feature: name, weights, options, version, source."""
        return {
            "modality": self.modality,
            "encoder": type(self).__name__,
            "name": self.name,
            "weights": self.source,
            "options": self.options,
            "version": self.version,
            "code": self.code,
        }

    def prepared(self, items: Iterable[Item]) -> Iterator[Any]:
        """For each item what ``prepare`` returns, or Undecodable with the reason."""
        for item in items:
            try:
                result = self.prepare(item)
            except CannotDecode as error:
                result = Undecodable(first_line(error))
            yield result

    def encode(self, items: Iterable[Item], device: str = "cpu") -> Iterator[Feature | Undecodable]:
        """Encode items, lazily and in order.

        Args:
            items: texts, or paths of files.
            device: where a network runs, "cpu" or "cuda" or "cuda:1" ...

        Yields:
            For each item its feature, or Undecodable with the reason. A broken item never raises and never
            affects its neighbours.

        Raises:
            EncoderFailed: ``embed`` returns no proper features.
        """
        early: dict[int, Feature | Undecodable] = {}
        following = 0
        for number, result in embedded(self, enumerate(self.prepared(items)), device):
            early[number] = result
            while following in early:
                yield early.pop(following)
                following += 1


class Network(Encoder):
    """An encoder that runs a neural network, with pretrained or random weights.

    A subclass implements ``find_weights``, ``present``, ``library``, ``build`` and ``outputs``. Random
    weights are drawn from a generator seeded by the encoder's name, so they are the same in every process,
    and the global random state stays as it was.

    Attributes:
        half: whether it computes in bfloat16, where torch thinks that fit: features are as wide as ever, and
            differ by about half a percent. Only on request, by the end of its name.
    """

    stand_in: ClassVar[str] = ""
    """The encoder of its modality that needs no weights, where random ones cost much and say no more."""
    library: ClassVar[str]
    """The distribution whose code draws random weights; its version is part of their fingerprint."""
    unused: ClassVar[tuple[str, ...]] = ()
    """What the names of parameters begin with that no feature depends on."""

    def __init__(self, modality: str, name: str, weights: str, **options: Any):
        super().__init__(modality, name, weights, **options)
        self.half = False
        self._network: tuple[str, nn.Module] | None = None

    @abstractmethod
    def find_weights(self) -> Found | None:
        """Where the pretrained weights are, or None for random ones."""

    @abstractmethod
    def present(self) -> Found | None:
        """Pretrained weights on this machine. Raises WeightsUnavailable if they are damaged."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The network with its weights, on the CPU. Called under a seeded random generator."""

    def outputs(self, network: Callable[..., Any], batch: Sequence[Any], device: str) -> torch.Tensor:
        """What the network makes of prepared items: (B, D), or (B, T, D) for sequences.

        Args:
            network: to be called as ``self.network(device)`` is: that, or one with other weights, for whoever
                trains them and asks for gradients.
            batch: as `embed` takes it.
            device: the same.
        """
        raise NotImplementedError(f"{self.title} gives features, but no tensors with gradients")

    @property
    def trainable(self) -> bool:
        """Whether it has `outputs`, which an encoder from outside may do without, in full precision."""
        return type(self).outputs is not Network.outputs and not self.half

    def embed(self, batch: Sequence[Any], device: str) -> list[Feature]:
        """`outputs` with the weights that were found, without gradients."""
        network, kind = self.network(device), torch.device(device).type
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=self.half):
            outputs = self.outputs(network, batch, device).float()
        return [Feature(values) for values in outputs.cpu().numpy()]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: it does not change, and its network may be large."""
        return self

    @property
    def offer(self) -> Offer | None:
        """The pretrained weights that are published for it; None where that is not known."""
        return None

    @cached_property
    def architecture(self) -> str:
        """What tables call the network, apart from its weights."""
        return self.name

    @cached_property
    def found(self) -> Found | None:
        """The pretrained weights, looked up once; None if the encoder has random ones."""
        return self.find_weights()

    @property
    def weights(self) -> str:
        """Either "pretrained" or "random"."""
        return "pretrained" if self.found else "random"

    @property
    def stamp(self) -> str:
        """Architecture, and which weights: ``resnet50 (IMAGENET1K_V2 11ad3fa6)``, ``resnet50 (random)``."""
        name, weights = (self.architecture, self.found.stamp) if self.found else (self.name, "random")
        return f"{name} ({weights}, bfloat16)" if self.half else f"{name} ({weights})"

    @property
    def source(self) -> str:
        """The name and digest of the weights, or what the random ones depend on."""
        if self.found:
            return f"{self.found.source} {self.found.digest}"
        return f"random, seed 0, torch {version('torch')}, {self.library} {version(self.library)}"

    @property
    def recipe(self) -> tuple[str, str, str, tuple[tuple[str, Any], ...]]:
        """As of every encoder; the precision is in the name."""
        modality, name, weights, options = super().recipe
        return modality, name + IN_HALF if self.half else name, weights, options

    def _identity(self) -> dict[str, Any]:
        """As of every encoder, and the precision."""
        return super()._identity() | ({"precision": "bfloat16"} if self.half else {})

    def network(self, device: str) -> nn.Module:
        """The network in evaluation mode on `device`; built at the first call and kept."""
        if self._network is None or self._network[0] != device:
            seed = int.from_bytes(hashlib.sha256(f"{self.name} seed 0".encode()).digest()[:8], "big")
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)  # torch.manual_seed would touch the GPU's state too
                # what is made in inference mode could take part in no training
                with warnings.catch_warnings(), torch.inference_mode(False):
                    warnings.simplefilter("ignore")
                    network = self.build()
            self._network = device, network.eval().requires_grad_(False).to(device)
        return self._network[1]


def evenly(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the indices 0 .. count-1, evenly spaced, each from the middle of its stretch."""
    if count <= wanted:
        return list(range(count))
    return [math.floor((i + 0.5) * count / wanted) for i in range(wanted)]


def within(option: str, value: Any, lowest: int, highest: int) -> int:
    """The value of an encoder's option. Raises UnknownEncoder if it is none of lowest .. highest."""
    if type(value) is not int or not lowest <= value <= highest:
        raise UnknownEncoder(f"{option} must be a whole number of {lowest} to {highest}, not {value!r:.40}")
    return value
