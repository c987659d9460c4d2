"""Encoders: bits, broken files, weights that are there, weights that are not."""

import logging
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

import encoders
from encoders import Undecodable, UnknownEncoder, WeightsUnavailable
from encoders import weights as weights_module

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def nothing_to_be_found(tmp_path, monkeypatch):
    """Empty caches and no network, whatever the machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights_module, "answers", lambda server: False)
    weights_module._warn_random.cache_clear()


def save_image(path, seed=0, size=(60, 40)):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size).save(path)
    return path


def save_video(path, frames=12, speed=3, sound=True, noise=0):
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        voice = out.add_stream("aac", rate=22050, layout="mono") if sound else None
        for t in range(frames):
            pixels = np.full((48, 64, 3), 40 + noise, np.uint8)
            pixels[10:30, t * speed % 44 : t * speed % 44 + 20] = 220
            out.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(picture.encode())
        if voice:
            wave = np.sin(np.arange(22050) * 0.1 * speed).astype(np.float32)[None] / 3
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate = 22050
            out.mux(voice.encode(frame))
            out.mux(voice.encode())
    return path


def save_sound(path, wave, rate=8000):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        if len(wave):
            samples = (wave * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = rate
            out.mux(stream.encode(frame))
            out.mux(stream.encode())
        else:
            out.start_encoding()
    return path


def save_bert(folder, weights=True):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = BertModel(config).eval()
    folder.mkdir(parents=True)
    if weights:
        model.save_pretrained(folder)
    config.save_pretrained(folder)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"全场折鞋abcdefghijkl"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    return model


def one(encoder, item):
    return next(encoder.encode([item]))


# -------------------------------------------------------------------------------------------- registry


def test_names_and_messages():
    assert encoders.names("image") == ["resnet18", "resnet50", "resnet101", "densenet121"]
    assert encoders.names("text") == ["hashing", "bert", "xlnet"]
    assert encoders.names("video") == ["motion", "videomae"]
    assert encoders.names("audio") == ["logmel", "wav2vec2"]
    with pytest.raises(UnknownEncoder, match=r"did you mean 'motion'\?.*bench list encoders"):
        encoders.get("video", "motin")
    with pytest.raises(UnknownEncoder, match=r"did you mean 'audio'"):
        encoders.get("adio", "logmel")
    with pytest.raises(UnknownEncoder, match=r"no option 'sise', did you mean 'size'"):
        encoders.get("image", "resnet18", sise=3)
    with pytest.raises(ValueError, match="auto, pretrained, random"):
        encoders.get("image", "resnet18", weights="some")


def test_any_torchvision_model_by_name():
    assert encoders.get("image", "squeezenet1_1", weights="random").stamp == "squeezenet1_1 (random)"
    with pytest.raises(UnknownEncoder, match="any torchvision classification model"):
        encoders.get("image", "resnet51")


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match="already registered"):
        encoders.register("audio", "logmel")(encoders.Encoder)


def test_getting_encoders_imports_no_heavy_library():
    code = """if True:
        import sys, encoders
        for modality in encoders.MODALITIES:
            for name in encoders.names(modality):
                encoders.get(modality, name, weights="random").fingerprint
        print([m for m in ("torchvision", "transformers", "sklearn") if m in sys.modules])"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]", result.stdout


def test_fingerprint_is_of_name_weights_and_options():
    def fingerprint(*args, **options):
        return encoders.get(*args, weights="random", **options).fingerprint

    distinct = {
        fingerprint("image", "resnet18"),
        fingerprint("image", "resnet50"),
        fingerprint("image", "resnet18", size=64),
        fingerprint("text", "bert"),
        fingerprint("text", "bert", length=64),
    }
    assert len(distinct) == 5
    assert fingerprint("image", "resnet18", size=224) == fingerprint("image", "resnet18")


def test_recipe_makes_the_same_encoder(tmp_path):
    save_bert(tmp_path / "tiny")
    for encoder in (
        encoders.get("image", "resnet18", size=64),
        encoders.get("text", "hashing"),
        encoders.get("text", str(tmp_path / "tiny")),
    ):
        modality, name, weights, options = encoder.recipe
        assert (
            encoders.get(modality, name, weights=weights, **dict(options)).fingerprint == encoder.fingerprint
        )


# ------------------------------------------------------------------------------------------------ bits


@pytest.fixture
def items(tmp_path):
    images = [save_image(tmp_path / f"{i}.png", i) for i in range(3)]
    videos = [save_video(tmp_path / f"{i}.mp4", speed=i + 1) for i in range(3)]
    texts = ["全场8折 Nike鞋", "hello world", "折"]
    return {"text": texts, "image": images, "video": videos, "audio": videos}


