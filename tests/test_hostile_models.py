"""Model folders and checkpoints of strangers: nothing runs, nobody is asked, the damaged file is named."""

import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from media import one, save_bert

import encoders
from encoders import WeightsUnavailable
from encoders.untrusted import check_safetensors

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")
EVERY = ("auto", "pretrained", "random")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "good"
    save_bert(folder)
    return folder


@pytest.fixture
def folder(good, tmp_path, monkeypatch):
    """A copy of a small good model, on a machine where nobody answers questions."""
    monkeypatch.setattr("builtins.input", lambda *text: pytest.fail(f"asked {text}"))
    home = tmp_path / "model"
    home.mkdir()
    for path in good.iterdir():
        (home / path.name).write_bytes(path.read_bytes())
    return home


def refused(folder, weights, file, capfd):
    """The one line with which a folder is refused, before or while a text is encoded; nothing is printed."""
    with pytest.raises(WeightsUnavailable) as caught:
        one(encoders.get("text", str(folder), weights=weights), "全场")
    message = str(caught.value)
    assert file in message
    assert "\n" not in message
    assert "".join(capfd.readouterr()) == ""
    return message


def change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


# ----------------------------------------------------------------------------------------------- code


CODE = "import pathlib; pathlib.Path({marker!r}).write_text('ran')\nclass Config: pass\nclass Model: pass\n"
AUTO_MAP = {
    "AutoConfig": "configuration_x.Config",
    "AutoModel": "configuration_x.Model",
    "AutoTokenizer": ["configuration_x.Model", None],
}


@pytest.mark.parametrize("weights", EVERY)
@pytest.mark.parametrize("model_type", ["bert", "unheard_of", None])
@pytest.mark.parametrize(
    "place", ["config.json", "tokenizer_config.json", "inner", "elsewhere", "file alone"]
)
def test_code_of_a_folder_is_neither_run_nor_asked_about(folder, capfd, place, model_type, weights):
    marker = folder.parent / "marker"
    change(folder / "config.json", model_type=model_type)
    if place in ("config.json", "file alone"):
        (folder / "configuration_x.py").write_text(CODE.format(marker=str(marker)))
    if place == "config.json":
        change(folder / "config.json", auto_map=AUTO_MAP)
    elif place == "inner":
        change(folder / "config.json", text_config={"auto_map": AUTO_MAP})
    elif place == "elsewhere":
        change(folder / "config.json", auto_map={k: "someone/else--x.Y" for k in AUTO_MAP})
    elif place == "tokenizer_config.json":
        (folder / place).write_text(json.dumps({"auto_map": AUTO_MAP}))
    file = ".py" if (folder / "configuration_x.py").exists() else "config.json"
    refused(folder, weights, file, capfd)
    assert not marker.exists()


def test_code_in_the_hubs_cache_is_refused_too(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *text: pytest.fail(f"asked {text}"))
    home = tmp_path / "hub/models--google-bert--bert-base-chinese"
    save_bert(home / "snapshots/c0ffee")
    (home / "refs").mkdir()
    (home / "refs/main").write_text("c0ffee")
    capfd.readouterr()
    change(home / "snapshots/c0ffee/config.json", auto_map=AUTO_MAP)
    refused("bert", "auto", "config.json", capfd)
    assert encoders.weights_present()["bert"] is None


@pytest.mark.parametrize("weights", EVERY)
@pytest.mark.parametrize(
    "entries",
    [
        {"attn_implementation": "someone/kernel"},
        {"_attn_implementation": "someone/kernel"},
        {"experts_implementation": "someone/kernel"},
        {"backbone": "someone/else", "use_pretrained_backbone": True},
    ],
    ids=lambda e: next(iter(e)),
)
def test_what_a_configuration_names_elsewhere_is_not_followed(folder, capfd, entries, weights):
    change(folder / "config.json", **entries)
    assert "not followed" in refused(folder, weights, "config.json", capfd)


def test_an_adapter_is_refused(folder, capfd):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/else"}))
    refused(folder, "auto", "adapter_config.json", capfd)


# --------------------------------------------------------------------------------------- configuration

BROKEN_JSON = {
    "empty": b"",
    "cut": b'{"model_type": "be',
    "list": b"[1]",
    "number": b"3",
    "null": b"null",
    "binary": bytes(range(256)),
    "deep": b"[" * 100_000,
    "digits": b'{"hidden_size": ' + b"9" * 6000 + b"}",
    "pickle": pickle.dumps({"model_type": "bert"}),
    "huge": b" " * (2**22 + 1),
}


