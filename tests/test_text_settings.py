"""Settings of text encoders reach them, are refused where nothing takes them, and cut texts are counted."""

import logging

import pytest
from media import save_bert

import encoders
from bench.config import load_preset, with_settings
from bench.errors import UsageError
from bench.features.encode import encode
from bench.request import check_taken, get_encoder


def preset(*settings: str):
    return with_settings(load_preset("quick"), list(settings))


def test_cleaning_reaches_hashing_and_its_stamp():
    pytest.importorskip("rjieba")
    pytest.importorskip("stopwordsiso")
    cleaned = get_encoder("text", "hashing", preset("encoders.text_cleaning=true"))
    plain = get_encoder("text", "hashing", preset())
    assert (cleaned.stamp, plain.stamp) == ("hashing (cleaned)", "hashing")
    assert cleaned.fingerprint != plain.fingerprint
    assert plain.options == {"width": 256, "cleaning": False}


def test_cleaning_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr("encoders.cleaning.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs rjieba and stopwordsiso: pip install"):
        get_encoder("text", "hashing", preset("encoders.text_cleaning=true"))


def test_pooling_reaches_transformers_alone(tmp_path):
    save_bert(tmp_path / "tiny")
    asked = preset("encoders.text_pooling=cls")
    bert = get_encoder("text", str(tmp_path / "tiny"), asked)
    hashing = get_encoder("text", "hashing", asked)
    assert bert.options["pooling"] == "cls"
    check_taken([bert, hashing], asked)
    with pytest.raises(UsageError, match=r'text_pooling="cls": no encoder of this run has such an option'):
        check_taken([hashing], asked)
    check_taken([hashing], preset())
    with pytest.raises(UsageError, match="text_pooling"):
        preset("encoders.text_pooling=max")


def test_cut_texts_are_counted_once(tmp_path, streams, caplog):
    save_bert(tmp_path / "tiny")
    chosen = {"text": encoders.get("text", str(tmp_path / "tiny"), length=6)}
    told: set[str] = set()
    with caplog.at_level(logging.WARNING, "bench"):
        for _ in range(2):
            encode(streams, chosen, told=told)
    lines = [line for line in caplog.messages if "longer than 6 tokens, and cut there" in line]
    assert lines
    assert len(set(lines)) == len(lines)
    for source in (source for source in streams.schema.sources if source.modality == "text"):
        tokens = [chosen["text"].tokenize(text, cut=False) for text in streams.raw(source).items]
        cut = sum(len(found) > 6 for found in tokens)
        assert any(line.startswith(f"{cut} of {len(tokens)} items of {source} ") for line in lines) == (
            cut > 0
        )
    caplog.clear()
    with caplog.at_level(logging.WARNING, "bench"):
        encode(streams, chosen)  # another run, whose features are stored
    assert [line for line in caplog.messages if "cut there" in line] == lines


def test_sound_and_video_may_be_sequences():
    asked = preset("encoders.audio_sequence=true", "encoders.weights=random")
    assert get_encoder("audio", "wav2vec2", asked).options["sequence"] is True
    assert get_encoder("video", "videomae", asked).options["sequence"] is False
    with pytest.raises(UsageError, match="audio_sequence=true: no encoder of this run has such an option"):
        check_taken([get_encoder("audio", "logmel", asked)], asked)
