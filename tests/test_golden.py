"""Each method's core against a reference implementation: its weights copied in, its inputs fed, to 1e-5.

The classes here are the ones that `fusions.build` builds, see `test_the_cores_are_what_build_builds`.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fusions
from fusions.base import Group, masked_mean
from fusions.blocks import TransformerEncoder
from fusions.cmmt import TextGuidedInteraction
from fusions.lmf import LowRankFusion
from fusions.mfb import FactorizedPooling
from fusions.mult import CrossmodalEncoder, MultimodalSequences
from fusions.testing import example_inputs
from fusions.tfn import TensorFusion, outer_product
from fusions.vtfsa import GatedSelfAttention, pair_grid

GOLDEN = Path(__file__).parent / "golden"


def load(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as arrays:
        return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}


def close(ours: Tensor, reference: Tensor) -> None:
    torch.testing.assert_close(ours, reference.to(ours.dtype), atol=1e-5, rtol=0)


def fill(module: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Copy weights into a module; each of its parameters must be given."""
    module.load_state_dict(weights, strict=True)
    return module.eval()


def full(mask_of: Tensor) -> Tensor:
    return torch.ones(mask_of.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize(("name", "order"), [("mfb", 1), ("mfh", 2)])
def test_factorized_pooling(name: str, order: int) -> None:
    g = load(name)
    core = FactorizedPooling([24, 20], int(g["factor"]), int(g["out_dim"]), order, dropout=0.1)
    weights = {}
    for stage in range(order):
        for position, letter in enumerate("xy"):
            prefix = f"stages.{stage}.projections.{position}"
            weights[f"{prefix}.weight"] = g[f"W_{stage + 1}_{letter}"]
            weights[f"{prefix}.bias"] = g[f"b_{stage + 1}_{letter}"]
    fill(core, weights)
    close(core([g["x"], g["y"]]), g["z"])
    if name == "mfb":
        close(core.stages[0]([g["x"], g["y"]]), g["e"])


def test_tensor_fusion() -> None:
    g = load("tfn")
    h = [g["h0"], g["h1"], g["h2"]]
    close(outer_product(h), g["fused"])
    core = TensorFusion([4, 6, 5], hidden=12, out=1, dropout=0.1)
    fill(
        core,
        {
            f"post.{2 * i - 1}.{n}": g[f"{k}{i}"]
            for i in (1, 2, 3)
            for n, k in (("weight", "W"), ("bias", "b"))
        },
    )
    close(6 * core(h).sigmoid() - 3, g["out_scaled"])


def test_low_rank_fusion() -> None:
    g = load("lmf")
    core = LowRankFusion([4, 6, 5], rank=4, out=7)
    factors = {f"factors.{i}": g[f"F{i}"] for i in range(3)}
    fill(core, {**factors, "rank_weights": g["rank_weights"], "bias": g["bias"]})
    close(core([g["h0"], g["h1"], g["h2"]]), g["out"])


def test_self_attention_over_pairs() -> None:
    g = load("vtfsa")
    a, b = (g[key].flatten(2).transpose(1, 2) for key in ("grid_a", "grid_b"))
    grid = pair_grid(Group(a, full(a)), Group(b, full(b)))
    # the reference lays the pairs out as a map: cell (i, j) = [A at (i // 7, j // 7); B at (i % 7, j % 7)]
    map_ = grid.values.unflatten(1, (7, 7, 7, 7)).permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
    close(map_[:, :, :14, :21], g["fused_corner"])
    torch.testing.assert_close(map_.double().sum(), g["fused_sum"].double(), atol=1e-3, rtol=0)

    core = GatedSelfAttention(16)
    weights = {
        f"{n}.{k}": g[f"{w}_{n[0]}"]
        for n in ("query", "key", "value")
        for k, w in (("weight", "W"), ("bias", "b"))
    }
    fill(core, {**weights, "gamma": g["gamma"]})
    x = g["attn_in"].flatten(2).transpose(1, 2)
    out, attention = core(x, full(x), want_map=True)
    close(out.transpose(1, 2).unflatten(2, (14, 21)), g["attn_out"])
    close(attention[:, 0, 0], g["attn_weights_row0"])


def test_text_guided_interaction() -> None:
    g = load("cmmt")
    core = TextGuidedInteraction(24, int(g["heads"]), classes=11, hidden=48, dropout=0.1)
    weights = {
        "text_head.weight": g["W_aux"],
        "text_head.bias": g["b_aux"],
        "attention.in_proj.weight": torch.cat([g["W_q"], g["W_k"], g["W_v"]]),
        "attention.in_proj.bias": torch.cat([g["b_q"], g["b_k"], g["b_v"]]),
        "feedforward.expand.weight": g["W_ff1"],
        "feedforward.expand.bias": g["b_ff1"],
        "feedforward.contract.weight": g["W_ff2"],
        "feedforward.contract.bias": g["b_ff2"],
    }
    for ours, theirs in (("norm_gate", "ln_mid"), ("norm_feedforward", "ln_ff"), ("norm_out", "ln_top")):
        weights |= {f"{ours}.weight": g[f"{theirs}_w"], f"{ours}.bias": g[f"{theirs}_b"]}
    fill(core, weights)
    result = core(g["text"], g["image"])
    close(result.text_logits.softmax(-1), g["class_probabilities"])
    close(result.gate, g["gate"])
    close(result.cross, g["cross"])
    close(result.out, g["out"])


def layer_names(norms: tuple[str, str], linears: tuple[str, str]) -> dict[str, str]:
    """Reference name -> our name of the parts of one transformer layer."""
    return {
        "self_attn.in_proj_": "attention.in_proj.",
        "self_attn.out_proj": "attention.out_proj",
        linears[0]: "feedforward.expand",
        linears[1]: "feedforward.contract",
        norms[0]: "norm1",
        norms[1]: "norm2",
    }


MULT_NAMES = {**layer_names(("layer_norms.0", "layer_norms.1"), ("fc1", "fc2")), "layer_norm.": "norm."}
TORCH_NAMES = layer_names(("norm1", "norm2"), ("linear1", "linear2"))


def renamed(golden: dict[str, Tensor], prefix: str, names: dict[str, str]) -> dict[str, Tensor]:
    """The arrays under `prefix`, under our names."""
    weights = {}
    for key, value in golden.items():
        if key.startswith(prefix):
            ours = key.removeprefix(prefix)
            for theirs, replacement in names.items():
                ours = ours.replace(theirs, replacement)
            weights[ours] = value
    return weights


def test_transformer_encoder() -> None:
    g = load("transformer")
    core = TransformerEncoder(16, int(g["heads"]), int(g["layers"]), hidden=32, dropout=0.1)
    fill(core, renamed(g, "p.", TORCH_NAMES))
    out, _ = core(g["x"], g["valid"])
    # what is computed for padding has no meaning and differs
    close(out[g["valid"]], g["out"][g["valid"]])
    close(masked_mean(out, g["valid"]), g["mean"])


@pytest.mark.parametrize("name", ["out_unmasked", "out_masked", "self_unmasked"])
def test_crossmodal_encoder(name: str) -> None:
    g = load("mult_encoder")
    heads, layers = int(g["heads"]), int(g["layers"])
    causal = name == "out_masked"
    core = CrossmodalEncoder(30, heads, layers, 0.1, ordered=True, source_ordered=True, causal=causal)
    fill(core, renamed(g, "p.", MULT_NAMES))
    query, source = (Group(x, full(x)) for x in (g["query"].transpose(0, 1), g["source"].transpose(0, 1)))
    out, _ = core(query, None if name == "self_unmasked" else source)
    close(out, g[name].transpose(0, 1))


def test_multimodal_sequences() -> None:
    g = load("mult")
    core = MultimodalSequences(
        [13, 7, 9],
        [True, True, True],
        dim=30,
        out=1,
        heads=int(g["heads"]),
        layers=int(g["layers"]),
        dropout=0.1,
    )
    weights = {"absent.tokens": torch.zeros(3, 30), "output.weight": g["p.out_layer.weight"]}
    weights |= {"output.bias": g["p.out_layer.bias"]}
    for i, letter in enumerate("lav"):
        weights[f"project.{i}.weight"] = g[f"p.proj_{letter}.weight"].squeeze(-1)
        memory = renamed(g, f"p.trans_{letter}_mem.", MULT_NAMES)
        weights |= {f"memory.{i}.{name}": value for name, value in memory.items()}
    for i, (target, source) in enumerate(core.pairs):
        encoder = renamed(g, f"p.trans_{'lav'[target]}_with_{'lav'[source]}.", MULT_NAMES)
        weights |= {f"crossmodal.{i}.{name}": value for name, value in encoder.items()}
    for i, position in ((1, 0), (2, 3)):
        weights |= {f"residual.{position}.{n}": g[f"p.proj{i}.{n}"] for n in ("weight", "bias")}
    fill(core, weights)
    assert len(core.memory[0].layers) == int(g["memory_layers"])
    read, _ = core.read([Group(g[name], full(g[name])) for name in ("text", "audio", "video")])
    close(read, g["last_hidden"])
    close(core.predict(read), g["out"])


@pytest.mark.parametrize(
    ("name", "core"),
    [
        ("mfb", FactorizedPooling),
        ("mfh", FactorizedPooling),
        ("tfn", TensorFusion),
        ("lmf", LowRankFusion),
        ("vtfsa", GatedSelfAttention),
        ("cmmt", TextGuidedInteraction),
        ("mult", MultimodalSequences),
        ("mult", CrossmodalEncoder),
        ("memf", TransformerEncoder),
    ],
)
def test_the_cores_are_what_build_builds(name: str, core: type[nn.Module]) -> None:
    method = fusions.build(name, example_inputs(2))
    assert any(type(module) is core for module in method.modules())
