"""Texts are laid end to end, or padded to a few lengths; a feature is still that of its text alone."""

import random

import numpy as np
import pytest
import torch
import transformers
from media import save_bert
from test_encoders import SMALL

import encoders
from bench.features import fill
from encoders.packing import ROOM

TEXTS = ["a" * 1, "全场 折", "abc def", *("ab " * n for n in (7, 8, 15, 16, 17, 33, 50))]
pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


@pytest.fixture(params=["bert", "xlnet"])
def encoder(request, tmp_path):
    return encoders.get("text", SMALL[request.param](tmp_path / "model"), weights="random", length=48)


def features(encoder, texts):
    return np.stack([feature.values for feature in encoder.encode(texts)])


def test_features_are_those_of_the_network_alone(encoder):
    network = encoder.network("cpu")
    for text, feature in zip(TEXTS, features(encoder, TEXTS), strict=True):
        with torch.inference_mode():
            states = network(input_ids=torch.tensor([encoder.tokenize(text)])).last_hidden_state
        np.testing.assert_allclose(feature, states[0].mean(dim=0).numpy(), rtol=1e-4, atol=1e-6)


def test_bits_do_not_depend_on_the_texts_beside_it(encoder):
    texts = TEXTS * 3
    random.Random(0).shuffle(texts)
    together = features(encoder, texts)
    for text, feature in zip(texts, together, strict=True):
        assert np.array_equal(features(encoder, [text])[0], feature)


def shapes(encoder, monkeypatch, texts):
    """Of the token numbers that the network is called with."""
    seen, forward = [], encoder.network("cpu").forward

    def watched(**inputs):
        seen.append(tuple(inputs["input_ids"].shape))
        return forward(**inputs)

    monkeypatch.setattr(encoder.network("cpu"), "forward", watched)
    assert np.isfinite(features(encoder, texts)).all()
    return seen


@pytest.mark.parametrize(("count", "padded"), {1: 8, 8: 8, 9: 16, 40: 40, 41: 48, 60: 48}.items())
def test_a_text_alone_decides_how_far_it_is_padded(tmp_path, monkeypatch, count, padded):
    encoder = encoders.get("text", SMALL["xlnet"](tmp_path / "model"), weights="random", length=48)
    assert shapes(encoder, monkeypatch, ["a " * count]) == [(8, padded)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_padding_needs_no_more_positions_than_the_network_has(tmp_path, device):
    """It would have five, and eight are a step."""
    layers = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    config = transformers.DistilBertConfig(vocab_size=30, max_position_embeddings=5, **layers)
    config.save_pretrained(tmp_path / "short")
    encoder = encoders.get("text", str(tmp_path / "short"), weights="random")
    assert features(encoder, ["a " * 3, "a " * 20]).shape == (2, 16)
    kinds = {encoder.batching(device).kind(encoder.prepare("a " * n)) for n in (3, 5, 20)}
    assert kinds == ({5} if device == "cpu" else {torch.Tensor})


@pytest.mark.parametrize("positions", [20, 5])
def test_a_row_needs_no_more_positions_than_the_network_has(tmp_path, monkeypatch, positions):
    layers = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=30, max_position_embeddings=positions, **layers)
    config.save_pretrained(tmp_path / "short")
    encoder = encoders.get("text", str(tmp_path / "short"), weights="random")
    assert shapes(encoder, monkeypatch, ["a " * 3, "a " * positions]) == [(1, ROOM)]


def test_rows_are_filled_before_another_is_begun(tmp_path, monkeypatch):
    """Long texts first, as `bench.features.fill` gives them; short ones fill what they leave."""
    encoder = encoders.get("text", SMALL["bert"](tmp_path / "model"), weights="random", length=100)
    texts = ["a " * n for n in (100, 100, 90, 90, 56, 56, 40, 36)]
    assert shapes(encoder, monkeypatch, texts) == [(1, ROOM)] * 3


def test_a_text_longer_than_a_row_has_rows_of_its_own(tmp_path, monkeypatch):
    layers = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=30, max_position_embeddings=600, **layers)
    config.save_pretrained(tmp_path / "long")
    encoder = encoders.get("text", str(tmp_path / "long"), weights="random", length=600)
    texts = ["a " * 300, "b " * 10, "c " * 550]
    assert sorted(shapes(encoder, monkeypatch, texts)) == [(1, ROOM), (1, 2 * ROOM), (1, 3 * ROOM)]


def test_padded_and_laid_end_to_end_texts_have_the_same_features(tmp_path):
    """So what a device embeds serves the CPU, but for rounding, also in a network that is handed padding."""
    encoder = encoders.get("text", SMALL["bert"](tmp_path / "model"), weights="random", length=48)
    assert encoder.packs, "else both are padded"
    row = features(encoder, TEXTS)
    encoder.packs = False
    padded = features(encoder, TEXTS)
    np.testing.assert_allclose(padded, row, rtol=1e-5, atol=1e-6)


def test_a_tokenizer_marks_begin_and_end_before_the_padding(tmp_path):
    model = save_bert(tmp_path / "tiny")
    encoder = encoders.get("text", str(tmp_path / "tiny"))
    prepared = encoder.prepare("全场 折")
    assert len(prepared) == 5
    assert prepared[[0, 4]].tolist() == [2, 3]
    with torch.inference_mode():
        states = model(input_ids=prepared[None]).last_hidden_state[0]
    np.testing.assert_allclose(features(encoder, ["全场 折"])[0], states.mean(dim=0).numpy(), atol=1e-6)


def test_workers_get_texts_of_all_lengths_where_short_ones_fill_what_long_ones_leave(
    tmp_path, monkeypatch, no_processes
):
    taken, encoded = [], fill._encode_chunk
    monkeypatch.setattr(fill, "_encode_chunk", lambda chunk: taken.append(chunk.items) or encoded(chunk))
    encoder = encoders.get("text", SMALL["bert"](tmp_path / "model"), weights="random", length=48)
    texts = {str(n): "a " * (n % 40 + 1) + str(n) for n in range(200)}
    fill.fill(encoder, texts, fill.Place(1, "inline", "cpu", (), lambda *of: None))
    assert len(taken) > 1
    for items in taken:
        lengths = [len(text) for text in items]
        assert lengths == sorted(lengths, reverse=True)
        assert max(lengths) > 70
        assert min(lengths) < 12
