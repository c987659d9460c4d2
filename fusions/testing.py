"""The contract tests of a fusion method, for its author: one import, one call.

    from fusions.testing import check_fusion
    check_fusion("mfb", parameters=12_345)          # a registered name, or a class
    check_fusion(MyFusion, layers=1)

Each check is a function in `CHECKS` that takes a builder and raises AssertionError with what is wrong, or
whatever the method raises, so that a test suite can run them one by one:

    @pytest.mark.parametrize("check", CHECKS)
    def test_contract(check): check(builder(MyFusion))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fusions.base import Fused, Fusion, Inputs, Source, Tokens
from fusions.hidden import unregistered
from fusions.registry import build

Builder = Callable[[Inputs], Fusion]
"""Builds the method under test for some inputs, from the current random state."""

Batch = dict[Source, Tokens]

DIM = 16
BATCH = 5
MANY = "commodity"
# number of groups up to which a source is left out; modality and entity groups grow together
SOURCES = (
    (1, "anchor", "text"),
    (2, MANY, "image"),
    (2, MANY, "text"),
    (3, "room", "numeric"),
    (3, MANY, "numeric"),
    (4, "video", "video"),
    (5, "audio", "audio"),
    (6, "sensor", "depth"),
)
LENGTHS = {"text": 3, "image": 1, "numeric": 2, "video": 4, "audio": 3, "depth": 2}


def example_inputs(groups: int = 5, dim: int = DIM) -> Inputs:
    """Inputs of 1 to 6 modality groups, and as many entities, one of which has many items."""
    sources = tuple(Source(entity, modality) for needed, entity, modality in SOURCES if needed <= groups)
    ordered = frozenset(s for s in sources if s.modality in ("video", "audio"))
    return Inputs(sources, dim, ordered, frozenset({MANY}))


def example_tokens(
    inputs: Inputs, batch: int = BATCH, seed: int = 0, dtype: torch.dtype = torch.float64
) -> Batch:
    """Random tokens with about a quarter absent; absent values are NaN, as nothing may depend on them.

    Of every source some sample has no token at all. The first sample is complete.
    """
    generator = torch.Generator().manual_seed(seed)
    tokens = {}
    for i, source in enumerate(inputs.sources):
        shape = (batch, 3 if source.entity in inputs.many else 1, LENGTHS.get(source.modality, 2))
        mask = torch.rand(shape, generator=generator) < 0.75
        if batch > 1:
            mask[1 + i % (batch - 1)] = False
        mask[0] = True
        values = torch.randn(*shape, inputs.dim, generator=generator, dtype=torch.float64).to(dtype)
        tokens[source] = Tokens(values.masked_fill(~mask.unsqueeze(-1), torch.nan), mask)
    return tokens


def builder(method: str | type[Fusion], **options: Any) -> Builder:
    """A builder of a registered name or of a class, with options."""
    if isinstance(method, str):
        return lambda inputs: build(method, inputs, **options)
    return lambda inputs: method(inputs, **options)


def check_fusion(method: str | type[Fusion], *, parameters: int | None = None, **options: Any) -> None:
    """Run every check on a method; AssertionError says which one failed and why.

    Args:
        method: a registered name, or a class.
        parameters: the number of parameters it should have for `example_inputs()`, if that is to be checked.
        **options: options of the constructor.
    """
    make = builder(method, **options)
    name = method if isinstance(method, str) else method.__name__
    for check in CHECKS:
        try:
            check(make)
        except Exception as error:
            what = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            raise AssertionError(f"{name}: {check.__name__}: {what}") from error
    if parameters is not None:
        count = count_parameters(make(example_inputs()))
        assert count == parameters, f"{name}: has {count:,} parameters, not {parameters:,}"


def count_parameters(module: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


# -- helpers


def _ready(
    make: Builder, groups: int = 5, *, dtype: torch.dtype = torch.float64, seed: int = 0
) -> tuple[Fusion, Inputs]:
    """A method in eval mode, calibrated, whose parameters are all away from special values such as 0."""
    torch.manual_seed(seed)
    inputs = example_inputs(groups)
    fusion = make(inputs)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    fusion.calibrate(torch.randn(64))
    return fusion.to(dtype).eval(), inputs


def _rows(tokens: Batch, rows: slice | list[int]) -> Batch:
    return {source: Tokens(t.values[rows], t.mask[rows]) for source, t in tokens.items()}


def _absent(tokens: Batch, gone: Callable[[Source], bool]) -> Batch:
    """Make some sources absent from every sample."""
    return {
        source: Tokens(torch.full_like(t.values, torch.nan), torch.zeros_like(t.mask)) if gone(source) else t
        for source, t in tokens.items()
    }


def _padded(tokens: Batch, inputs: Inputs) -> Batch:
    """One more padded token per item, and one more padded item of the entities with many."""
    padded = {}
    for source, (values, mask) in tokens.items():
        items = int(source.entity in inputs.many)
        values = nn.functional.pad(values, (0, 0, 0, 1, 0, items), value=torch.nan)
        padded[source] = Tokens(values, nn.functional.pad(mask, (0, 1, 0, items), value=False))
    return padded


def _assert_shape(fused: Fused, batch: int, dim: int) -> None:
    shape = tuple(fused.vector.shape)
    assert len(shape) in (2, 3), f"vector has shape {shape}, not (B, d) or (B, G, d)"
    assert (shape[0], shape[-1]) == (batch, dim), f"vector has shape {shape} for batch {batch} and d {dim}"


def _assert_finite(value: Tensor, what: str) -> None:
    bad = int((~value.isfinite()).sum())
    assert bad == 0, f"{bad} of {value.numel()} numbers of {what} are not finite"


def _assert_same(a: Tensor, b: Tensor, tolerance: float, what: str) -> None:
    _assert_finite(a, "the vector")
    _assert_finite(b, "the vector")
    difference = (a - b).detach().abs().max().item()
    assert difference <= tolerance, f"{what} changes the result by {difference:.1e} (at most {tolerance:.0e})"


def _backward(fusion: Fusion, tokens: Mapping[Source, Tokens]) -> None:
    """Gradients of a random projection of the vector plus the auxiliary loss."""
    fused = fusion(tokens)
    weights = torch.randn(fused.vector.shape, generator=torch.Generator().manual_seed(1)).to(fused.vector)
    target = torch.linspace(-2, 2, len(fused.vector)).to(fused.vector)
    auxiliary = fusion.auxiliary_loss(fused, target)
    assert auxiliary.shape == (), f"auxiliary_loss has shape {tuple(auxiliary.shape)}, not ()"
    ((fused.vector * weights).sum() + auxiliary).backward()


# -- checks


def check_builds(make: Builder) -> None:
    """It can be built for 1 to 6 groups and is a fusion."""
    for groups in range(1, 7):
        fusion = make(example_inputs(groups))
        assert isinstance(fusion, Fusion), f"{type(fusion).__name__} is not a subclass of fusions.Fusion"


def check_registered(make: Builder) -> None:
    """No tensor or module hides where the optimiser, `to` and `state_dict` do not see it."""
    hidden = unregistered(make(example_inputs()))
    assert not hidden, "; ".join(hidden)


def check_shape(make: Builder) -> None:
    """The vector is (B, d) or (B, G, d), finite, for 1 to 6 groups."""
    for groups in range(1, 7):
        fusion, inputs = _ready(make, groups, dtype=torch.float32)
        fused = fusion(example_tokens(inputs, dtype=torch.float32))
        assert isinstance(fused, Fused), f"forward returns {type(fused).__name__}, not Fused"
        _assert_shape(fused, BATCH, inputs.dim)
        _assert_finite(fused.vector, f"the vector of {groups} groups")


def check_batch_of_one(make: Builder) -> None:
    """A batch of one sample works, in training too."""
    fusion, inputs = _ready(make)
    _assert_shape(fusion.train()(example_tokens(inputs, batch=1)), 1, inputs.dim)


def check_batch_mates(make: Builder) -> None:
    """A row is the same alone, in another order, and beside other samples."""
    fusion, inputs = _ready(make)
    tokens = example_tokens(inputs)
    together = fusion(tokens).vector
    for row in range(BATCH):
        alone = fusion(_rows(tokens, slice(row, row + 1))).vector
        _assert_same(together[row], alone[0], 1e-6, "the rest of the batch")
    backwards = fusion(_rows(tokens, list(range(BATCH))[::-1])).vector
    _assert_same(together, backwards.flip(0), 1e-6, "the order of the batch")


def check_batch_mates_in_training(make: Builder) -> None:
    """A row in training does not depend on the other samples, whatever dropout draws."""
    fusion, inputs = _ready(make)
    tokens = example_tokens(inputs)
    others = torch.arange(BATCH).view(-1, 1, 1, 1) > 0
    changed = {
        s: Tokens(torch.where(others, 1.5 * t.values + 1, t.values), t.mask) for s, t in tokens.items()
    }

    def first(batch: Mapping[Source, Tokens]) -> Tensor:
        torch.manual_seed(1)  # the same dropout for both
        vector: Tensor = fusion.train()(batch).vector
        return vector[0]

    _assert_same(
        first(tokens),
        first(changed),
        1e-6,
        "the rest of the batch, through its mean or other statistics (use LayerNorm),",
    )


def check_padding(make: Builder) -> None:
    """Padded tokens and padded items, holding NaN, change nothing."""
    for groups in (1, 2, 5):
        fusion, inputs = _ready(make, groups)
        tokens = example_tokens(inputs)
        _assert_same(fusion(tokens).vector, fusion(_padded(tokens, inputs)).vector, 1e-6, "padding")


def check_item_order(make: Builder) -> None:
    """The items of an entity with many are a set."""
    fusion, inputs = _ready(make)
    tokens = example_tokens(inputs)
    shuffled = {
        source: Tokens(t.values[:, [2, 0, 1]], t.mask[:, [2, 0, 1]]) if source.entity in inputs.many else t
        for source, t in tokens.items()
    }
    _assert_same(fusion(tokens).vector, fusion(shuffled).vector, 1e-5, "the order of the items")


def check_presence_matters(make: Builder) -> None:
    """Every group's tokens reach the result, where all groups are present."""
    fusion, inputs = _ready(make)
    tokens = _rows(example_tokens(inputs), slice(0, 1))
    whole = fusion(tokens).vector
    for source in inputs.sources:
        changed = {**tokens, source: Tokens(tokens[source].values + 1.5, tokens[source].mask)}
        difference = (whole - fusion(changed).vector).detach().abs().max().item()
        assert difference > 0, f"changing {source} changes nothing"