@pytest.mark.parametrize("weights", ["auto", "random"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("kind", BROKEN_JSON)
def test_broken_json(folder, capfd, kind, file, weights):
    (folder / file).write_bytes(BROKEN_JSON[kind])
    refused(folder, weights, file, capfd)


@pytest.mark.parametrize("weights", ["auto", "random"])
@pytest.mark.parametrize("model_type", [None, "unheard_of", 5, "", ["bert"], "../bert", "x" * 9999])
def test_an_unknown_architecture(folder, capfd, model_type, weights):
    change(folder / "config.json", model_type=model_type)
    assert len(refused(folder, weights, "config.json", capfd)) < 400


@pytest.mark.parametrize("weights", ["auto", "random"])
@pytest.mark.parametrize(
    "entries",
    [
        {"hidden_size": 10**9, "num_attention_heads": 1},
        {"hidden_size": -16},
        {"hidden_size": 0},
        {"hidden_size": "16"},
        {"hidden_size": None},
        {"hidden_size": 1.5},
        {"hidden_size": [16]},
        {"intermediate_size": 10**12},
        {"vocab_size": 10**15},
        {"vocab_size": 10**30},
        {"vocab_size": -1},
        {"max_position_embeddings": 10**10},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 1e300},
        {"num_attention_heads": 0},
        {"num_labels": 10**9},
        {"hidden_act": "no such"},
        {"dtype": "no such"},
        {"initializer_range": "wide"},
    ],
    ids=str,
)
def test_absurd_sizes(folder, capfd, entries, weights):
    change(folder / "config.json", **entries)
    refused(folder, weights, str(folder), capfd)


def test_a_vocabulary_too_small_is_refused_and_few_positions_cut_texts(folder, capfd):
    change(folder / "config.json", vocab_size=3)
    assert "a vocabulary of 3" in refused(folder, "random", str(folder), capfd)
    change(folder / "config.json", vocab_size=30, max_position_embeddings=2)
    encoder = encoders.get("text", str(folder), weights="random")
    assert encoder.remark("全场折鞋") == "longer than 2 tokens, and cut there"
    assert np.array_equal(one(encoder, "全场折鞋").values, one(encoder, "全场").values)


@pytest.mark.parametrize(
    "entries",
    [{"num_frames": 10**6}, {"image_size": 10**9}, {"patch_size": 0}, {"num_frames": 0}, {"patch_size": 1}],
    ids=str,
)
def test_a_video_network_of_absurd_size(tmp_path, items, entries):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "videomae", **entries}))
    with pytest.raises(WeightsUnavailable, match=r"config\.json"):
        one(encoders.get("video", str(tmp_path), weights="random"), items["video"][0])


# ------------------------------------------------------------------------------------------- safetensors


def header(value, content=b""):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text + content


