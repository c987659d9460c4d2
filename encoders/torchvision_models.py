"""Image encoders from torchvision: any of its classifiers, with any of its published weights."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import nn

from encoders.base import UnknownEncoder
from encoders.classifier import Classifier, Own, load
from encoders.registry import register, register_family
from encoders.untrusted import WeightsUnavailable
from encoders.weights import (
    Found,
    Offer,
    torchvision_cached,
    torchvision_digest,
    torchvision_members,
    torchvision_weights,
)

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


def is_torchvision_model(name: str) -> bool:
    """Whether torchvision has a classifier of that name, whichever weights it says."""
    from torchvision import models

    return re.split("[:@]", name)[0] in models.list_models(module=models)


@register_family(
    "image",
    is_torchvision_model,
    "any torchvision classification model will do, or MODEL:WEIGHTS, or MODEL@FILE; ",
)
@register("image", "resnet18", "resnet50", "resnet101", "densenet121", "mobilenet_v2")
class Torchvision(Classifier):
    """Penultimate features of a torchvision classification network.

    ``resnet50:IMAGENET1K_V1`` has the weights that torchvision publishes under that name, ``resnet50`` those
    that it takes by default. A file of one's own with the content of a published one is treated as such.

    Random weights are torchvision's initialisation with batch normalisation as the identity. Normalising
    every layer instead, with statistics of synthetic images, was tried: linear models read less about the
    image from resnets so treated.
    """

    library = "torchvision"
    version = 2

    def __init__(self, modality: str, name: str, weights: str, *, size: int = 224):
        super().__init__(modality, name, weights, size=size)
        self.architecture, _, self.member = self.architecture.partition(":")
        if self.member and self.file:
            raise UnknownEncoder(
                f"{name!r} names its weights twice; leave out :{self.member} or @{self.file}"
            )
        if self.member:
            known = [member.name for member in torchvision_members(self.architecture)]
            if self.member not in known:
                raise UnknownEncoder(
                    f"torchvision has no weights {self.member!r} of {self.architecture}; "
                    f"it has: {', '.join(known) or 'none'}"
                )

    def published(self) -> Found | None:
        """Those that the name says, or torchvision's default ones, or others of the model already there."""
        if self.member and self.wanted == "random":
            raise WeightsUnavailable(f"{self.name!r} names its weights, so they cannot be random")
        wanted = "pretrained" if self.member else self.wanted
        return torchvision_weights(self.architecture, wanted, self.member)

    def present(self) -> Found | None:
        """The file on this machine, or the one that the name gives."""
        if self.file:
            return self.find_weights()
        return torchvision_cached(self.architecture, self.member)

    @property
    def offer(self) -> Offer | None:
        """What the name says, or torchvision's default."""
        for entry in torchvision_members(self.architecture, self.member)[:1] if self.file is None else []:
            size = round(entry.meta["_file_size"] * 2**20)
            return Offer(entry.name, entry.url, size, "BSD-3-Clause")
        return None

    @cached_property
    def weights_entry(self) -> WeightsEnum | None:
        """The published weights that were found, by their content."""
        if self.found is None:
            return None
        digest, known = self.found.digest, torchvision_members(self.architecture)
        return next((m for m in known if (d := torchvision_digest(m)) and digest.startswith(d)), None)

    def own_preprocessing(self) -> Own | None:
        """What torchvision says of the weights."""
        if self.weights_entry is None:
            return None
        transform = self.weights_entry.transforms()
        return Own(transform.crop_size[0], transform)

    def classifier(self) -> nn.Module:
        """The network, strictly loaded."""
        from torchvision import models

        # Google's two networks were trained on other channel statistics and convert the input themselves.
        converts = self.found is not None and self.architecture in ("googlenet", "inception_v3")
        options: dict[str, Any] = {"transform_input": True} if converts else {}
        if self.own and self.architecture.startswith("vit_"):  # which are built for one size
            options["image_size"] = self.side
        network: nn.Module = models.get_model(self.architecture, weights=None, **options)
        if self.found:
            # The densenet files are older than the modules' names: "denselayer1.norm.1." is now "...norm1.".
            load(network, self.found, self.library, lambda key: DENSENET_KEY.sub(r"\1\2", key))
        if getattr(network, "image_size", self.side) != self.side:
            raise WeightsUnavailable(
                f"{self.name} takes images of {network.image_size} pixels only; set its size so"
            )
        last = [n for n, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
        network.set_submodule(last, nn.Identity())
        return network
