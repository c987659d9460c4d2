"""Architecture and weights named apart: by torchvision's names, timm's, and files of one's own."""

import re

import numpy as np
import pytest
import torch
from media import one, save_bert, save_image
from PIL import Image

import encoders
from bench.labels import short
from encoders import UnknownEncoder, WeightsUnavailable
from encoders import weights as weights_module

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")

TINY = "test_resnet"
"""A small network that timm has for its own tests."""


def network(name):
    """A torchvision network with weights that no other test has."""
    from torchvision import models

    with torch.random.fork_rng():
        torch.manual_seed(9)
        return models.get_model(name, weights=None).eval()


# ---------------------------------------------------------------------------------------- torchvision


def test_torchvisions_weights_go_by_their_names():
    with pytest.raises(
        UnknownEncoder, match=r"no weights 'V3' of resnet50; it has: IMAGENET1K_V2, IMAGENET1K_V1"
    ):
        encoders.get("image", "resnet50:V3")
    with pytest.raises(UnknownEncoder, match="names its weights twice"):
        encoders.get("image", "resnet50:IMAGENET1K_V1@mine.pth")
    for weights, message in (("random", "cannot be random"), ("auto", "does not answer")):
        with pytest.raises(WeightsUnavailable, match=message):
            _ = encoders.get("image", "resnet50:IMAGENET1K_V1", weights=weights).stamp


def test_a_file_of_published_weights_is_known_by_its_content(tmp_path, monkeypatch):
    from torchvision.models import ResNet18_Weights

    model = network("resnet18")
    torch.save(model.state_dict(), tmp_path / "theirs.pth")
    picture = save_image(tmp_path / "wide.png", size=(400, 300))
    encoder = encoders.get("image", f"resnet18@{tmp_path / 'theirs.pth'}", size=64)
    squeezed = one(encoder, picture).values
    monkeypatch.setattr("encoders.classifier.sha256", lambda path: "f37072fd" + 56 * "0")
    encoder = encoders.get("image", f"resnet18@{tmp_path / 'theirs.pth'}", size=64)
    model.fc = torch.nn.Identity()
    pixels = ResNet18_Weights.IMAGENET1K_V1.transforms()(Image.open(picture))
    assert encoder.prepare(picture).shape == (3, 224, 224)
    np.testing.assert_allclose(one(encoder, picture).values, model(pixels[None])[0].detach(), atol=1e-5)
    assert encoder.stamp == "resnet18 (theirs.pth f37072fd)"
    assert not np.allclose(squeezed, one(encoder, picture).values, atol=1e-3)


def test_published_preprocessing_turns_pictures_upright_and_knows_broken_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("encoders.classifier.sha256", lambda path: "f37072fd" + 56 * "0")
    torch.save(network("resnet18").state_dict(), tmp_path / "theirs.pth")
    encoder = encoders.get("image", f"resnet18@{tmp_path / 'theirs.pth'}")
    plain = save_image(tmp_path / "plain.png", size=(256, 256))
    image = Image.open(plain)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(encoder.prepare(plain), encoder.prepare(tmp_path / "turned.png"))
    (tmp_path / "cut.png").write_bytes(plain.read_bytes()[:300])
    assert isinstance(one(encoder, tmp_path / "cut.png"), encoders.Undecodable)


def test_weights_in_a_folder_of_ones_own(tmp_path, monkeypatch):
    """What BENCH_WEIGHTS names holds torchvision's files and the Hub's folders beside each other."""
    folder = tmp_path / "brought"
    save_bert(folder / "models--google-bert--bert-base-chinese/snapshots/c0ffee")
    (folder / "models--google-bert--bert-base-chinese/refs").mkdir()
    (folder / "models--google-bert--bert-base-chinese/refs/main").write_text("c0ffee")
    torch.save(network("resnet18").state_dict(), folder / "resnet18-f37072fd.pth")
    monkeypatch.setattr(weights_module, "sha256", lambda path: "f37072fd" + 56 * "0")
    monkeypatch.setenv("BENCH_WEIGHTS", str(folder))
    assert encoders.get("image", "resnet18").stamp == "resnet18 (IMAGENET1K_V1 f37072fd)"
    assert encoders.get("text", "bert").stamp == "bert (bert-base-chinese c0ffee)"
    assert next(iter(encoders.places().items())) == ("BENCH_WEIGHTS", folder)
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "absent"))
    with pytest.raises(WeightsUnavailable, match=r"BENCH_WEIGHTS names .*absent, which is no folder"):
        _ = encoders.get("image", "resnet18", weights="pretrained").stamp


# --------------------------------------------------------------------------------------- Hugging Face


