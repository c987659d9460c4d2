"""Weights of encoders: those that are there, those that are not, those that are broken."""

import logging
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from media import one, save_bert, values
from PIL import Image

import encoders
from encoders import WeightsUnavailable
from encoders import weights as weights_module

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


# -------------------------------------------------------------------------------------------- weights


def test_auto_without_weights_warns_once_and_stamps(caplog):
    caplog.set_level(logging.WARNING, "encoders")
    stamps = [encoders.get("image", "resnet50").stamp for _ in range(3)]
    assert stamps == ["resnet50 (random)"] * 3
    assert len(caplog.records) == 1
    assert "Random weights take their place" in caplog.text
    encoder = encoders.get("text", "bert")
    assert (encoder.stamp, encoder.weights) == ("bert (random)", "random")
    assert encoders.get("text", "hashing").weights == "none"


def test_pretrained_without_weights_is_an_error():
    with pytest.raises(WeightsUnavailable, match=r"download\.pytorch\.org does not answer"):
        _ = encoders.get("image", "resnet50", weights="pretrained").fingerprint
    with pytest.raises(WeightsUnavailable, match=r"huggingface\.co does not answer"):
        _ = encoders.get("audio", "wav2vec2", weights="pretrained").fingerprint
    with pytest.raises(WeightsUnavailable, match="no pretrained weights for 'someone/model'"):
        _ = encoders.get("text", "someone/model").stamp
    with pytest.raises(WeightsUnavailable, match=r"config\.json"):
        _ = encoders.get("text", "someone/model", weights="random").stamp


def test_hub_offline_is_respected(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights_module, "answers", lambda server: pytest.fail("asked the network"))
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE"):
        _ = encoders.get("text", "bert", weights="pretrained").stamp


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(weights_module, "PROBE_SECONDS", 0.3)

    def hang(*args: object, **kwargs: object) -> None:
        time.sleep(20)
        raise OSError("timed out")

    monkeypatch.setattr("urllib.request.urlopen", hang)
    start = time.monotonic()
    assert not weights_module.answers("https://silent.invalid/")
    assert not weights_module.answers("https://silent.invalid/")
    assert time.monotonic() - start < 1


def test_torchvision_checkpoint_in_the_cache(tmp_path, items, monkeypatch):
    from torchvision.models import ResNet18_Weights, resnet18

    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(9)
        model = resnet18().eval()
    torch.save(model.state_dict(), folder / Path(ResNet18_Weights.DEFAULT.url).name)
    monkeypatch.setattr(weights_module, "sha256", lambda path: "f37072fd" + 56 * "0")
    encoder = encoders.get("image", "resnet18", weights="pretrained", size=64)
    assert (encoder.weights, encoder.stamp) == ("pretrained", "resnet18 (IMAGENET1K_V1 f37072fd)")
    assert encoder.source.startswith("ResNet18_Weights.IMAGENET1K_V1 f37072fd, ImageClassification(")
    assert encoders.weights_present()["resnet18"].parent == folder
    # the preprocessing is that of the weights, whatever the size for random ones
    pixels = ResNet18_Weights.IMAGENET1K_V1.transforms()(Image.open(items["image"][0]))
    model.fc = torch.nn.Identity()
    np.testing.assert_allclose(
        one(encoder, items["image"][0]).values, model(pixels[None])[0].detach(), atol=1e-5
    )
    named = encoders.get("image", "resnet18:IMAGENET1K_V1")
    assert named.stamp == encoder.stamp
    assert np.array_equal(one(named, items["image"][0]).values, one(encoder, items["image"][0]).values)


def test_download(tmp_path, monkeypatch):
    def fetch(url, file, digest, progress):
        assert (Path(file).name, digest) == ("resnet18-f37072fd.pth", "f37072fd")
        Path(file).write_bytes(b"weights")

    monkeypatch.setattr(weights_module, "answers", lambda server: True)
    monkeypatch.setattr("torch.hub.download_url_to_file", fetch)
    assert encoders.get("image", "resnet18").stamp == "resnet18 (IMAGENET1K_V1 f37072fd)"


@pytest.mark.parametrize(
    ("modality", "name", "function"),
    [
        ("image", "resnet18", "torch.hub.download_url_to_file"),
        ("audio", "wav2vec2", "huggingface_hub.snapshot_download"),
    ],
)
def test_a_download_that_fails(modality, name, function, monkeypatch, caplog):
    def fetch(*args, **kwargs):
        raise ConnectionResetError("cut off")

    monkeypatch.setattr(weights_module, "answers", lambda server: True)
    monkeypatch.setattr(function, fetch)
    assert encoders.get(modality, name).stamp == f"{name} (random)"
    assert "failed (cut off)" in caplog.text


def test_a_checkpoint_that_torchvision_did_not_publish_is_not_pretrained(tmp_path, caplog):
    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_bytes(b"cut off")
    stranger = r"resnet18-f37072fd\.pth is not what torchvision publishes .*117b4857.*resnet18@FILE"
    with pytest.raises(WeightsUnavailable, match=stranger):
        _ = encoders.get("image", "resnet18", weights="pretrained").stamp
    assert [encoders.get("image", "resnet18").stamp for _ in range(2)] == ["resnet18 (random)"] * 2
    assert len(caplog.records) == 1
    assert encoders.weights_present()["resnet18"] is None


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_checkpoint_of_ones_own(tmp_path, items, suffix):
    from safetensors.torch import save_file
    from torchvision.models import resnet18

    with torch.random.fork_rng():
        torch.manual_seed(9)
        model = resnet18().eval()
    file = tmp_path / f"mine{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(model.state_dict(), file)
    encoder = encoders.get("image", f"resnet18@{file}", size=64)
    digest = weights_module.sha256(file)
    assert (encoder.weights, encoder.stamp) == ("pretrained", f"resnet18 (mine{suffix} {digest[:8]})")
    assert encoder.source == f"mine{suffix} {digest}"
    modality, name, weights, options = encoder.recipe
    again = encoders.get(modality, name, weights=weights, **dict(options))
    assert again.fingerprint == encoder.fingerprint
    from encoders.image import IMAGENET, decode

    pixels = (decode(items["image"][0], 64).astype(np.float32) / 255 - IMAGENET[0]) / IMAGENET[1]
    model.fc = torch.nn.Identity()
    expected = model(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None])[0]
    np.testing.assert_allclose(one(encoder, items["image"][0]).values, expected.detach(), atol=1e-5)
    with pytest.raises(WeightsUnavailable, match="names its weights"):
        _ = encoders.get("image", f"resnet18@{file}", weights="random").stamp


