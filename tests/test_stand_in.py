"""Text, video and audio transformers without weights: the encoder that needs none takes their place."""

import logging
import re

import pytest
from media import save_bert

from bench import weights
from bench.errors import UsageError
from bench.experiments import EXPERIMENTS
from bench.publish import read
from bench.request import Request, resolve
from bench.store import RunStore
from bench.workflow import choice_of, run

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")
ENCODED = {"image": "resnet50", "text": "hashing", "video": "motion", "audio": "logmel"}


@pytest.fixture(autouse=True)
def _nothing_said_yet():
    weights._warn.cache_clear()


def choice(schema, **more):
    return choice_of(resolve(Request(device="cpu", **more)), schema)


def test_the_encoders_of_the_paper_give_way_to_those_that_need_no_weights(streams, caplog):
    chosen = choice(streams.schema, preset="paper")
    assert chosen.encoder_set() == ENCODED
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert "hashing, which needs none, takes the place of bert" in caplog.text
    choice(streams.schema, preset="paper", encoders={"text": "bert,xlnet"})
    assert len(caplog.records) == 4, "bert was named already"
    assert "random weights take their place" not in caplog.text.lower()


def test_what_is_asked_for_gives_way_too_and_is_there_once(streams):
    chosen = choice(streams.schema, encoders={"text": "bert,hashing,xlnet", "audio": "wav2vec2"})
    assert (chosen.encoders["text"], chosen.encoders["audio"]) == (("hashing",), ("logmel",))
    asked = choice(streams.schema, encoders={"text": "bert"}, weights="random")
    assert asked.encoders["text"] == ("bert",)


def test_a_name_of_weights_has_no_stand_in(streams, tmp_path):
    with pytest.raises(UsageError, match="no pretrained weights for 'someone/model'"):
        choice(streams.schema, encoders={"text": "someone/model"})
    save_bert(tmp_path / "tiny")
    (tmp_path / "tiny/modeling_x.py").write_text("raise SystemExit")
    with pytest.raises(UsageError, match="code that comes with a model is not run"):
        choice(streams.schema, encoders={"text": str(tmp_path / "tiny")})


def test_weights_that_are_there_are_taken(streams, tmp_path, caplog):
    save_bert(tmp_path / "tiny")
    asked = str(tmp_path / "tiny")
    assert choice(streams.schema, encoders={"text": asked}).encoders["text"] == (asked,)
    assert not caplog.records


def test_rows_name_the_encoder_that_was_used_and_the_weights_with_their_digest(streams, tmp_path):
    save_bert(tmp_path / "tiny")
    found = {}
    for out, text in {"instead": "bert", "theirs": f"bert@{tmp_path / 'tiny'}"}.items():
        request = Request(
            fusions="concat", data=streams, seeds=1, out=tmp_path / out, device="cpu", executor="inline",
            encoders={"image": "resnet18", "text": text},
            settings=("training.epochs=1", "model.dim=8", "encoders.image_size=32"),
        )  # fmt: skip
        table = read(run(request).plans[0], RunStore(tmp_path / out)).table
        found[out] = table.loc[table["method"] == "concat", ["text", "weights"]].iloc[0].tolist()
    assert found["instead"] == ["hashing", "resnet18 (random)"]
    assert found["theirs"][0] == f"bert@{tmp_path / 'tiny'}"
    assert re.fullmatch(r"bert \(tiny [0-9a-f]{8}\), resnet18 \(random\)", found["theirs"][1])


def test_the_paper_names_the_rows_that_it_leaves_out_and_how_to_get_them(streams):
    said = EXPERIMENTS["backbones"].left_out(choice(streams.schema))
    assert said.startswith("bert, xlnet left out: no pretrained weights")
    assert "bench weights fetch bert xlnet --to DIR" in said
