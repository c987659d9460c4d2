"""Encoders that are trained together with a fusion: the paper's learning rate, 1e-6, suggests that its were.

    items --prepare--> batch --Adapted network--> vectors, as from the cache --> trunk -> fusion -> head

Nothing else differs from a network on cached features: trunk, standardisation, loop, recipe, early stopping
and the weights that are kept are the same code. Learning rates of their own need no optimiser of their own
either: a weight is the encoder's own plus `scale` times a difference that is trained from zero. A step of
Adam moves the difference by about the learning rate of the rest, however steep the loss is, and so the weight
by `scale` times that; what clips gradients sees those of differences. Weight decay pulls to the encoder's own
weights, not to zero (Li, Grandvalet & Davoine, ICML 2018), and a kept model holds differences only.

Networks stay in evaluation mode: batch normalisation keeps the statistics that it has, dropout is off. So an
item's vector depends on the item alone, as in the cache, and is the same when it is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from bench.data.splits import Parts
from bench.features.batch import Batch
from bench.features.joined import ItemBatch, JoinedFeatures, network_of
from bench.features.layout import Description, Layout
from bench.features.store import FeatureSet
from bench.finetuning import FinetunedSpec, Finetuning
from bench.methods.base import AfterEpoch
from bench.methods.network import WEIGHTS, FusionModel, Network
from bench.seeds import derive
from bench.spec import RunSpec
from encoders import Network as Encoder
from encoders.batches import alike
from fusions import Fused, Source

ON_DEVICE = 64
"""Items that go through a network together on a GPU, at most; on the CPU as many as the encoder says."""


class Difference(nn.Module):
    """What is added to a weight: zero at first, and then whatever is learned, or that by a low rank only.

    A low rank is LoRA (Hu et al., ICLR 2022): the product of two thin matrices, of which the one that is not
    zero has a size with which a step moves the weight as far as it would without.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.shape = weight.shape
        if rank:
            rows, columns = weight.flatten(1).shape
            rank = min(rank, rows, columns)
            self.up = nn.Parameter(weight.new_zeros(rows, rank))
            self.down = nn.Parameter(torch.randn(rank, columns) * rank**-0.5)
        else:
            self.whole = nn.Parameter(torch.zeros_like(weight))
        self.rank = rank

    def forward(self) -> Tensor:
        """The difference, of the shape of the weight."""
        return (self.up @ self.down).reshape(self.shape) if self.rank else self.whole


class Adapted(nn.Module):
    """The network of an encoder, its weights moved by what is trained.

    Args:
        encoder: whose network it is; that is not changed, nor part of the state.
        config: how it is trained.
        lr: the learning rate of the rest of the model.
    """

    def __init__(self, encoder: Encoder, config: Finetuning, lr: float) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        own = dict(encoder.network("cpu").named_parameters())
        used = [name for name in own if not name.startswith(encoder.unused)]
        rates = learning_rates(used, config)
        # of a low rank are differences of matrices; what is none stays
        self.scales = {n: rate / lr for n, rate in rates.items() if own[n].dim() > 1 or not config.rank}
        # a point has a meaning in names of modules
        self.differences = nn.ModuleDict(
            {name.replace(".", "/"): Difference(own[name], config.rank) for name in self.scales}
        )

    def forward(self, parts: Mapping[Source, ItemBatch]) -> dict[Source, Batch]:
        """Sources of a batch with the vectors that the network makes of their items, some at a time."""
        device = str(next(iter(parts.values())).values.device)
        call = self._moved(device)
        batching = self.encoder.batching(device)
        if device != "cpu":
            batching = replace(batching, most=min(batching.most, ON_DEVICE))

        def embed(prepared: Sequence[Any]) -> Tensor:
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=self._mixed(device)):
                made = self.encoder.outputs(call, prepared, device)
            return made.float().reshape(len(made), -1, made.shape[-1])

        items = (((source, i), item) for source, part in parts.items() for i, item in part.prepared())
        batches = list(alike(items, batching))
        again = self.config.checkpointing and torch.is_grad_enabled() and len(batches) > 1
        vectors: dict[tuple[Source, int], Tensor] = {}
        with set_checkpoint_early_stop(False):  # it stops by an exception, which looks like the network's
            for keys, prepared in batches:
                made = checkpoint(embed, prepared, use_reentrant=False) if again else embed(prepared)
                vectors |= zip(keys, made, strict=True)
        return {
            source: part.filled(
                torch.cat([self._none(part), *(vectors[source, i] for i in range(len(part.items)))])
            )
            for source, part in parts.items()
        }

    def _none(self, part: ItemBatch) -> Tensor:
        """No vectors, of the width that those of a source have."""
        return torch.zeros((0, part.source.width), device=part.values.device)

    def _mixed(self, device: str) -> bool:
        """Whether to compute in bfloat16: what is predicted, before a step as after, is in full precision."""
        return self.config.mixed and device.startswith("cuda") and torch.is_grad_enabled()

    def _moved(self, device: str) -> Callable[..., Any]:
        """The network as its weights are now."""
        network = self.encoder.network(device)
        own, moved = dict(network.named_parameters()), {}
        for name, scale in self.scales.items():
            moved[name] = torch.add(own[name], self.differences[name.replace(".", "/")](), alpha=scale)
        return lambda *positional, **named: functional_call(network, moved, positional, named)