def test_a_short_name_with_a_folder_of_ones_own(tmp_path):
    save_bert(tmp_path / "tiny")
    encoder = encoders.get("text", f"bert@{tmp_path / 'tiny'}")
    assert re.fullmatch(r"bert \(tiny [0-9a-f]{8}\)", encoder.stamp)
    assert encoder.name == "bert@tiny"
    modality, name, weights, options = encoder.recipe
    again = encoders.get(modality, name, weights=weights, **dict(options))
    assert again.fingerprint == encoder.fingerprint
    alone = encoders.get("text", str(tmp_path / "tiny"))
    assert np.array_equal(one(encoder, "全场").values, one(alone, "全场").values)
    with pytest.raises(WeightsUnavailable, match="holds a bert network, not xlnet"):
        _ = encoders.get("text", f"xlnet@{tmp_path / 'tiny'}").stamp
    with pytest.raises(WeightsUnavailable, match="cannot be random"):
        _ = encoders.get("text", f"bert@{tmp_path / 'tiny'}", weights="random").stamp
    with pytest.raises(WeightsUnavailable, match=r"absent/config\.json"):
        _ = encoders.get("text", f"bert@{tmp_path / 'absent'}").stamp
    with pytest.raises(UnknownEncoder):
        encoders.get("text", f"hashing@{tmp_path / 'tiny'}")


def test_rows_show_the_file_and_not_where_it_lies():
    names = ["resnet18@/home/a@b/mine.pth", "timm/resnet18@/x/y.pth", "resnet18"]
    assert list(short(names).values()) == ["resnet18@mine.pth", "timm/resnet18@y.pth", "resnet18"]


# ----------------------------------------------------------------------------------------------- timm


def test_without_timm_an_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("encoders.timm_models.find_spec", lambda name: None)
    with pytest.raises(
        UnknownEncoder, match=r"'timm/resnet18' needs timm: pip install 'fusion-bench\[timm\]'"
    ):
        encoders.get("image", "timm/resnet18")


def timm_network():
    timm = pytest.importorskip("timm", minversion="1.0")
    with torch.random.fork_rng():
        torch.manual_seed(9)
        return timm.create_model(TINY).eval()


def timms_features(model, picture):
    from timm.data import create_transform, resolve_model_data_config

    pixels = create_transform(**resolve_model_data_config(model), is_training=False)(Image.open(picture))
    model.reset_classifier(0)
    return model(pixels[None])[0].detach()


def test_a_timm_network_with_random_weights(items):
    pytest.importorskip("timm", minversion="1.0")
    encoder = encoders.get("image", f"timm/{TINY}", weights="random", size=64)
    assert (encoder.stamp, encoder.cpu_batch) == (f"timm/{TINY} (random)", 16)
    together = [result.values for result in encoder.encode(items["image"])]
    again = encoders.get("image", f"timm/{TINY}", weights="random", size=64)
    assert np.array_equal(together[1], one(again, items["image"][1]).values)
    assert not np.allclose(together[0], together[1])
    with pytest.raises(UnknownEncoder, match="timm has no model 'resnet17', did you mean"):
        encoders.get("image", "timm/resnet17")
    patches = encoders.get("image", "timm/test_vit", weights="random", size=96)
    assert np.isfinite(one(patches, items["image"][0]).values).all()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_timm_network_with_a_file_of_ones_own(tmp_path, items, suffix):
    from safetensors.torch import save_file

    model, file = timm_network(), tmp_path / f"mine{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(model.state_dict(), file)
    encoder = encoders.get("image", f"timm/{TINY}@{file}")
    assert encoder.stamp == f"timm/{TINY} (mine{suffix} {weights_module.sha256(file)[:8]})"
    expected = timms_features(model, items["image"][0])
    np.testing.assert_allclose(one(encoder, items["image"][0]).values, expected, atol=1e-5)
    (tmp_path / "other.pth").write_bytes(b"\x80\x04no weights")
    with pytest.raises(
        WeightsUnavailable, match=r"other\.pth cannot be loaded as the weights of a timm model"
    ):
        one(encoders.get("image", f"timm/{TINY}@{tmp_path / 'other.pth'}"), items["image"][0])


def test_timms_published_weights_in_the_hubs_cache(tmp_path, items):
    from safetensors.torch import save_file

    model, home = timm_network(), tmp_path / f"hub/models--timm--{TINY}.r160_in1k"
    with pytest.raises(WeightsUnavailable, match="does not answer"):
        _ = encoders.get("image", f"timm/{TINY}.r160_in1k").stamp
    (home / "refs").mkdir(parents=True)
    (home / "refs/main").write_text("c0ffee")
    (home / "snapshots/c0ffee").mkdir(parents=True)
    save_file(model.state_dict(), home / "snapshots/c0ffee/model.safetensors")
    for name in (TINY, f"{TINY}.r160_in1k"):
        encoder = encoders.get("image", f"timm/{name}")
        assert encoder.stamp == f"timm/{TINY} (r160_in1k c0ffee)"
        expected = timms_features(timm_network(), items["image"][0])
        np.testing.assert_allclose(one(encoder, items["image"][0]).values, expected, atol=1e-5)
