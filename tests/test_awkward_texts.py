"""Texts of every awkward kind are read as the plain one of the same content is, or are missing by name."""

import numpy as np
import pytest
from media import one, save_bert, values

import encoders
from encoders import Feature, Undecodable, UnknownEncoder, WeightsUnavailable
from encoders.text import normalised

PLAIN = "全场8折 Nike鞋 new shoes"
SAME = {
    "full width": "全场８折　Ｎｉｋｅ鞋　ｎｅｗ　ｓｈｏｅｓ",
    "control characters": "全\x00场8\x07折 Nike\x1b鞋\x7f new\x9f shoes",
    "line breaks": "\n全场8折\r\nNike鞋\tnew\x0bshoes\x85\n",
    "half a character": "全场8折 \ud83dNike鞋 new shoes\udc00",
    "capitals": PLAIN.upper(),
}
LASTING = {
    "emoji": "😀🎉",
    "emoji of several characters": "👩‍👩‍👧‍👦🏳️‍🌈",
    "right to left": "مرحبا بالعالم שלום",
    "direction marks": "\u202eabc\u202c",
    "Chinese and English": "这双Nike鞋很good",
    "one character": "折",
    "a combining mark": "\u0301",
    "100,000 characters": "全场8折 Nike鞋 " * 8000,
    "100,000 without a space": "折" * 100_000,
    "markup": "<b>&amp;</b> [CLS] [PAD]",
}
MISSING = {
    "empty": "",
    "blank": " \n\t\u3000\xa0",
    "control characters": "\x00\x01\x7f",
    "halves of characters": "\ud800\udfff",
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Encoders of texts: without weights, with weights and a tokenizer, with random ones."""
    folder = tmp_path_factory.mktemp("bert")
    save_bert(folder / "tiny")
    tiny = str(folder / "tiny")
    return {
        "hashing": encoders.get("text", "hashing"),
        "pretrained": encoders.get("text", tiny),
        "random": encoders.get("text", tiny, weights="random"),
    }


KINDS = ("hashing", "pretrained", "random")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SAME)
def test_what_reads_the_same_is_the_same(kinds, kind, name):
    plain, awkward = values(kinds[kind], [PLAIN, SAME[name]])
    if kind == "pretrained" and name == "full width":
        assert awkward.shape == plain.shape  # its own tokenizer has characters of full width apart
    else:
        assert np.array_equal(awkward, plain)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LASTING)
def test_an_awkward_text_has_a_feature(kinds, kind, name):
    result = one(kinds[kind], LASTING[name])
    assert isinstance(result, Feature), result
    assert np.isfinite(result.values).all()
    assert result.values.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MISSING)
def test_a_text_of_nothing_is_missing(kinds, kind, name):
    assert one(kinds[kind], MISSING[name]) == Undecodable("the text is empty")


@pytest.mark.parametrize("kind", ["pretrained", "random"])
def test_a_cut_text_is_remarked_on(kinds, kind):
    encoder = kinds[kind]
    assert encoder.remark("全场" * 20) == ""
    assert encoder.remark("全场" * 100) == "longer than 128 tokens, and cut there"
    long, longer = values(encoder, ["全场" * 100, "全场" * 200])
    assert np.array_equal(long, longer)


def test_a_text_is_cut_where_the_network_ends(tmp_path):
    save_bert(tmp_path / "tiny")  # it has 512 positions
    encoder = encoders.get("text", str(tmp_path / "tiny"), length=4096)
    assert isinstance(one(encoder, "全场" * 3000), Feature)
    assert encoder.remark("全场" * 3000) == "longer than 512 tokens, and cut there"


# --------------------------------------------------------------------------------------------- cleaning


@pytest.fixture
def cleaning():
    pytest.importorskip("rjieba")
    pytest.importorskip("stopwordsiso")
    return encoders.get("text", "hashing", cleaning=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("这双鞋子真的很好看！！！", "双 鞋子 真的 好看"),
        ("全场8折，Nike运动鞋包邮 😀", "全场 8 折 nike 运动鞋 包邮"),
        ("I don't think that THESE are the best_new shoes; 42 €", "think best new shoes 42"),
        ("مرحبا بالعالم", "مرحبا بالعالم"),
    ],
)
def test_words_without_stop_words_and_special_characters(cleaning, text, words):
    from encoders.cleaning import cleaned

    assert cleaned(normalised(text)) == words
    assert np.array_equal(one(cleaning, text).values, one(encoders.get("text", "hashing"), words).values)


@pytest.mark.parametrize("text", ["😀🎉", "的", "the of and", "！？"])
def test_nothing_but_stop_words_is_missing(cleaning, text):
    assert one(cleaning, text) == Undecodable("the text has no word but stop words")


def test_cleaning_is_part_of_fingerprint_stamp_and_recipe(cleaning):
    plain = encoders.get("text", "hashing")
    assert (plain.stamp, cleaning.stamp) == ("hashing", "hashing (cleaned)")
    assert plain.fingerprint == encoders.get("text", "hashing", cleaning=False).fingerprint
    assert plain.fingerprint != cleaning.fingerprint
    modality, name, weights, options = cleaning.recipe
    assert encoders.get(modality, name, weights, **dict(options)).fingerprint == cleaning.fingerprint
    assert "rjieba" in cleaning.source


def test_cleaning_without_its_packages_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr("encoders.cleaning.find_spec", lambda name: None)
    with pytest.raises(UnknownEncoder, match=r"pip install 'fusion-bench\[cleaning\]'"):
        encoders.get("text", "hashing", cleaning=True)


def test_transformers_are_not_cleaned(kinds):
    with pytest.raises(UnknownEncoder, match="has no option 'cleaning'"):
        encoders.get("text", kinds["pretrained"].asked, cleaning=True)


# ---------------------------------------------------------------------------------------------- pooling


def test_cls_is_another_feature_with_a_stamp(kinds):
    mean, cls = kinds["pretrained"], encoders.get("text", kinds["pretrained"].asked, pooling="cls")
    assert cls.stamp == f"CLS of {mean.stamp}"
    assert cls.fingerprint != mean.fingerprint
    same = encoders.get("text", mean.asked, pooling="mean")
    assert same.fingerprint == mean.fingerprint
    assert not np.allclose(one(cls, "全场8折").values, one(mean, "全场8折").values, atol=1e-3)
    with pytest.raises(UnknownEncoder, match="one of mean, cls, not 'max'"):
        encoders.get("text", mean.asked, pooling="max")


def test_cls_of_random_weights_is_refused(kinds):
    with pytest.raises(WeightsUnavailable, match="needs pretrained weights"):
        _ = encoders.get("text", kinds["random"].asked, weights="random", pooling="cls").fingerprint
