"""Image encoders: the features that a torchvision classification network hands to its last layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from safetensors.torch import load_file
from torch import nn

from encoders.base import Item, Network, within
from encoders.batches import stacked
from encoders.decoding import CannotDecode, decoding
from encoders.feature import Feature
from encoders.registry import register, register_family
from encoders.untrusted import WeightsUnavailable, check_safetensors, first_line
from encoders.weights import Found, sha256, torchvision_cached, torchvision_weights

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the colour channels of ImageNet."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of the formats that are opened (JPEG is MPO too). Others run programs (EPS)."""
CPU_BATCH = 16
DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


def decode(path: Path, size: int) -> np.ndarray:
    """Read an image file as RGB, upright, squeezed to a square: uint8 (size, size, 3).

    Raises CannotDecode.
    """
    with opened(path) as image:
        image.draft("RGB", (2 * size, 2 * size))  # lets JPEG decode at a fraction of a large size
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file, its header only. Every fault of it, here or in the body, becomes CannotDecode.

    Pillow's limit against decompression bombs stays on: Image.DecompressionBombError is the cause then.
    """
    with decoding(path):
        try:
            image = Image.open(path, formats=FORMATS)
        except UnidentifiedImageError as error:
            raise CannotDecode("it is in no image format that is read here") from error
        with image:
            yield image


def is_torchvision_model(name: str) -> bool:
    """Whether torchvision has a classification model of that name; NAME@FILE gives it one's own weights."""
    from torchvision import models

    return name.partition("@")[0] in models.list_models(module=models)


@register_family(
    "image", is_torchvision_model, "any torchvision classification model will do, or MODEL@FILE; "
)
@register("image", "resnet18", "resnet50", "resnet101", "densenet121")
class Torchvision(Network):
    """Penultimate features of a torchvision classification network, for images of `size` x `size` pixels.

    Pretrained weights are those for ImageNet, with their own channel statistics. Random weights are
    torchvision's initialisation with batch normalisation as the identity. Without training, the features of
    some networks then vanish (1e-12 in googlenet) and those of others grow, so they are multiplied by one
    constant, found with a fixed image. Normalising every layer instead, with statistics of synthetic images,
    was tried: linear models read less about the image from resnets so treated.
    """

    library = "torchvision"
    version = 2

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

    def find_weights(self) -> Found | None:
        """The file that the name gives, or torchvision's ImageNet weights."""
        if self.file is None:
            return torchvision_weights(self.name, self.wanted)
        if self.wanted == "random":
            raise WeightsUnavailable(f"{self.name!r} names its weights, so they cannot be random")
        if not self.file.is_file():
            raise WeightsUnavailable(f"{self.file}, the weights of {self.name!r}, does not exist")
        return Found(self.file, self.file.name, sha256(self.file))

    def present(self) -> Path | None:
        """The file in torch.hub's folder, or the one that the name gives."""
        found = torchvision_cached(self.name) if self.file is None else self.find_weights()
        return found.path if found else None

    @property
    def cpu_batch(self) -> int:
        """16 pictures up to 224 pixels wide, fewer larger ones: more are not faster, and take memory."""
        size: int = self.options["size"]
        return max(1, min(CPU_BATCH, CPU_BATCH * 224**2 // size**2))

    @property
    def stamp(self) -> str:
        """With the digest of weights of one's own: ``resnet50 (mine.pth 1a2b3c4d)``."""
        if self.file is None or self.found is None:
            return super().stamp
        return f"{self.architecture} ({self.file.name} {self.found.digest[:8]})"

    @cached_property
    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of the colour channels that the network expects."""
        if self.found is None or self.file is not None:
            return IMAGENET
        from torchvision import models

        transform = models.get_weight(self.found.source).transforms()
        return tuple(transform.mean), tuple(transform.std)

    def build(self) -> nn.Module:
        """The network, its last layer replaced by the identity."""
        from torchvision import models

        # Google's two networks were trained on other channel statistics and convert the input themselves.
        converts = self.found is not None and self.architecture in ("googlenet", "inception_v3")
        network: nn.Module = models.get_model(
            self.architecture, weights=None, **({"transform_input": True} if converts else {})
        )
        if self.found:
            load(network, self.found)
        if getattr(network, "image_size", self.options["size"]) != self.options["size"]:
            raise WeightsUnavailable(
                f"{self.name} takes images of {network.image_size} pixels only; set its size so"
            )
        last = [n for n, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
        network.set_submodule(last, nn.Identity())
        if self.found is None:
            self.scale = scale_to_one(network, self.options["size"])
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's types lack it
        return network

    def prepare(self, item: Item) -> torch.Tensor:
        """The normalised pixels (3, size, size)."""
        pixels = decode(Path(item), self.options["size"])
        mean, std = (np.array(s, dtype=np.float32) for s in self.statistics)
        values = torch.from_numpy((pixels.astype(np.float32) / 255 - mean) / std).permute(2, 0, 1)
        return values.contiguous()

    def embed(self, batch: Sequence[torch.Tensor], device: str) -> list[Feature]:
        """The penultimate features: (512,) of resnet18, (2048,) of resnet50, (1024,) of densenet121."""
        network = self.network(device)
        pixels = stacked(batch, device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            values = network(pixels).flatten(1).cpu().numpy()
        return [Feature(row * self.scale) for row in values]


def scale_to_one(network: nn.Module, size: int) -> float:
    """The factor that brings a network's features for a picture of 16 random patches to the order of 1.

    A power of two: multiplying by it is exact, and it does not depend on the last bits of the features.
    """
    patches = torch.randn(1, 3, 4, 4)
    with torch.inference_mode():
        features = network.eval()(nn.functional.interpolate(patches, size=(size, size)))
    return float(2.0 ** -torch.log2(features.square().mean().sqrt()).round())


def load(network: nn.Module, found: Found) -> None:
    """Load a torchvision checkpoint, weights only: a pickle may hold code otherwise. Every key must fit."""
    try:
        if found.path.suffix == ".safetensors":
            check_safetensors(found.path)
            state = load_file(found.path)
        else:
            state = torch.load(found.path, map_location="cpu", weights_only=True)
        # The densenet files are older than the modules' names: "denselayer1.norm.1." is now "...norm1.".
        state = {DENSENET_KEY.sub(r"\1\2", key): value for key, value in state.items()}
        network.load_state_dict(state)
    except WeightsUnavailable:
        raise
    except Exception as error:  # a file from outside makes the unpickler raise anything
        raise WeightsUnavailable(
            f"{found.path} cannot be loaded as the weights of a torchvision model ({first_line(error)}); "
            "get the file again"
        ) from error
