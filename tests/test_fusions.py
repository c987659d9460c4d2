"""The contract of every registered method, and its size."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import fusions
from fusions.base import Fused, Fusion, Group, Inputs, Source, Tokens, VectorFusion
from fusions.testing import (
    CHECKS,
    Builder,
    builder,
    check_fusion,
    count_parameters,
    example_inputs,
    example_tokens,
)

D = 16
SMALL = {"heads": 2, "layers": 1, "dropout": 0.1, "width": 4, "memory_layers": 1}


def small(name: str) -> dict[str, object]:
    """The options of SMALL that a method has."""
    return {option: value for option, value in SMALL.items() if option in fusions.get(name).options}


# -- the contract, over the whole registry

METHODS = fusions.names()
VARIANTS = [
    *((name, {}) for name in METHODS),
    ("mfb", {"out": 24}),
    ("memf", {"order": "modality-first"}),
    ("mult", {"causal": False}),
    ("vtfsa", {"grid": False}),
]


def test_registry_has_the_methods_of_the_design() -> None:
    names = "cmmt concat memf mean fc lstm cnn gmu late lmf mbt mfb mfh mult tfn vtfsa"
    assert " ".join(METHODS) == names


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("name", "options"),
    VARIANTS,
    ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values())) or "default",
)
def test_contract(name: str, options: dict[str, object], check: Callable[[Builder], None]) -> None:
    check(builder(name, **small(name), **options))


@pytest.mark.parametrize("name", METHODS)
def test_builds_with_its_defaults(name: str) -> None:
    inputs = example_inputs(3)
    fused = fusions.build(name, inputs)(example_tokens(inputs, dtype=torch.float32))
    assert fused.vector.isfinite().all()


# -- sizes, each written down from the paper's equations, not from the code


def attention_size(d: int) -> int:
    return 4 * d * (d + 1)


def layer_size(d: int) -> int:
    """Attention, feed-forward part of 4 d, two LayerNorms."""
    return attention_size(d) + (d + 1) * 4 * d + (4 * d + 1) * d + 4 * d


def entity_size(g: int, d: int, layers: int) -> int:
    """One encoder per entity; that with many items has an attention and a LayerNorm more."""
    return g * layers * layer_size(d) + (attention_size(d) + 2 * d if g > 1 else 0)


def mult_size(g: int, d: int, w: int, layers: int) -> int:
    width = max(g - 1, 1) * w
    r = g * width
    crossmodal = g * (g - 1) * (layers * layer_size(w) + 2 * w)
    memory = g * (max(layers, 3) * layer_size(width) + 2 * width)
    return g * d * w + g * w + crossmodal + memory + 2 * r * (r + 1) + (r + 1) * d


def cmmt_size(g: int, d: int, bins: int) -> int:
    interaction = (d + 1) * bins + 3 * d * (d + 1) + (d + 1) * 4 * d + (4 * d + 1) * d + 6 * d
    return d + g * layer_size(d) + (g - 1) * (d + 1) * bins + interaction


def vtfsa_size(g: int, d: int) -> int:
    c = 2 * d if g == 2 else d
    return (2 * d if g == 2 else 0) + 2 * (c + 1) * (c // 8) + (c + 1) * c + 1 + (c + 1) * d


SIZES: dict[str, Callable[[int, int], int]] = {
    "memf": lambda g, d: entity_size(g, d, 2) + 2 * layer_size(d),
    "mfb": lambda g, d: g * d + g * (d + 1) * 5 * d,
    "mfh": lambda g, d: g * d + 2 * g * (d + 1) * 5 * d + (2 * d + 1) * d,
    "tfn": lambda g, d: g * d + g * (d + 1) * 4 + (5**g + 1) * 32 + 33 * 32 + 33 * d,
    "lmf": lambda g, d: g * d + g * 4 * (d + 1) * d + 4 + d,
    "vtfsa": vtfsa_size,
    "cmmt": lambda g, d: cmmt_size(g, d, 10),
    "mult": lambda g, d: mult_size(g, d, 4, 2),
    "mbt": lambda g, d: g * d + 4 * d + g * 2 * layer_size(d) + 2 * d,
    "gmu": lambda g, d: g * d + g * d * d + (g * d) ** 2,
    "concat": lambda g, d: g * d + (g * d + 1) * d + (d + 1) * d,
    "late": lambda g, d: g * d + g * (d + 1) * d,
    "mean": lambda g, d: entity_size(g, d, 2),
    "fc": lambda g, d: entity_size(g, d, 2) + g * d + (g * d + 1) * d,
    "lstm": lambda g, d: entity_size(g, d, 2) + g * d + 8 * d * (d + 1),
    "cnn": lambda g, d: entity_size(g, d, 2) + g * d + 2 * (9 * d + 3) * d + (3 * d + 1) * d,
}


@pytest.mark.parametrize("groups", [1, 2, 5])
@pytest.mark.parametrize("name", METHODS)
def test_number_of_parameters(name: str, groups: int) -> None:
    options = {**small(name), "layers": 2} if "layers" in fusions.get(name).options else small(name)
    options.pop("memory_layers", None)
    method = fusions.build(name, example_inputs(groups, D), **options)
    assert count_parameters(method) == SIZES[name](groups, D)


# -- the checks themselves catch what they are there for


class Sound(VectorFusion):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.linear = nn.Linear(inputs.dim, inputs.dim)

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(self.linear(vectors).mean(1))


class HidesParameters(Sound):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.factors = [nn.Parameter(torch.ones(inputs.dim))]

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(super().fuse_vectors(vectors).vector * self.factors[0].to(vectors.dtype))


class UntrainedParameter(Sound):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.unused = nn.Parameter(torch.ones(1))


class AcrossSamples(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return super().fuse_vectors(vectors - vectors.mean(0, keepdim=True))


class AcrossSamplesInTraining(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        mean = vectors.mean(0, keepdim=True).detach()
        return super().fuse_vectors(vectors - mean if self.training else vectors)


class NormalisesTheBatch(Sound):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.norm = nn.BatchNorm1d(inputs.dim)

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(self.norm(super().fuse_vectors(vectors).vector))


class ReturnsATensor(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return super().fuse_vectors(vectors).vector


class WithoutConstructor(Sound):
    def __init__(self, inputs: Inputs) -> None:
        raise ValueError("no luck")


class Sized32(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return super().fuse_vectors(vectors @ torch.eye(vectors.shape[-1]))


class CountsPadding(Sound):
    def fuse(self, groups: dict[str, Group]) -> Fused:
        return Fused(
            self.linear(torch.stack([g.values.mean(1) + self.absent.sum() for g in groups.values()]).mean(0))
        )


class ReadsPadding(Fusion):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, tokens: dict[Source, Tokens]) -> Fused:
        parts = [(t.values * t.mask.unsqueeze(-1)).sum((1, 2)) for t in tokens.values()]
        return Fused(self.weight * torch.stack(parts).sum(0))


class OrdersItems(Sound):
    def fuse(self, groups: dict[str, Group]) -> Fused:
        first = groups[self.groups[0]]
        weight = torch.arange(1, first.mask.shape[1] + 1, dtype=first.values.dtype)
        return Fused(super().fuse(groups).vector + (first.values * weight[:, None]).sum(1))


class IgnoresAGroup(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(self.linear(vectors[:, 0]))


class SquaresShape(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(super().fuse_vectors(vectors).vector.squeeze())


class RootAtZero(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        pooled = super().fuse_vectors(vectors).vector
        return Fused(pooled.sign() * pooled.abs().sqrt())


class Always32(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(super().fuse_vectors(vectors).vector.float())


class Unseeded(Sound):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        generator = torch.Generator()
        generator.seed()
        nn.init.normal_(self.linear.weight, generator=generator)


class ForgetsState(Sound):
    def __init__(self, inputs: Inputs) -> None:
        super().__init__(inputs)
        self.offset = torch.randn(()).item()

    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(super().fuse_vectors(vectors).vector + self.offset)


class EagerMaps(Sound):
    def fuse_vectors(self, vectors: Tensor) -> Fused:
        return Fused(super().fuse_vectors(vectors).vector, {"map": torch.ones(len(vectors), 1, 1, 1)})


class ScoresTimesMask(Sound):
    """The paper's eq. (9) to the letter: padding keeps its share of the softmax."""

    def fuse(self, groups: dict[str, Group]) -> Fused:
        fused = super().fuse(groups)
        if self.want_attention:
            values, mask = groups[self.groups[0]]
            scores = values @ values.transpose(1, 2) * mask.unsqueeze(1)
            fused.attention = {"map": scores.softmax(-1).unsqueeze(1)}
        return fused


