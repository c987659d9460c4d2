"""Texts are padded to a few lengths and embedded together; a feature is still that of its text alone."""

import random

import numpy as np
import pytest
import torch
import transformers
from media import save_bert
from test_encoders import SMALL

import encoders
from encoders.text import STEP

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


def test_a_text_alone_decides_how_far_it_is_padded(encoder):
    for count, padded in {1: 8, 8: 8, 9: 16, 40: 40, 41: 48, 60: 48}.items():
        prepared = encoder.prepare("a " * count)
        present = min(count, encoder.options["length"])
        assert prepared["attention_mask"].tolist() == [1] * present + [0] * (padded - present)
        assert prepared["input_ids"].shape == (padded,)


@pytest.mark.parametrize("positions", [20, 5])
def test_padding_needs_no_more_positions_than_the_network_has(tmp_path, positions):
    layers = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=30, max_position_embeddings=positions, **layers)
    config.save_pretrained(tmp_path / "short")
    encoder = encoders.get("text", str(tmp_path / "short"), weights="random")
    texts = ["a " * 3, "a " * positions]
    assert [len(encoder.prepare(text)["input_ids"]) for text in texts] == [min(STEP, positions), positions]
    assert np.isfinite(features(encoder, texts)).all()


def test_a_tokenizer_marks_begin_and_end_before_the_padding(tmp_path):
    model = save_bert(tmp_path / "tiny")
    encoder = encoders.get("text", str(tmp_path / "tiny"))
    prepared = encoder.prepare("全场 折")
    assert prepared["attention_mask"].sum() == 5
    assert prepared["input_ids"][[0, 4]].tolist() == [2, 3]
    with torch.inference_mode():
        states = model(input_ids=prepared["input_ids"][None, :5]).last_hidden_state[0]
    np.testing.assert_allclose(features(encoder, ["全场 折"])[0], states.mean(dim=0).numpy(), atol=1e-6)
