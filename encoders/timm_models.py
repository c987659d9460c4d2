"""Image encoders from timm (PyTorch Image Models), an optional dependency, imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from torch import nn

from encoders.base import UnknownEncoder
from encoders.classifier import Classifier, Own, load
from encoders.registry import register_family
from encoders.untrusted import WeightsUnavailable
from encoders.weights import Found, Offer, hub_file, hub_file_cached
from fusions.registry import nearest

PREFIX = "timm/"
FILE = "model.safetensors"


@register_family("image", lambda name: True, "timm/NAME any model of timm; ", prefix=PREFIX)
class Timm(Classifier):
    """Pooled features of a timm network, without its classifier.

    ``timm/resnet18.a1_in1k`` as timm spells it: architecture and, after the point, which of its weights;
    ``timm/resnet18`` has timm's default ones. They come from the Hugging Face Hub, safetensors only. Their
    preprocessing, and that of a file of one's own for the architecture, is timm's data configuration.
    """

    library = "timm"

    def __init__(self, modality: str, name: str, weights: str, *, size: int = 224):
        super().__init__(modality, name, weights, size=size)
        if find_spec("timm") is None:
            raise UnknownEncoder(
                f"{name!r} needs timm: pip install 'fusion-bench[timm]', or pip install timm"
            )
        import timm

        self.model = self.architecture.removeprefix(PREFIX)
        self.architecture, _, self.tag = self.architecture.partition(".")
        if not timm.is_model(self.model):
            known = (
                timm.list_models() if not self.tag else timm.list_pretrained(f"{self.model.split('.')[0]}.*")
            )
            raise UnknownEncoder(f"timm has no model {self.model!r}{nearest(self.model, known)}")

    @cached_property
    def published_as(self) -> Any:
        """What timm says of the weights: where they lie, what they were trained on."""
        import timm

        return timm.get_pretrained_cfg(self.model)

    def published(self) -> Found | None:
        """The file of the model's repository on the Hub; None for random weights."""
        if self.tag and self.wanted == "random":
            raise WeightsUnavailable(f"{self.name!r} names its weights, so they cannot be random")
        repository = self.published_as.hf_hub_id
        return hub_file(
            repository, FILE, self.published_as.tag, self.name, "pretrained" if self.tag else self.wanted
        )

    def present(self) -> Found | None:
        """The file in the Hub's cache, or the one that the name gives."""
        if self.file:
            return self.find_weights()
        return hub_file_cached(self.published_as.hf_hub_id, FILE, self.published_as.tag)

    @property
    def offer(self) -> Offer | None:
        """What timm says of them, who alone knows their licence."""
        known = self.published_as
        if self.file or not known.hf_hub_id:
            return None
        return Offer(known.tag, f"huggingface.co/{known.hf_hub_id}", 0, known.license or "not said")

    def own_preprocessing(self) -> Own | None:
        """The one for evaluation."""
        from timm.data import create_transform, resolve_data_config

        config = resolve_data_config({}, pretrained_cfg=self.published_as.to_dict())
        return Own(config["input_size"][-1], create_transform(**config, is_training=False))

    def classifier(self) -> nn.Module:
        """The network, strictly loaded; one that takes pictures of one size is built for ours."""
        import timm

        fixed = self.published_as.fixed_input_size
        network: nn.Module = timm.create_model(
            self.model, pretrained=False, **({"img_size": self.side} if fixed else {})
        )
        if self.found:
            load(network, self.found, self.library)
        last: Callable[[int], None] = network.reset_classifier  # type: ignore[assignment] # torch's types say a tensor
        last(0)
        return network
