"""Networks of transformers, saved and read back by path, give what transformers gives called directly."""

import av
import numpy as np
import pytest
import torch
from media import one, save_sound, values

import encoders
from encoders import WeightsUnavailable
from encoders.audio import decode

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")

LAYERS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = ["全场8折", "好 鞋 全 场 折 折 全 好 鞋", "鞋", "全场 8 折 好鞋"]
SIDE, FRAMES = 32, 4


def saved(folder, model, seed=3):
    """Write a network with weights that are large enough to matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    model.eval().save_pretrained(folder)
    return model


def save_tokenizer(folder, template):
    """Write a tokenizer of single characters, which puts CLS and SEP where the template says."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
    words = Tokenizer(models.WordLevel(special | {c: 4 + n for n, c in enumerate("全场折鞋好8")}, "[UNK]"))
    words.normalizer = normalizers.NFKC()
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Split("", "isolated")]
    )
    words.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    left = template.startswith("$A")
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=words, padding_side="left" if left else "right", model_max_length=512, **names
    )
    wrapped.save_pretrained(folder)


def bert(folder):
    from transformers import BertConfig, BertModel

    save_tokenizer(folder, "[CLS] $A [SEP]")
    return saved(folder, BertModel(BertConfig(vocab_size=20, **LAYERS)))


def xlnet(folder):
    from transformers import XLNetConfig, XLNetModel

    save_tokenizer(folder, "$A [SEP] [CLS]")
    return saved(folder, XLNetModel(XLNetConfig(vocab_size=20, d_model=16, n_layer=2, n_head=2, d_inner=32)))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("make", [bert, xlnet], ids=lambda f: f.__name__)
def test_texts(tmp_path, make, pooling):
    """Both poolings equal those of one padded batch with its mask, as transformers itself would read it."""
    from transformers import AutoTokenizer

    model = make(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert inputs["attention_mask"].min() == 0
    with torch.inference_mode():
        states = model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
        ).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
    cls = states[inputs["input_ids"] == tokenizer.cls_token_id]
    found = values(encoders.get("text", str(tmp_path / "tiny"), pooling=pooling), TEXTS)
    np.testing.assert_allclose(np.stack(found), mean if pooling == "mean" else cls, atol=1e-5)


def square_video(path):
    """Frames that need no resizing, without loss."""
    pixels = np.random.default_rng(0).integers(0, 255, (FRAMES, SIDE, SIDE, 3), dtype=np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "bgr0"
        for frame in pixels:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")))
        out.mux(stream.encode())
    return pixels


@pytest.mark.parametrize("statistics", [None, ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])], ids=["published", "own"])
def test_videos(tmp_path, statistics):
    from transformers import VideoMAEConfig, VideoMAEImageProcessor, VideoMAEModel

    config = VideoMAEConfig(image_size=SIDE, num_frames=FRAMES, **LAYERS)
    model = saved(tmp_path / "tiny", VideoMAEModel(config))
    mean, std = statistics or ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    processor = VideoMAEImageProcessor(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=mean,
        image_std=std,
    )
    if statistics:
        processor.save_pretrained(tmp_path / "tiny")
    pixels = square_video(tmp_path / "a.mkv")
    inputs = processor(list(pixels), return_tensors="pt")
    with torch.inference_mode():
        expected = model(**inputs).last_hidden_state[0].mean(dim=0)
    encoder = encoders.get("video", str(tmp_path / "tiny"))
    np.testing.assert_allclose(one(encoder, tmp_path / "a.mkv").values, expected, atol=1e-5)


def wav2vec2(folder, **options):
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    convolutions = {"conv_dim": [8, 8], "conv_kernel": [10, 8], "conv_stride": [5, 4]}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    model = saved(folder, Wav2Vec2Model(Wav2Vec2Config(**LAYERS, **convolutions, **positions)))
    extractor = Wav2Vec2FeatureExtractor(**options)
    if options:
        extractor.save_pretrained(folder)
    return model, extractor


def heard(model, extractor, wave):
    inputs = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.inference_mode():
        return model(inputs.input_values).last_hidden_state[0].mean(dim=0).numpy()