def test_sound_method_passes() -> None:
    check_fusion(Sound, parameters=5 * D + D * (D + 1))


@pytest.mark.parametrize(
    ("method", "check"),
    [
        (HidesParameters, "check_registered: parameters in a plain list are never trained.*ParameterList"),
        (NormalisesTheBatch, "check_batch_mates_in_training: the rest of the batch.*LayerNorm"),
        (AcrossSamplesInTraining, "check_batch_mates_in_training"),
        (ReturnsATensor, "ReturnsATensor: check_shape: forward returns Tensor, not Fused"),
        (WithoutConstructor, "WithoutConstructor: check_builds: ValueError: no luck"),
        (Sized32, "check_dtypes: RuntimeError: "),
        (UntrainedParameter, "check_gradients"),
        (AcrossSamples, "check_batch_mates"),
        (CountsPadding, "check_padding"),
        (ReadsPadding, "check_shape"),
        (OrdersItems, "check_padding|check_item_order"),
        (IgnoresAGroup, "check_presence_matters"),
        (SquaresShape, "check_batch_of_one"),
        (RootAtZero, "check_gradients_at_zero"),
        (Always32, "check_batch_mates|check_dtypes"),
        (Unseeded, "check_seed"),
        (ForgetsState, "check_state_dict"),
        (EagerMaps, "check_attention"),
        (ScoresTimesMask, "check_attention"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_checks_catch(method: type[Fusion], check: str) -> None:
    with pytest.raises(AssertionError, match=check):
        check_fusion(method)


def test_what_a_method_raises_stays_the_cause() -> None:
    with pytest.raises(AssertionError) as error:
        check_fusion(WithoutConstructor)
    assert isinstance(error.value.__cause__, ValueError)


def test_wrong_parameter_count_is_caught() -> None:
    with pytest.raises(AssertionError, match="parameters, not 7"):
        check_fusion(Sound, parameters=7)
