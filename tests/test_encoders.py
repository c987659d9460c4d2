"""Encoders: registry, bits, broken files, encoders without weights."""

import subprocess
import sys
from operator import call
from pathlib import Path

import numpy as np
import pytest
import torch
from media import one, save_bert, save_image, save_sound, save_video, values
from PIL import Image

import encoders
from bench.executors import local
from bench.failure import Failure
from bench.methods.trunk import NumericTokenizer
from bench.workers import dismiss
from encoders import Undecodable, UnknownEncoder, testing
from encoders.testing import check_encoder

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


# -------------------------------------------------------------------------------------------- registry


def test_names_and_messages():
    assert encoders.names("image") == ["resnet18", "resnet50", "resnet101", "densenet121", "mobilenet_v2"]
    assert encoders.names("text") == ["hashing", "bert", "xlnet", "minilm"]
    assert encoders.names("video") == ["flow", "motion", "videomae"]
    assert encoders.names("audio") == ["logmel", "wav2vec2", "music"]
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


@pytest.mark.parametrize(
    ("modality", "name", "option", "values"),
    [
        ("image", "resnet18", "size", [0, -5, 31, 2049, 99999999, "64", 64.0, True]),
        ("text", "hashing", "width", [0, 15, 2**20 + 1, 10**12, None]),
        ("text", "bert", "length", [0, -1, 10**9]),
    ],
)
def test_absurd_options_are_refused_early(modality, name, option, values):
    for value in values:
        with pytest.raises(UnknownEncoder, match=rf"{option} must be a whole number of \d+ to \d+, not"):
            encoders.get(modality, name, weights="random", **{option: value})


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match="already registered"):
        encoders.register("audio", "logmel")(encoders.Encoder)


def test_getting_encoders_imports_no_heavy_library():
    code = """if True:
        import sys, encoders
        for modality in encoders.MODALITIES:
            for name in encoders.names(modality):
                encoders.get(modality, name, weights="random").fingerprint
        heavy = ("torchvision", "transformers", "sklearn", "cv2", "librosa", "numba")
        print([m for m in heavy if m in sys.modules])"""
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


# -------------------------------------------------------------------------------------------- contract


def folder_of(config, model):
    """A maker of a folder with a configuration alone, whose weights are random."""

    def save(folder):
        import transformers

        getattr(transformers, config)(**model).save_pretrained(folder)
        return str(folder)

    return save