@pytest.mark.parametrize("options", [{}, {"do_normalize": False}, {"sampling_rate": 8000}], ids=str)
def test_sounds(tmp_path, options):
    model, extractor = wav2vec2(tmp_path / "tiny", **options)
    path = save_sound(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000))
    expected = heard(model, extractor, decode(path, 10, extractor.sampling_rate))
    encoder = encoders.get("audio", str(tmp_path / "tiny"))
    assert encoder.remark(path) == ""
    np.testing.assert_allclose(one(encoder, path).values, expected, atol=1e-5)


def test_long_sounds_are_heard_in_windows(tmp_path, monkeypatch):
    monkeypatch.setattr("encoders.audio.WINDOW_SECONDS", 0.5)
    monkeypatch.setattr("encoders.audio.LONGEST_SECONDS", 2.0)
    model, extractor = wav2vec2(tmp_path / "tiny")
    encoder = encoders.get("audio", str(tmp_path / "tiny"))
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 24000)
    for seconds, count, remark in (
        (1.2, 3, "longer than 0 s, and heard in windows"),
        (3.0, 4, "longer than 2 s"),
    ):
        path = save_sound(tmp_path / f"{seconds}.wav", noise[: int(seconds * 8000)])
        wave = decode(path, 2.0)
        windows = wave[: len(wave) // count * count].reshape(count, -1)
        expected = np.mean([heard(model, extractor, window) for window in windows], axis=0)
        np.testing.assert_allclose(one(encoder, path).values, expected, atol=1e-5)
        assert encoder.remark(path).startswith(remark)


def test_frames_of_a_sound_with_their_times(tmp_path, monkeypatch):
    monkeypatch.setattr("encoders.audio.WINDOW_SECONDS", 0.5)
    model, extractor = wav2vec2(tmp_path / "tiny")
    path = save_sound(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000))
    mean, frames = (
        one(encoders.get("audio", str(tmp_path / "tiny"), sequence=sequence), path)
        for sequence in (False, True)
    )
    windows = decode(path, 2.0).reshape(2, -1)
    inputs = extractor(list(windows), sampling_rate=extractor.sampling_rate, return_tensors="pt")
    with torch.inference_mode():
        expected = model(inputs.input_values).last_hidden_state.flatten(0, 1)
    np.testing.assert_allclose(frames.values, expected, atol=1e-5)
    np.testing.assert_allclose(frames.values.mean(axis=0), mean.values, atol=1e-5)
    assert frames.times[[0, -1]] == pytest.approx([0, 1], abs=0.01)


def test_tubelets_of_a_video_with_their_times(tmp_path):
    from transformers import VideoMAEConfig, VideoMAEModel

    saved(tmp_path / "tiny", VideoMAEModel(VideoMAEConfig(image_size=SIDE, num_frames=FRAMES, **LAYERS)))
    square_video(tmp_path / "a.mkv")
    plain, sequence = (encoders.get("video", str(tmp_path / "tiny"), sequence=s) for s in (False, True))
    mean, tubelets = (one(encoder, tmp_path / "a.mkv") for encoder in (plain, sequence))
    assert len(tubelets.values) == FRAMES // 2
    np.testing.assert_allclose(tubelets.values.mean(axis=0), mean.values, atol=1e-5)
    assert np.ptp(tubelets.values, axis=0).max() > 1e-4
    assert np.diff(tubelets.times).std() < 1e-9
    assert sequence.fingerprint != plain.fingerprint
    assert sequence.stamp.startswith("tubelets of videomae (tiny")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("audio", '{"sampling_rate": 1000000000}'),
        ("audio", '{"sampling_rate": "fast"}'),
        ("video", '{"image_mean": [1]}'),
        ("video", '{"image_std": [0, 1, 1]}'),
        ("video", "[]"),
    ],
)
def test_a_preprocessing_that_cannot_be_is_refused(tmp_path, kind, said):
    from transformers import VideoMAEConfig, VideoMAEModel

    if kind == "audio":
        wav2vec2(tmp_path / "tiny")
        save_sound(tmp_path / "a.wav", np.zeros(8000))
    else:
        saved(tmp_path / "tiny", VideoMAEModel(VideoMAEConfig(image_size=SIDE, num_frames=FRAMES, **LAYERS)))
        square_video(tmp_path / "a.mkv")
    (tmp_path / "tiny/preprocessor_config.json").write_text(said)
    path = tmp_path / ("a.wav" if kind == "audio" else "a.mkv")
    with pytest.raises(WeightsUnavailable, match="preprocessor_config"):
        one(encoders.get(kind, str(tmp_path / "tiny")), path)