@pytest.mark.parametrize(
    ("modality", "name", "options", "width"),
    [
        ("text", "hashing", {}, 256),
        ("text", "hashing", {"width": 32}, 32),
        ("image", "resnet18", {"size": 64}, 512),
        ("video", "motion", {}, 44),
        ("audio", "logmel", {}, 133),
    ],
)
def test_bits_depend_on_the_item_alone(items, modality, name, options, width):
    mine = items[modality]
    encoder = encoders.get(modality, name, weights="random", **options)
    state = torch.random.get_rng_state()
    together = list(encoder.encode(mine))
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(3)
    again = encoders.get(modality, name, weights="random", **options)
    alone = [one(again, item) for item in reversed(mine)][::-1]
    assert all(r.shape == (width,) and r.dtype == np.float32 for r in together)
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert not np.allclose(together[0], together[1])


def test_random_features_differ_between_images(items):
    features = np.stack(
        list(encoders.get("image", "resnet18", weights="random", size=64).encode(items["image"]))
    )
    assert np.isfinite(features).all()
    assert np.median(features.std(axis=0) / (features.mean(axis=0) + 1e-6)) > 0.03


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121"])
def test_random_features_neither_vanish_nor_explode(items, name):
    features = np.stack(list(encoders.get("image", name, weights="random", size=64).encode(items["image"])))
    assert 1e-2 < features.std(axis=0).max() < 1e2


# -------------------------------------------------------------------------------------- broken items


def test_broken_images_are_results_not_errors(tmp_path):
    good = save_image(tmp_path / "good.jpg", size=(200, 200))
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:3000])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    paths = [good, *(tmp_path / n for n in ("cut.jpg", "text.jpg", "empty.png", "absent.png")), good]
    results = list(encoders.get("image", "resnet18", weights="random", size=64).encode(paths))
    assert [isinstance(r, Undecodable) for r in results] == [False, True, True, True, True, False]
    assert np.array_equal(results[0], results[-1])
    assert all(r.reason and str(tmp_path) not in r.reason for r in results[1:-1])


def test_a_decompression_bomb_is_undecodable(tmp_path, monkeypatch):
    path = save_image(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "decompression bomb" in one(encoders.get("image", "resnet18", weights="random"), path).reason


def test_images_are_turned_upright(tmp_path):
    from encoders.image import decode

    path = save_image(tmp_path / "plain.png", size=(64, 64))
    image = Image.open(path)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(decode(path, 64), decode(tmp_path / "turned.png", 64))


def test_broken_videos_and_sounds(tmp_path):
    whole = save_video(tmp_path / "whole.mp4", sound=False)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:600])
    (tmp_path / "text.mp4").write_text("no video")
    sound = save_sound(tmp_path / "sound.wav", np.zeros(800))
    paths = [tmp_path / "cut.mp4", tmp_path / "text.mp4", tmp_path / "absent.mp4", sound]
    motion = list(encoders.get("video", "motion").encode([*paths, whole]))
    assert [isinstance(r, Undecodable) for r in motion] == [True] * 4 + [False]
    assert motion[3].reason == "it has no video stream"
    empty = save_sound(tmp_path / "empty.wav", np.zeros(0))
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost/x.ts\n#EXT-X-ENDLIST\n")
    logmel = list(encoders.get("audio", "logmel").encode([whole, empty, tmp_path / "list.m3u8", sound]))
    assert [isinstance(r, Undecodable) for r in logmel] == [True, True, True, False]
    assert logmel[0].reason == "it has no audio stream"
    assert all(str(tmp_path) not in r.reason for r in motion[:4] + logmel[:3])


def test_an_empty_text_is_missing():
    results = list(encoders.get("text", "hashing").encode(["  \n", "", "😀"]))
    assert [isinstance(r, Undecodable) for r in results] == [True, True, False]


# ---------------------------------------------------------------------------- encoders without weights


def test_hashing_ignores_width_and_case_of_letters():
    a, b, c = encoders.get("text", "hashing").encode(["ＮＩＫＥ 鞋", "nike  鞋", "adidas 鞋"])
    assert np.array_equal(a, b)
    assert a @ a == pytest.approx(1)
    assert 0 < a @ c < 0.5


def test_motion_sees_motion_and_brightness(tmp_path):
    still, fast, bright = encoders.get("video", "motion").encode(
        [
            save_video(tmp_path / "still.mp4", speed=0),
            save_video(tmp_path / "fast.mp4", speed=4),
            save_video(tmp_path / "bright.mp4", speed=0, noise=100),
        ]
    )
    assert still[22] < 0.005 < fast[22]
    assert (bright[:3] > still[:3] + 0.1).all()
    one_frame = one(encoders.get("video", "motion"), save_video(tmp_path / "one.mp4", frames=1))
    assert not one_frame[22:38].any()


def test_long_videos_are_sampled_from_key_frames(tmp_path, monkeypatch):
    path = save_video(tmp_path / "long.mp4", frames=60, sound=False)
    monkeypatch.setattr("encoders.video.LONG", 30)
    assert one(encoders.get("video", "motion"), path).shape == (44,)