LAYERS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
SMALL = {
    "bert": folder_of("BertConfig", LAYERS | {"vocab_size": 30}),
    "xlnet": folder_of(
        "XLNetConfig", {"vocab_size": 30, "d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16}
    ),
    "videomae": folder_of("VideoMAEConfig", LAYERS | {"image_size": 32, "num_frames": 4}),
    "wav2vec2": folder_of(
        "Wav2Vec2Config",
        LAYERS
        | {"conv_dim": [8, 8], "conv_kernel": [10, 8], "conv_stride": [5, 4]}
        | {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
    ),
}
"""The encoders of which only the architecture is taken, in small."""


ALL = [(m, n) for m in encoders.MODALITIES for n in encoders.names(m)]


def check(folder, modality, name):
    method = SMALL[name](folder / name) if name in SMALL else name
    check_encoder(method, modality, **({"size": 32} if modality == "image" else {}))


@pytest.mark.parametrize(("modality", "name"), ALL, ids=str)
def test_contract(tmp_path, monkeypatch, modality, name):
    """But for another process, of which there is one for all: it costs more than all else together."""
    rest = [one for one in testing.CHECKS if one is not testing.check_other_process]
    monkeypatch.setattr(testing, "CHECKS", rest)
    check(tmp_path, modality, name)


def test_another_process_makes_the_same_encoders(tmp_path, monkeypatch):
    def elsewhere(cls, work):
        ((_, answer),) = local(call, [work], keep=True)
        assert not isinstance(answer, Failure), answer.detail
        return answer

    monkeypatch.setattr(testing, "_elsewhere", elsewhere)
    monkeypatch.setattr(testing, "CHECKS", [testing.check_other_process])
    for modality, name in ALL:
        check(tmp_path, modality, name)
    dismiss()


# ------------------------------------------------------------------------------------------------ bits


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
    together = values(encoder, mine)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(3)
    again = encoders.get(modality, name, weights="random", **options)
    alone = [one(again, item).values for item in reversed(mine)][::-1]
    assert all(r.shape == (width,) and r.dtype == np.float32 for r in together)
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert not np.allclose(together[0], together[1])


def test_random_features_differ_between_images(items):
    features = np.stack(values(encoders.get("image", "resnet18", weights="random", size=64), items["image"]))
    assert np.isfinite(features).all()
    assert np.median(features.std(axis=0) / (features.mean(axis=0) + 1e-6)) > 0.03


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121"])
def test_random_features_neither_vanish_nor_explode(items, name):
    features = np.stack(values(encoders.get("image", name, weights="random", size=64), items["image"]))
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
    assert np.array_equal(results[0].values, results[-1].values)
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
    a, b, c = values(encoders.get("text", "hashing"), ["ＮＩＫＥ 鞋", "nike  鞋", "adidas 鞋"])
    assert np.array_equal(a, b)
    assert a @ a == pytest.approx(1)
    assert 0 < a @ c < 0.5


def test_motion_sees_motion_and_brightness(tmp_path):
    still, fast, bright = values(
        encoders.get("video", "motion"),
        [
            save_video(tmp_path / "still.mp4", speed=0),
            save_video(tmp_path / "fast.mp4", speed=4),
            save_video(tmp_path / "bright.mp4", speed=0, noise=100),
        ],
    )
    assert still[22] < 0.005 < fast[22]
    assert (bright[:3] > still[:3] + 0.1).all()
    one_frame = one(encoders.get("video", "motion"), save_video(tmp_path / "one.mp4", frames=1))
    assert not one_frame.values[22:38].any()


def test_long_videos_are_sampled_from_key_frames(tmp_path, monkeypatch):
    path = save_video(tmp_path / "long.mp4", frames=60, sound=False)
    monkeypatch.setattr("encoders.video.LONG", 30)
    assert one(encoders.get("video", "motion"), path).values.shape == (44,)


def test_logmel_hears_pitch_loudness_and_rhythm(tmp_path):
    time_axis = np.arange(16000) / 8000
    low = 0.3 * np.sin(2 * np.pi * 200 * time_axis)
    high = 0.3 * np.sin(2 * np.pi * 2000 * time_axis)
    beats = high * (time_axis % 0.5 < 0.1)
    waves = enumerate([np.zeros(16000), low, high, high / 10, beats])
    sounds = [save_sound(tmp_path / f"{i}.wav", wave) for i, wave in waves]
    silence, low, high, quiet, beats = values(encoders.get("audio", "logmel"), sounds)
    assert low[:40].argmax() < high[:40].argmax()
    assert high[127] == pytest.approx(2, abs=0.1)  # spectral centroid in kHz
    assert high[120] - quiet[120] == pytest.approx(2, abs=0.05)  # a tenth of the amplitude is 20 dB
    assert beats[130] == pytest.approx(0.5, abs=0.02)
    assert beats[129] > 0.5
    assert silence[:40] == pytest.approx(-10)
    short = save_sound(tmp_path / "short.wav", np.ones(60) / 2)
    assert one(encoders.get("audio", "logmel"), short).values.shape == (133,)


# -------------------------------------------------------------------------------------------- numeric


def test_numeric_tokenizer():
    torch.manual_seed(0)
    tokenizer = NumericTokenizer(5, 8)
    values = torch.randn(3, 2, 5)
    tokens = tokenizer(values)
    assert tokens.shape == (3, 2, 5, 8)
    expected = tokenizer.mlp(values[1, 0, 2] * tokenizer.weight[2] + tokenizer.bias[2])
    torch.testing.assert_close(tokens[1, 0, 2], expected)
    tokens.sum().backward()
    assert all(p.grad is not None for p in tokenizer.parameters())