def test_doctor_shows_where_weights_are_looked_for(tmp_path):
    from bench.doctor import findings

    shown = dict(findings())
    assert str(tmp_path / "torch/hub/checkpoints") in shown["torchvision weights"]
    assert str(tmp_path / "hub") in shown["Hugging Face weights"]


def test_old_densenet_names_are_understood(tmp_path):
    from encoders.torchvision_models import DENSENET_KEY

    old = "features.denseblock1.denselayer1.norm.1.weight"
    assert DENSENET_KEY.sub(r"\1\2", old) == "features.denseblock1.denselayer1.norm1.weight"


def test_local_bert_folder(tmp_path):
    model = save_bert(tmp_path / "tiny")
    encoder = encoders.get("text", str(tmp_path / "tiny"))
    assert encoder.weights == "pretrained"
    assert re.fullmatch(r"bert \(tiny [0-9a-f]{8}\)", encoder.stamp)
    expected = model(input_ids=torch.tensor([[2, 5, 6, 3]])).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(one(encoder, "全场").values, expected.detach(), atol=1e-5)
    long = one(encoder, "全场" * 400).values
    assert np.array_equal(long, one(encoder, "全场" * 500).values)
    assert str(tmp_path) not in encoder.source


def test_fingerprint_of_a_folder_follows_its_content(tmp_path):
    save_bert(tmp_path / "a" / "tiny")
    save_bert(tmp_path / "b" / "tiny")
    first, second = (encoders.get("text", str(tmp_path / x / "tiny")).fingerprint for x in "ab")
    assert first == second
    with (tmp_path / "b/tiny/vocab.txt").open("a", encoding="utf-8") as file:
        file.write("\n新")
    assert encoders.get("text", str(tmp_path / "b" / "tiny")).fingerprint != first


def test_bert_folder_without_weights(tmp_path, caplog):
    save_bert(tmp_path / "bare", weights=False)
    encoder = encoders.get("text", str(tmp_path / "bare"))
    assert encoder.stamp == "bare (random)"
    assert "lacks model.safetensors" in caplog.text
    first, again, other = values(encoder, ["全场8折", "全场8折", "hello"])
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    with pytest.raises(WeightsUnavailable, match="lacks"):
        _ = encoders.get("text", str(tmp_path / "bare"), weights="pretrained").stamp


def test_weights_with_holes_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_bert(tmp_path / "tiny")
    file = tmp_path / "tiny/model.safetensors"
    state = {k: v for k, v in load_file(file).items() if "layer.0.output" not in k}
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(WeightsUnavailable, match="lack"):
        one(encoders.get("text", str(tmp_path / "tiny")), "全场")


def test_hub_cache(tmp_path):
    """The layout of the Hub's local cache, filled by hand."""
    home = tmp_path / "hub/models--google-bert--bert-base-chinese"
    save_bert(home / "snapshots/c0ffee")
    (home / "refs").mkdir()
    (home / "refs/main").write_text("c0ffee")
    encoder = encoders.get("text", "bert")
    assert encoder.stamp == "bert (bert-base-chinese c0ffee)"
    assert encoder.source == "google-bert/bert-base-chinese c0ffee"
    assert one(encoder, "全场").values.shape == (16,)
    assert encoders.weights_present()["bert"] is not None
    (home / "snapshots/c0ffee/vocab.txt").unlink()
    (home / "snapshots/c0ffee/tokenizer.json").unlink(missing_ok=True)
    assert encoders.get("text", "bert").stamp == "bert (random)"


def test_tiny_video_and_audio_networks(tmp_path, items):
    from transformers import VideoMAEConfig, VideoMAEModel, Wav2Vec2Config, Wav2Vec2Model

    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    VideoMAEModel(VideoMAEConfig(image_size=32, num_frames=4, **size)).save_pretrained(tmp_path / "video")
    convolutions = {"conv_dim": [8, 8], "conv_kernel": [10, 8], "conv_stride": [5, 4]}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    audio = Wav2Vec2Config(**size, **convolutions, **positions)
    Wav2Vec2Model(audio).save_pretrained(tmp_path / "audio")
    for modality in ("video", "audio"):
        network = {"video": "videomae", "audio": "wav2vec2"}[modality]
        for weights, stamp in (
            ("pretrained", rf"{network} \({modality} [0-9a-f]{{8}}\)"),
            ("random", rf"{modality} \(random\)"),
        ):
            encoder = encoders.get(modality, str(tmp_path / modality), weights=weights)
            results = values(encoder, items[modality])
            assert re.fullmatch(stamp, encoder.stamp)
            assert all(r.shape == (16,) for r in results)
            assert not np.allclose(results[0], results[1], atol=1e-6)
    with pytest.raises(WeightsUnavailable, match="is a wav2vec2 network; as video encoder"):
        one(encoders.get("video", str(tmp_path / "audio")), items["video"][0])
