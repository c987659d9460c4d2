"""NAME:bfloat16: on request a network computes in that; its features are others, and say so."""

import numpy as np
import pytest
import torch
from test_encoders import SMALL

import encoders
from bench.perf.forward import Forward
from encoders import UnknownEncoder

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")
OF = {"bert": "text", "xlnet": "text", "videomae": "video", "wav2vec2": "audio"}


@pytest.mark.parametrize("name", ["resnet18", *OF])
def test_features_are_about_the_same_and_bits_depend_on_the_item_alone(items, tmp_path, name):
    modality = OF.get(name, "image")
    asked = SMALL[name](tmp_path / "model") if name in SMALL else name
    options = {"size": 32} if modality == "image" else {}
    whole = encoders.get(modality, asked, weights="random", **options)
    half = encoders.get(modality, f"{asked}:bfloat16", weights="random", **options)
    exact, rounded = ([f.values for f in e.encode(items[modality])] for e in (whole, half))
    alone = [next(iter(half.encode([item]))).values for item in items[modality]]
    for one, other, same in zip(exact, rounded, alone, strict=True):
        assert one.shape == other.shape
        assert other.dtype == np.float32
        assert 0 < np.abs(one - other).max() < 0.05 * np.abs(one).max()
        np.testing.assert_array_equal(other, same)


def test_cache_tables_and_other_processes_tell_both_apart():
    whole = encoders.get("image", "resnet18", weights="random", size=32)
    half = encoders.get("image", "resnet18:random:bfloat16", weights="pretrained", size=32)
    assert (whole.stamp, half.stamp) == ("resnet18 (random)", "resnet18 (random, bfloat16)")
    assert half.fingerprint != whole.fingerprint
    modality, name, weights, chosen = half.recipe
    again = encoders.get(modality, name, weights=weights, **dict(chosen))
    assert (again.half, again.stamp, again.fingerprint) == (True, half.stamp, half.fingerprint)


def test_what_has_no_network_is_refused_and_training_is_in_full_precision():
    with pytest.raises(UnknownEncoder, match="'hashing:bfloat16' has no network that could compute in"):
        encoders.get("text", "hashing:bfloat16")
    assert encoders.get("image", "resnet18", weights="random").trainable
    assert not encoders.get("image", "resnet18:bfloat16", weights="random").trainable


def test_its_speed_is_compared_with_a_bare_pass_in_the_same_precision():
    half = encoders.get("image", "resnet18:bfloat16", weights="random", size=32)
    forward = Forward.of(half, list(torch.randn(2, 3, 32, 32)), "cpu")
    seen = []
    forward.network.conv1.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    forward.speed(2)
    assert seen == [torch.bfloat16]