def check_absent(make: Builder) -> None:
    """A group absent from the whole batch, and then every group, leaves result and gradients finite."""
    fusion, inputs = _ready(make)
    tokens = example_tokens(inputs)
    groups = sorted({s.modality for s in inputs.sources} | {s.entity for s in inputs.sources})
    for name in [*groups, "everything"]:

        def gone(source: Source, name: str = name) -> bool:
            return name in (*source, "everything")

        batch = _absent(tokens, gone)
        fusion.zero_grad()
        _assert_finite(fusion(batch).vector, f"the vector without {name}")
        _backward(fusion, batch)
        for key, parameter in fusion.named_parameters():
            if parameter.grad is not None:
                _assert_finite(parameter.grad, f"the gradient of {key} without {name}")


def check_gradients(make: Builder) -> None:
    """Every parameter gets a gradient, and a finite one, for 1, 2 and 5 groups."""
    for groups in (1, 2, 5):
        fusion, inputs = _ready(make, groups)
        _backward(fusion, example_tokens(inputs))
        for name, parameter in fusion.named_parameters():
            assert parameter.grad is not None, f"parameter {name} gets no gradient with {groups} groups"
            _assert_finite(parameter.grad, f"the gradient of {name}")


def check_gradients_at_zero(make: Builder) -> None:
    """Gradients are finite where all inputs are zero, and where all parameters are zero too."""
    fusion, inputs = _ready(make)
    tokens = {s: Tokens(torch.zeros_like(t.values), t.mask) for s, t in example_tokens(inputs).items()}
    for what in ("zero inputs", "zero inputs and parameters"):
        fusion.zero_grad()
        for t in tokens.values():
            t.values.grad = None
            t.values.requires_grad_()
        _backward(fusion, tokens)
        for name, parameter in fusion.named_parameters():
            if parameter.grad is not None:
                _assert_finite(parameter.grad, f"the gradient of {name} at {what}")
        for source, t in tokens.items():
            if t.values.grad is not None:
                _assert_finite(t.values.grad, f"the gradient to {source} at {what}")
        with torch.no_grad():
            for parameter in fusion.parameters():
                parameter.zero_()


