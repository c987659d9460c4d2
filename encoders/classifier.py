"""What image encoders have in common: the features that a classifier of pictures hands to its last layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from encoders.base import Item, Network, within
from encoders.batches import stacked
from encoders.colours import rgb
from encoders.digest import sha256
from encoders.image import IMAGENET, decode, opened
from encoders.untrusted import WeightsUnavailable, check_safetensors, first_line
from encoders.weights import Found

CPU_BATCH = 16


class Own(NamedTuple):
    """The preprocessing that weights were trained with.

    Attributes:
        side: of the square that the network sees, in pixels.
        transform: from an upright RGB picture to that square, normalised: (3, side, side).
    """

    side: int
    transform: Callable[[Image.Image], torch.Tensor]


class Classifier(Network):
    """Penultimate features of a network that classifies pictures.

    ``NAME`` has the default weights of its library, ``NAME@FILE`` those of a file of one's own: safetensors,
    or a .pth that holds weights only.

    Published weights get their own preprocessing: resizing, crop, interpolation, mean and deviation. Random
    weights, and those of a file that nobody published, have none: the picture is squeezed to a square of
    `size` pixels, an option that concerns them alone. Without training, the features of some networks vanish
    (1e-12 in googlenet) and those of others grow, so they are multiplied by one constant, found with a fixed
    image.
    """

    def __init__(self, modality: str, name: str, weights: str, *, size: int = 224):
        super().__init__(modality, name, weights, size=within("size", size, 32, 2048))
        self.architecture, _, file = name.partition("@")
        self.file = Path(file).expanduser().resolve() if file else None
        if self.file:
            self.name, self.asked = (
                f"{self.architecture}@{self.file.name}",
                f"{self.architecture}@{self.file}",
            )
        self.scale = 1.0

    @abstractmethod
    def published(self) -> Found | None:
        """The weights that the library publishes, or None for random ones."""

    @abstractmethod
    def own_preprocessing(self) -> Own | None:
        """That of the weights that were found; None of those that nobody published."""

    @abstractmethod
    def classifier(self) -> nn.Module:
        """The network with its weights and without its last layer, on the CPU."""

    def find_weights(self) -> Found | None:
        """The file that the name gives, or what the library publishes."""
        if self.file is None:
            return self.published()
        if self.wanted == "random":
            raise WeightsUnavailable(f"{self.name!r} names its weights, so they cannot be random")
        if not self.file.is_file():
            raise WeightsUnavailable(f"{self.file}, the weights of {self.name!r}, does not exist")
        return Found(self.file, self.file.name, sha256(self.file))

    @cached_property
    def own(self) -> Own | None:
        """The preprocessing of published weights."""
        return self.own_preprocessing() if self.found else None

    @property
    def side(self) -> int:
        """Of the square that the network sees, in pixels."""
        size: int = self.options["size"]
        return self.own.side if self.own else size

    @property
    def unread(self) -> tuple[str, ...]:
        """The size, where weights have preprocessing of their own."""
        return ("size",) if self.own else ()

    @property
    def cpu_batch(self) -> int:
        """16 pictures up to 224 pixels wide, fewer larger ones: more are not faster, and take memory."""
        return max(1, min(CPU_BATCH, CPU_BATCH * 224**2 // self.side**2))

    @property
    def source(self) -> str:
        """As for every network, with the preprocessing that belongs to the weights."""
        words = " ".join(repr(self.own.transform).split()) if self.own else ""
        return f"{super().source}, {words}" if words else super().source

    def build(self) -> nn.Module:
        """The network, its last layer replaced by the identity."""
        network = self.classifier()
        if self.found is None:
            self.scale = scale_to_one(network, self.options["size"])
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's types lack it
        return network

    def prepare(self, item: Item) -> torch.Tensor:
        """The normalised pixels (3, side, side)."""
        if self.own is None:
            pixels = decode(Path(item), self.side)
            mean, std = (np.array(s, dtype=np.float32) for s in IMAGENET)
            values = torch.from_numpy((pixels.astype(np.float32) / 255 - mean) / std).permute(2, 0, 1)
            return values.contiguous()
        with opened(Path(item)) as image:
            # what is four times as large is decoded at a fraction of its size
            image.draft("RGB", (2 * self.side, 2 * self.side))
            return self.own.transform(rgb(image))

    def outputs(
        self, network: Callable[..., Any], batch: Sequence[torch.Tensor], device: str
    ) -> torch.Tensor:
        """The penultimate features: (B, 512) of resnet18, (B, 2048) of resnet50, (B, 1024) of densenet121."""
        pixels = stacked(batch, device).contiguous(memory_format=torch.channels_last)
        features: torch.Tensor = network(pixels).flatten(1) * self.scale
        return features


def scale_to_one(network: nn.Module, size: int) -> float:
    """The factor that brings a network's features for a picture of 16 random patches to the order of 1.

    A power of two: multiplying by it is exact, and it does not depend on the last bits of the features.
    """
    patches = torch.randn(1, 3, 4, 4)
    with torch.inference_mode():
        features = network.eval()(nn.functional.interpolate(patches, size=(size, size)))
    return float(2.0 ** -torch.log2(features.square().mean().sqrt()).round())


def load(
    network: nn.Module, found: Found, library: str, renamed: Callable[[str], str] = lambda key: key
) -> None:
    """Load a checkpoint, weights only: a pickle may hold code otherwise. Every key, `renamed`, must fit."""
    try:
        state: dict[str, Any]
        if found.path.suffix == ".safetensors":
            check_safetensors(found.path)
            state = load_file(found.path)
        else:
            state = torch.load(found.path, map_location="cpu", weights_only=True)
        network.load_state_dict({renamed(key): value for key, value in state.items()})
    except WeightsUnavailable:
        raise
    except Exception as error:  # a file from outside makes the unpickler raise anything
        raise WeightsUnavailable(
            f"{found.path} cannot be loaded as the weights of a {library} model ({first_line(error)}); "
            "get the file again"
        ) from error