def learning_rates(names: Sequence[str], config: Finetuning) -> dict[str, float]:
    """The learning rates of a network's parameters, by name in the order of its layers, that are trained.

    A block goes by the beginning of its names, up to the first part that ends in a number:
    ``encoder.layer.3``, ``features.12``, ``layer4``; or their first part, where none does: ``embeddings``.
    """
    order = list(dict.fromkeys(map(_block, names)))
    first = int(config.frozen * len(order))
    rates = {block: config.lr * config.decay ** (len(order) - 1 - i) for i, block in enumerate(order)}
    trained = set(order[first:])
    return {name: rates[_block(name)] for name in names if _block(name) in trained}


def _block(name: str) -> str:
    parts = name.split(".")
    numbered = [i for i, part in enumerate(parts[:-1]) if part[-1].isdigit()]
    return ".".join(parts[: numbered[0] + 1 if numbered else 1])


class JoinedModel(FusionModel):
    """Encoders, trunk, fusion and head."""

    def __init__(self, model: FusionModel, adapted: Mapping[str, Adapted]) -> None:
        super().__init__(model.trunk, model.fusion, model.head, model.task)
        self.encoders = nn.ModuleDict(adapted)

    def forward(self, batch: Mapping[Source, Batch]) -> tuple[Tensor, Fused]:
        """As of a model on cached features, once all items have vectors."""
        vectors = dict(batch)
        for modality, adapted in self.encoders.items():
            parts = {s: p for s, p in batch.items() if isinstance(p, ItemBatch) and s.modality == modality}
            vectors |= adapted(parts) if parts else {}
        return super().forward(vectors)


class Finetuned(Network):
    """A fusion in its model, trained end to end with encoders.

    Attributes:
        encoders: modality -> encoder that is trained, once it is fitted or loaded.
    """

    encoders: Mapping[str, Encoder]

    def __init__(self, spec: RunSpec, device: torch.device) -> None:
        super().__init__(spec, device)
        assert isinstance(spec, FinetunedSpec)
        self.finetune = spec.finetune

    def fit(self, features: FeatureSet, parts: Parts, after_epoch: AfterEpoch | None = None) -> None:
        """As of every network, on joined features."""
        assert isinstance(features, JoinedFeatures)
        self.encoders = features.encoders
        super().fit(features, parts, after_epoch)

    @classmethod
    def load(cls, folder: Path, spec: RunSpec, layout: Layout, device: torch.device) -> Self:
        """As of every network; its encoders must be here as they were. Raises UsageError if one is not."""
        method, known = cls(spec, device), Description.read(folder).origin.encoders
        if not known.keys() >= set(method.finetune.encoders):
            raise ValueError(f"{folder} does not say which encoders were trained")
        method.encoders = {m: network_of(m, known[m]) for m in method.finetune.encoders}
        try:
            method._build(layout)
            method.model.load_state_dict(load_file(folder / WEIGHTS))
        except Exception as error:  # a damaged file makes the reader raise anything
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{folder / WEIGHTS} does not fit {spec.method} ({reason})") from None
        method.model.to(device)
        return method

    def _build(self, layout: Layout) -> None:
        super()._build(layout)
        lr = self.spec.training.lr
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.spec.seed, "finetune"))
            adapted = {m: Adapted(encoder, self.finetune, lr) for m, encoder in self.encoders.items()}
        self.model = JoinedModel(self.model, adapted)
        self.parameters = sum(p.numel() for p in self.model.parameters())