def test_logmel_hears_pitch_loudness_and_rhythm(tmp_path):
    time_axis = np.arange(16000) / 8000
    low = 0.3 * np.sin(2 * np.pi * 200 * time_axis)
    high = 0.3 * np.sin(2 * np.pi * 2000 * time_axis)
    beats = high * (time_axis % 0.5 < 0.1)
    silence, low, high, quiet, beats = encoders.get("audio", "logmel").encode(
        save_sound(tmp_path / f"{i}.wav", wave)
        for i, wave in enumerate([np.zeros(16000), low, high, high / 10, beats])
    )
    assert low[:40].argmax() < high[:40].argmax()
    assert high[127] == pytest.approx(2, abs=0.1)  # spectral centroid in kHz
    assert high[120] - quiet[120] == pytest.approx(2, abs=0.05)  # a tenth of the amplitude is 20 dB
    assert beats[130] == pytest.approx(0.5, abs=0.02)
    assert beats[129] > 0.5
    assert silence[:40] == pytest.approx(-10)
    short = save_sound(tmp_path / "short.wav", np.ones(60) / 2)
    assert one(encoders.get("audio", "logmel"), short).shape == (133,)


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


def test_torchvision_checkpoint_in_the_cache(tmp_path, items):
    from torchvision.models import ResNet18_Weights, resnet18

    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(9)
        model = resnet18().eval()
    torch.save(model.state_dict(), folder / Path(ResNet18_Weights.DEFAULT.url).name)
    encoder = encoders.get("image", "resnet18", weights="pretrained", size=64)
    assert (encoder.weights, encoder.stamp) == ("pretrained", "resnet18")
    assert encoder.source == "ResNet18_Weights.IMAGENET1K_V1 f37072fd"
    assert encoders.weights_present()["resnet18"].parent == folder
    from encoders.image import IMAGENET, decode

    pixels = (decode(items["image"][0], 64).astype(np.float32) / 255 - IMAGENET[0]) / IMAGENET[1]
    model.fc = torch.nn.Identity()
    expected = model(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None])[0]
    np.testing.assert_allclose(one(encoder, items["image"][0]), expected.detach(), atol=1e-5)


def test_download(tmp_path, monkeypatch):
    def fetch(url, file, digest, progress):
        assert (Path(file).name, digest) == ("resnet18-f37072fd.pth", "f37072fd")
        Path(file).write_bytes(b"weights")

    monkeypatch.setattr(weights_module, "answers", lambda server: True)
    monkeypatch.setattr("torch.hub.download_url_to_file", fetch)
    assert encoders.get("image", "resnet18").stamp == "resnet18"


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


def test_a_damaged_checkpoint_is_named(tmp_path, items):
    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_bytes(b"cut off")
    with pytest.raises(WeightsUnavailable, match=r"resnet18-f37072fd\.pth cannot be loaded.*delete it"):
        one(encoders.get("image", "resnet18", size=64), items["image"][0])


def test_old_densenet_names_are_understood(tmp_path):
    from encoders.image import DENSENET_KEY

    old = "features.denseblock1.denselayer1.norm.1.weight"
    assert DENSENET_KEY.sub(r"\1\2", old) == "features.denseblock1.denselayer1.norm1.weight"


def test_local_bert_folder(tmp_path):
    model = save_bert(tmp_path / "tiny")
    encoder = encoders.get("text", str(tmp_path / "tiny"))
    assert (encoder.stamp, encoder.weights) == ("tiny", "pretrained")
    expected = model(input_ids=torch.tensor([[2, 5, 6, 3]])).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(one(encoder, "全场"), expected.detach(), atol=1e-5)
    long = one(encoder, "全场" * 400)
    assert np.array_equal(long, one(encoder, "全场" * 500))
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
    first, again, other = encoder.encode(["全场8折", "全场8折", "hello"])
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
    assert encoder.stamp == "bert"
    assert encoder.source == "google-bert/bert-base-chinese c0ffee"
    assert one(encoder, "全场").shape == (16,)
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
        for weights, stamp in (("pretrained", modality), ("random", f"{modality} (random)")):
            encoder = encoders.get(modality, str(tmp_path / modality), weights=weights)
            results = list(encoder.encode(items[modality]))
            assert encoder.stamp == stamp
            assert all(r.shape == (16,) for r in results)
            assert not np.allclose(results[0], results[1], atol=1e-6)
    with pytest.raises(WeightsUnavailable, match="is a wav2vec2 network; as video encoder"):
        one(encoders.get("video", str(tmp_path / "audio")), items["video"][0])


# -------------------------------------------------------------------------------------------- numeric


def test_numeric_tokenizer():
    torch.manual_seed(0)
    tokenizer = encoders.NumericTokenizer(5, 8)
    values = torch.randn(3, 2, 5)
    tokens = tokenizer(values)
    assert tokens.shape == (3, 2, 5, 8)
    expected = tokenizer.mlp(values[1, 0, 2] * tokenizer.weight[2] + tokenizer.bias[2])
    torch.testing.assert_close(tokens[1, 0, 2], expected)
    tokens.sum().backward()
    assert all(p.grad is not None for p in tokenizer.parameters())
