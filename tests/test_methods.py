"""What is particular to each method: identities with other methods, published details, and its blocks."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fusions
from fusions.base import Group, Inputs, Source, Tokens, masked_mean
from fusions.blocks import AbsentTokens, Attention, TransformerEncoder, attend
from fusions.cmmt import CMMT, TextGuidedInteraction
from fusions.lmf import LowRankFusion
from fusions.memf import MultiEntityTransformer, MultimodalTransformer, QuadTransformer
from fusions.mfb import Expand, FactorizedPooling, squeeze, sum_of_pairs
from fusions.mult import CrossmodalEncoder, future_mask, sinusoid
from fusions.testing import (
    example_inputs,
    example_tokens,
)
from fusions.tfn import TensorFusion
from fusions.vtfsa import pair_grid

D = 16

# -- blocks


def test_attention_equals_torch_where_something_is_present() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(D, 4), nn.MultiheadAttention(D, 4, batch_first=True)
    theirs.load_state_dict(
        {k.replace("in_proj.", "in_proj_"): v for k, v in ours.state_dict().items()}, strict=True
    )
    query, source = torch.randn(3, 5, D), torch.randn(3, 7, D)
    mask = torch.rand(3, 7) < 0.6
    mask[:, 0] = True
    expected, weights = theirs(query, source, source, key_padding_mask=~mask, average_attn_weights=False)
    out, our_weights = ours(query, mask, source, want_map=True)
    torch.testing.assert_close(out, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(our_weights, weights, atol=1e-6, rtol=0)


def test_query_without_keys_gets_zeros_and_finite_gradients() -> None:
    x = torch.randn(2, 3, D, requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    out, weights = attend(x, x, x, mask, heads=2, want_map=True)
    assert out[1].eq(0).all()
    assert weights[1].eq(0).all()
    assert weights[0, :, :, 1].eq(0).all()
    out.sum().backward()
    assert x.grad.isfinite().all()


def test_indivisible_width_is_refused() -> None:
    with pytest.raises(ValueError, match="16 is not divisible by 3 heads"):
        fusions.build("memf", example_inputs(), heads=3)


def test_absent_tokens_fill_only_absent_groups() -> None:
    block = AbsentTokens(2, D)
    nn.init.ones_(block.tokens)
    mask = torch.tensor([[False, True], [False, False]])
    values, filled = block(torch.zeros(2, 2, D), mask, 1)
    assert filled.tolist() == [[False, True], [True, False]]
    assert values.sum(-1).tolist() == [[0, 0], [D, 0]]


def test_masked_mean_of_nothing_is_zero() -> None:
    values = torch.full((2, 3, D), torch.nan)
    values[0, 1] = 2.0
    mask = torch.tensor([[False, True, False], [False, False, False]])
    assert masked_mean(values, mask).tolist() == [[2.0] * D, [0.0] * D]


# -- identities of the bilinear family


def test_sum_of_pairs_is_the_sum_over_all_pairs() -> None:
    p = list(torch.randn(5, 3, D, dtype=torch.float64))
    direct = sum(p[g] * p[h] for h in range(5) for g in range(h))
    torch.testing.assert_close(sum_of_pairs(p), direct)
    assert sum_of_pairs(p[:1]) is p[0]


def test_mfb_of_two_groups_is_the_published_pair() -> None:
    torch.manual_seed(0)
    method = fusions.build("mfb", example_inputs(2)).eval()
    x, y = torch.randn(2, 4, D)
    u, v = method.pooling.stages[0].projections
    pooled = (F.linear(x, u.weight, u.bias) * F.linear(y, v.weight, v.bias)).view(4, D, 5).sum(2)
    root = pooled.sign() * pooled.abs().sqrt()
    expected = root / root.norm(dim=1, keepdim=True)
    torch.testing.assert_close(method.fuse_vectors(torch.stack([x, y], 1)).vector, expected)


def test_mfb_before_normalisation_is_lmf_with_unit_rank_weights() -> None:
    torch.manual_seed(0)
    k, out = 5, 7
    expand, lmf = Expand([6, 9], k, out), LowRankFusion([6, 9], k, out)
    with torch.no_grad():
        for factor, linear in zip(lmf.factors, expand.projections, strict=True):
            rows = torch.cat([linear.bias[:, None], linear.weight], dim=1)  # the bias plays the appended 1
            factor.copy_(rows.view(out, k, -1).permute(1, 2, 0))
        lmf.rank_weights.fill_(1)
    h = [torch.randn(4, 6), torch.randn(4, 9)]
    torch.testing.assert_close(expand(h).view(4, out, k).sum(2), lmf(h))


def test_mfh_of_order_one_is_mfb() -> None:
    torch.manual_seed(0)
    core = FactorizedPooling([D, D, D], 5, 7, order=2)
    h = list(torch.randn(3, 4, D))
    torch.testing.assert_close(core(h)[:, :7], squeeze(core.stages[0](h), 5))


def test_tfn_with_a_low_rank_weight_is_lmf() -> None:
    torch.manual_seed(0)
    widths, out = [3, 4, 2], 6
    lmf, tfn = LowRankFusion(widths, 2, out), TensorFusion(widths, hidden=out, out=out)
    weight = torch.einsum("r,rao,rbo,rco->oabc", lmf.rank_weights, *lmf.factors)
    h = [torch.randn(5, width) for width in widths]
    first = tfn.post[1]
    with torch.no_grad():
        first.weight.copy_(weight.flatten(1))
        first.bias.copy_(lmf.bias)
    torch.testing.assert_close(tfn.post[:2](_fused(h)), lmf(h))


def _fused(h: list[Tensor]) -> Tensor:
    extended = [torch.cat([torch.ones(len(x), 1), x], 1) for x in h]
    return torch.einsum("na,nb,nc->nabc", *extended).flatten(1)


@pytest.mark.parametrize("groups", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_lmf_starts_at_a_usable_scale(groups: int, scale: float) -> None:
    torch.manual_seed(0)
    method = fusions.build("lmf", example_inputs(groups, 64))
    vector = method.fuse_vectors(scale * torch.randn(256, groups, 64)).vector
    assert 0.1 < vector.std(0).mean() < 2


def test_tfn_says_which_width_fits() -> None:
    sources = tuple(Source("a", f"m{i}") for i in range(8))
    with pytest.raises(ValueError, match="set `width` to 5 or less"):
        fusions.build("tfn", Inputs(sources, D))
    fusions.build("tfn", Inputs(sources, D), width=2)


# -- VTFSA, CMMT, MulT, GMU, MBT


def test_vtfsa_pairs_every_token_with_every_other() -> None:
    a, b = torch.randn(2, 3, D), torch.randn(2, 4, D)
    mask_a, mask_b = torch.rand(2, 3) < 0.5, torch.rand(2, 4) < 0.5
    grid = pair_grid(Group(a, mask_a), Group(b, mask_b))
    assert torch.equal(grid.values[1, 2 * 4 + 3], torch.cat([a[1, 2], b[1, 3]]))
    assert grid.mask[1, 2 * 4 + 3] == (mask_a[1, 2] & mask_b[1, 3])


def test_vtfsa_refuses_a_grid_that_is_too_large() -> None:
    sources = (Source("a", "x"), Source("a", "y"))
    tokens = {s: Tokens(torch.zeros(1, 1, 65, D), torch.ones(1, 1, 65, dtype=torch.bool)) for s in sources}
    with pytest.raises(ValueError, match="set `grid` to false"):
        fusions.build("vtfsa", Inputs(sources, D))(tokens)
    assert fusions.build("vtfsa", Inputs(sources, D), grid=False)(tokens).vector.shape == (1, D)


def test_cmmt_gate_lies_between_one_over_classes_and_one() -> None:
    torch.manual_seed(0)
    core = TextGuidedInteraction(D, 2, classes=10)
    nn.init.normal_(core.text_head.weight, std=3)
    gate = core(torch.randn(8, 6, D), torch.randn(8, 3, D)).gate
    assert gate.min() >= 0.1
    assert gate.max() <= 1
    nn.init.zeros_(core.text_head.weight)
    nn.init.zeros_(core.text_head.bias)
    torch.testing.assert_close(
        core(torch.randn(8, 6, D), torch.randn(8, 3, D)).gate, torch.full((8, 6, 1), 0.1)
    )


def test_cmmt_bins_are_quantiles_of_the_training_target() -> None:
    method = fusions.build("cmmt", example_inputs(), bins=4)
    assert isinstance(method, CMMT)
    torch.testing.assert_close(method.edges, torch.tensor([-0.6745, 0, 0.6745]), atol=1e-4, rtol=0)
    method.calibrate(torch.arange(101.0))
    assert method.edges.tolist() == [25, 50, 75]


def test_cmmt_auxiliary_loss_is_the_cross_entropy_of_what_is_present() -> None:
    torch.manual_seed(0)
    inputs = example_inputs()
    method = fusions.build("cmmt", inputs, alpha=0.0, dropout=0.0).double()
    fused = method(example_tokens(inputs))
    target = torch.randn(5, dtype=torch.float64)
    bins = torch.bucketize(target, method.edges)
    mask = fused.aux["text_mask"]
    expected = F.cross_entropy(fused.aux["text_logits"][mask], bins[:, None].expand_as(mask)[mask])
    torch.testing.assert_close(method.auxiliary_loss(fused, target), expected)
    method.alpha, method.beta = 1.0, 0.0
    mask = fused.aux["image_mask"]
    expected = F.cross_entropy(fused.aux["image_logits"][mask], bins[:, None].expand_as(mask)[mask])
    torch.testing.assert_close(method.auxiliary_loss(fused, target), expected)


def test_cmmt_anchor_falls_back_to_the_first_group() -> None:
    assert fusions.build("cmmt", example_inputs()).anchor == "text"
    assert fusions.build("cmmt", example_inputs(), anchor="video").anchor == "video"
    assert fusions.build("cmmt", Inputs((Source("a", "x"), Source("a", "y")), D)).anchor == "x"


def test_mult_positions_count_present_tokens_from_one() -> None:
    mask = torch.tensor([[False, True, True, False, True]])
    dense = sinusoid(torch.ones(1, 3, dtype=torch.bool), D)
    assert torch.equal(sinusoid(mask, D)[mask], dense[0])
    assert sinusoid(mask, D)[~mask].eq(0).all()
    torch.testing.assert_close(dense[0, 0, 0], torch.tensor(1.0).sin())


@pytest.mark.parametrize(("queries", "keys"), [(4, 4), (3, 6), (6, 3)])
def test_mult_future_mask_is_the_published_triangle(queries: int, keys: int) -> None:
    published = torch.ones(queries, keys).triu(1 + abs(keys - queries)) == 0
    mask = future_mask(torch.ones(1, queries, dtype=torch.bool), torch.ones(1, keys, dtype=torch.bool))
    assert torch.equal(mask[0], published)


def test_mult_does_not_see_the_future() -> None:
    torch.manual_seed(0)
    encoder = CrossmodalEncoder(D, 2, 2, ordered=True, source_ordered=True, causal=True).eval()
    mask = torch.ones(1, 5, dtype=torch.bool)
    x, source = torch.randn(1, 5, D), torch.randn(1, 5, D)
    changed = source.clone()
    changed[:, 3] += 1
    before, _ = encoder(Group(x, mask), Group(source, mask))
    after, _ = encoder(Group(x, mask), Group(changed, mask))
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 3:], after[:, 3:])


def test_mult_order_matters_only_to_ordered_groups() -> None:
    torch.manual_seed(0)
    inputs = example_inputs()
    method = fusions.build("mult", inputs, heads=2, layers=1, memory_layers=1).double().eval()
    tokens = {s: Tokens(t.values[:1], t.mask[:1]) for s, t in example_tokens(inputs).items()}
    vector = method(tokens).vector
    for source, t in tokens.items():
        flipped = {**tokens, source: Tokens(t.values.flip(2), t.mask.flip(2))}
        same = torch.allclose(method(flipped).vector, vector, atol=1e-9)
        assert same == (source not in inputs.ordered)


def test_gmu_of_one_group_is_a_gated_unit() -> None:
    torch.manual_seed(0)
    method = fusions.build("gmu", example_inputs(1))
    x = torch.randn(4, 1, D)
    expected = method.gate(x[:, 0]).sigmoid() * method.project[0](x[:, 0]).tanh()
    torch.testing.assert_close(method.fuse_vectors(x).vector, expected)


def test_mbt_groups_talk_through_the_bottlenecks_only() -> None:
    torch.manual_seed(0)
    inputs = example_inputs(2)
    method = fusions.build("mbt", inputs, heads=2, layers=2).double().eval()
    tokens = example_tokens(inputs)
    text, image = Source("anchor", "text"), Source("commodity", "image")
    changed = {**tokens, image: Tokens(tokens[image].values + 1, tokens[image].mask)}
    index = method.groups.index(text.modality)
    assert not torch.equal(method(tokens).vector[:, index], method(changed).vector[:, index])
    for layers in method.layers:  # bottlenecks that carry nothing on
        for layer in layers:
            layer.register_forward_hook(_silence(len(method.bottlenecks)))
    assert torch.equal(method(tokens).vector[:, index], method(changed).vector[:, index])


def _silence(last: int) -> Callable:
    def hook(module: nn.Module, args: tuple, output: tuple) -> tuple:
        x, weights = output
        return torch.cat([x[:, :-last], torch.zeros_like(x[:, -last:])], 1), weights

    return hook


# -- MEMF


def test_multimodal_transformer_is_torchs_encoder_and_a_masked_mean() -> None:
    torch.manual_seed(0)
    ours = MultimodalTransformer(D, 4, 2).eval()
    layer = nn.TransformerEncoderLayer(D, 4, 4 * D, batch_first=True)
    theirs = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    names = {"attention.in_proj.": "self_attn.in_proj_", "attention.": "self_attn.", "encoder.": ""}
    names |= {"feedforward.expand": "linear1", "feedforward.contract": "linear2"}
    weights = {}
    for key, value in ours.state_dict().items():
        for mine, other in names.items():
            key = key.replace(mine, other)
        weights[key] = value
    theirs.load_state_dict(weights)
    x, mask = torch.randn(3, 1, 6, D), torch.rand(3, 1, 6) < 0.7
    mask[..., 0] = True
    with torch.no_grad():
        expected = masked_mean(theirs(x[:, 0], src_key_padding_mask=~mask[:, 0]), mask[:, 0])
        torch.testing.assert_close(ours(x, mask), expected, atol=1e-5, rtol=0)


def test_quad_transformer_ignores_the_order_and_the_number_of_padded_items() -> None:
    torch.manual_seed(0)
    quad = QuadTransformer(D, 2, 2).eval()
    values, mask = torch.randn(3, 4, 5, D), torch.rand(3, 4, 5) < 0.6
    values = values.masked_fill(~mask.unsqueeze(-1), 0)
    vector = quad(values, mask)
    order = [2, 0, 3, 1]
    torch.testing.assert_close(quad(values[:, order], mask[:, order]), vector, atol=1e-5, rtol=0)
    more = quad(F.pad(values, (0, 0, 0, 2, 0, 3)), F.pad(mask, (0, 2, 0, 3)))
    torch.testing.assert_close(more, vector, atol=1e-5, rtol=0)


def test_quad_transformer_fuses_within_an_item_first() -> None:
    """Moving a token to another item changes the result: items are not just a bag of tokens."""
    torch.manual_seed(0)
    quad = QuadTransformer(D, 2, 1).eval()
    values = torch.randn(1, 2, 3, D)
    mask = torch.ones(1, 2, 3, dtype=torch.bool)
    swapped = values.clone()
    swapped[0, 0, 0], swapped[0, 1, 0] = values[0, 1, 0], values[0, 0, 0]
    assert not torch.allclose(quad(values, mask), quad(swapped, mask), atol=1e-3)


def test_memf_uses_the_quad_transformer_for_entities_with_many_items() -> None:
    inputs = example_inputs()
    method = fusions.build("memf", inputs, layers=1)
    kinds = dict(zip(method.groups, method.encoders, strict=True))
    assert [name for name, encoder in kinds.items() if isinstance(encoder, QuadTransformer)] == ["commodity"]
    other = fusions.build("memf", inputs, layers=1, order="modality-first")
    assert other.groups == ("text", "image", "numeric", "video", "audio")
    assert all(isinstance(encoder, MultimodalTransformer) for encoder in other.encoders)


def test_memf_refuses_another_order() -> None:
    with pytest.raises(ValueError, match="entity-first or modality-first"):
        fusions.build("memf", example_inputs(), order="both")


@pytest.mark.parametrize("name", ["mean", "fc", "lstm", "cnn"])
def test_table_7_fusers_share_memfs_entity_encoders(name: str) -> None:
    results = []
    for method in ("memf", name):
        torch.manual_seed(0)
        results.append(fusions.build(method, example_inputs(), heads=2, layers=2).encoders.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(r.values() for r in results), strict=True))


def test_memf_attention_maps_leave_out_absent_entities() -> None:
    inputs = example_inputs()
    tokens = example_tokens(inputs, dtype=torch.float32)
    method = fusions.build("memf", inputs, heads=2, layers=2).eval()
    method.want_attention = True
    attention = method(tokens).attention
    assert list(attention) == ["layer0", "layer1"]
    _, present = method.encode(tokens)
    assert not present.all()
    for weights in attention.values():
        assert weights.shape == (5, 2, 5, 5)
        absent = ~present[:, None, None, :].expand_as(weights)
        assert weights[absent].eq(0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(5, 2, 5))


def test_multi_entity_transformer_ignores_the_values_of_absent_entities() -> None:
    torch.manual_seed(0)
    fuser = MultiEntityTransformer(D, 2, 2).eval()
    vectors, present = torch.randn(2, 5, D), torch.tensor([[True] * 5, [True, True, False, True, False]])
    changed = vectors.masked_fill(~present.unsqueeze(-1), 7.0)
    torch.testing.assert_close(fuser(vectors, present)[0], fuser(changed, present)[0])


def test_the_papers_own_mask_would_leak() -> None:
    """softmax(scores x mask), as eq. (9) has it, leaves weight on padding; our attention does not."""
    torch.manual_seed(0)
    q = torch.randn(1, 6, D)
    mask = torch.tensor([[True, True, True, False, False, False]])
    literal = ((q @ q.transpose(1, 2)) * D**-0.5 * mask.unsqueeze(1)).softmax(-1)
    _, ours = attend(q, q, q, mask, want_map=True)
    assert literal[..., ~mask[0]].sum(-1).mean() > 0.1
    assert ours[..., ~mask[0]].eq(0).all()


def test_encoder_of_no_layers_is_the_identity() -> None:
    x = torch.randn(2, 3, D)
    assert torch.equal(TransformerEncoder(D, 2, 0)(x, torch.ones(2, 3, dtype=torch.bool))[0], x)