def tensor(shape=(2,), offsets=(0, 8), dtype="F32"):
    return {"x": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


class Runs:
    """Runs code where it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


DAMAGED = {
    "empty": b"",
    "cut": b"\x10\0\0",
    "longer than the file": struct.pack("<Q", 10**9) + b"{}",
    "impossible": struct.pack("<Q", 2**64 - 1) + b"{}",
    "no JSON": header(b"hello"),
    "list": header([1]),
    "deep": header(b"[" * 100_000),
    "not UTF-8": header(b'{"\xff": 1}'),
    "no description": header({"x": 3}),
    "beyond the end": header(tensor(offsets=(0, 8)), bytes(4)),
    "backwards": header(tensor(offsets=(8, 0)), bytes(8)),
    "negative": header(tensor(offsets=(-8, 0)), bytes(8)),
    "three ends": header(tensor(offsets=(0, 4, 8)), bytes(8)),
    "negative shape": header(tensor(shape=(-2,)), bytes(8)),
    "shape of words": header(tensor(shape=("2",)), bytes(8)),
    "vast shape": header(tensor(shape=(10**30,)), bytes(8)),
    "yes and no": header(tensor(offsets=(False, True)), bytes(8)),
    "zeroed": bytes(4000),
    "a web page": b"<!DOCTYPE html><html>" + b" " * 400,
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_safetensors_are_named(folder, capfd, kind):
    (folder / "model.safetensors").write_bytes(DAMAGED[kind])
    for weights in ("auto", "pretrained"):
        refused(folder, weights, "model.safetensors", capfd)


@pytest.mark.parametrize("entry", [{"__metadata__": {"format": "pt"}}, tensor(dtype="no such"), tensor()])
def test_safetensors_of_something_else(folder, capfd, entry):
    (folder / "model.safetensors").write_bytes(header(entry, bytes(8)))
    refused(folder, "auto", str(folder), capfd)


def test_a_pickle_named_safetensors_is_not_loaded(folder, capfd):
    marker = folder.parent / "marker"
    for content in (pickle.dumps(Runs(marker)), pickle.dumps(Runs(marker), 0)):
        (folder / "model.safetensors").write_bytes(content)
        refused(folder, "auto", "model.safetensors", capfd)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Runs(marker)))
    refused(folder, "pretrained", str(folder), capfd)
    assert not marker.exists()


def test_good_safetensors_pass(good):
    check_safetensors(good / "model.safetensors")


@pytest.mark.parametrize(
    "shard",
    ["../outside.safetensors", "/outside.safetensors", "a/b.safetensors", "x.bin", "", "..", 5, None, ["x"]],
    ids=str,
)
def test_shards_outside_of_the_folder_are_refused(folder, capfd, shard):
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"embeddings": shard}}))
    refused(folder, "auto", index.name, capfd)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {}}', b"\x80"]
)
def test_a_broken_list_of_shards(folder, capfd, content):
    (folder / "model.safetensors.index.json").write_bytes(content)
    refused(folder, "auto", "model.safetensors.index.json", capfd)


@pytest.mark.parametrize("file", ["model.safetensors", "vocab.txt", "config.json"])
def test_links_out_of_the_folder_are_refused(folder, capfd, file):
    outside = folder.parent / file
    (folder / file).rename(outside)
    (folder / file).symlink_to(outside)
    assert "link" in refused(folder, "auto", file, capfd)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_in_a_folder_is_not_waited_for(folder, capfd):
    os.mkfifo(folder / "extra.json")
    refused(folder, "auto", "extra.json", capfd)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"version": "1.0", "model": {"type": "x"}}']
)
def test_a_broken_tokenizer(folder, capfd, content):
    (folder / "tokenizer.json").write_bytes(content)
    refused(folder, "auto", str(folder), capfd)


# ------------------------------------------------------------------------------------------- checkpoints


def zipped(name, content):
    def save(path, marker):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"x/{name}", content if content is not None else pickle.dumps(Runs(marker)))
            archive.writestr("x/version", "3")

    return save


CHECKPOINTS = {
    "empty": lambda path, marker: path.write_bytes(b""),
    "text": lambda path, marker: path.write_text("no checkpoint"),
    "pickle": lambda path, marker: path.write_bytes(pickle.dumps(Runs(marker))),
    "archive with a pickle": zipped("data.pkl", None),
    "archive of nothing": zipped("other", b""),
    "archive with a list": zipped("data.pkl", pickle.dumps([1], 2)),
    "archive with words": zipped("data.pkl", pickle.dumps({"fc.weight": "x"}, 2)),
    "archive with a cut pickle": zipped("data.pkl", b"\x80\x02}q\x00X"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_hostile_checkpoint_of_ones_own(tmp_path, items, capfd, kind, suffix):
    path, marker = tmp_path / f"mine{suffix}", tmp_path / "marker"
    CHECKPOINTS[kind](path, marker)
    capfd.readouterr()
    for weights in ("auto", "pretrained"):
        with pytest.raises(WeightsUnavailable, match=rf"mine\{suffix} cannot be") as caught:
            one(encoders.get("image", f"resnet18@{path}", weights=weights, size=32), items["image"][0])
        assert "\n" not in str(caught.value)
    assert "".join(capfd.readouterr()) == ""
    assert not marker.exists()


def test_a_checkpoint_of_another_architecture_or_none(tmp_path, items):
    from safetensors.numpy import save_file

    save_file({"fc.weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsUnavailable, match=r"other\.safetensors.*Missing key"):
        one(encoders.get("image", f"resnet18@{tmp_path / 'other.safetensors'}", size=32), items["image"][0])
    with pytest.raises(WeightsUnavailable, match=r"absent\.pth.*does not exist"):
        _ = encoders.get("image", f"resnet18@{tmp_path / 'absent.pth'}").stamp
    with pytest.raises(encoders.UnknownEncoder, match="MODEL@FILE"):
        encoders.get("image", f"resnet51@{tmp_path / 'absent.pth'}")