def check_dtypes(make: Builder) -> None:
    """Works in float32, float64 and bfloat16, and returns what it is given, backward included."""
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        fusion, inputs = _ready(make, dtype=dtype)
        tokens = example_tokens(inputs, dtype=dtype)
        vector = fusion(tokens).vector
        assert vector.dtype == dtype, f"{dtype} inputs give {vector.dtype}"
        _assert_finite(vector, f"the {dtype} vector")
        _backward(fusion, tokens)


def check_seed(make: Builder) -> None:
    """The same seed gives the same bits: parameters, output, and output with dropout."""
    inputs = example_inputs()
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        fusion = make(inputs)
        vector = fusion(example_tokens(inputs, dtype=torch.float32)).vector
        results.append([*fusion.state_dict().values(), vector])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True)), "one seed gave two results"


def check_state_dict(make: Builder) -> None:
    """A second instance with the first one's state gives the same output."""
    first, inputs = _ready(make, seed=0)
    second, _ = _ready(make, seed=1)
    second.load_state_dict(first.state_dict())
    tokens = example_tokens(inputs)
    assert torch.equal(first(tokens).vector, second(tokens).vector), (
        "state_dict does not hold all of the state"
    )


def check_attention(make: Builder) -> None:
    """Maps come only when asked for, are weights over present keys, and leave the vector as it is."""
    fusion, inputs = _ready(make)
    tokens = example_tokens(inputs)
    plain = fusion(tokens)
    assert not plain.attention, "attention maps are computed though `want_attention` is not set"
    fusion.want_attention = True
    fused, padded = fusion(tokens), fusion(_padded(tokens, inputs))
    assert torch.equal(plain.vector, fused.vector), "asking for attention maps changes the vector"
    assert list(fused.attention) == list(padded.attention), "the names of the maps depend on the batch"
    for name, weights in fused.attention.items():
        assert weights.dim() == 4, f"map {name} has shape {tuple(weights.shape)}, not (B, heads, Q, K)"
        assert len(weights) == BATCH, f"map {name} has shape {tuple(weights.shape)} for batch {BATCH}"
        _assert_finite(weights, f"map {name}")
        assert bool((weights >= 0).all()), f"map {name} has negative weights"
        sums = weights.sum(-1)
        whole = torch.isclose(sums, torch.ones_like(sums)) | (sums == 0)
        assert bool(whole.all()), f"rows of map {name} do not sum to 1, or to 0 where there is no key"
        used, used_padded = ((w > 0).any(1).any(1).sum(-1) for w in (weights, padded.attention[name]))
        assert torch.equal(used, used_padded), f"map {name} has weight on padding"


CHECKS: tuple[Callable[[Builder], None], ...] = (
    check_builds,
    check_registered,
    check_shape,
    check_dtypes,
    check_batch_mates_in_training,
    check_batch_of_one,
    check_batch_mates,
    check_padding,
    check_item_order,
    check_presence_matters,
    check_absent,
    check_gradients,
    check_gradients_at_zero,
    check_seed,
    check_state_dict,
    check_attention,
)
"""Every check, each taking a `Builder`; a cause comes before what follows from it."""
