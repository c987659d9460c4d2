"""Encoders from outside: plugin files, notebooks, other packages; sequences; a fault is a line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from notes import QUICK, WORDS, bench, encoded, notes_of
from test_misbehaving import predictions

import encoders
from bench.config import load_preset
from bench.data.dataset import Dataset
from bench.errors import BenchError
from bench.features.encode import encode
from bench.plugins import load_plugins
from bench.request import Request, get_encoder
from bench.workflow import run
from encoders import UnknownEncoder, registry
from encoders.testing import check_encoder
from fusions import Source

SEQUENCES = """
import numpy as np
from encoders import CannotDecode, Encoder, Feature, register

SCALE = {scale}

@register("text", "letters")
class Letters(Encoder):
    def __init__(self, modality, name, weights, *, most: int = 6):
        super().__init__(modality, name, weights, most=most)

    def prepare(self, item):
        if not item.strip().strip("\u3164"):
            raise CannotDecode("there is no letter")
        return [[ord(c) % 61 * SCALE, ord(c) % 7, len(item)] for c in item[: self.options["most"]]]

    def embed(self, batch, device):
        return [Feature(np.array(rows, np.float32), np.arange(len(rows)) / 10) for rows in batch]

@register("text", "letters-mean")
class Mean(Letters):
    def embed(self, batch, device):
        return [Feature(feature.values.mean(axis=0)) for feature in super().embed(batch, device)]
"""


@pytest.fixture
def plugin(tmp_path) -> Path:
    path = tmp_path / "letters.py"
    path.write_text(SEQUENCES.format(scale=1.0), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def notes() -> Dataset:
    return notes_of(WORDS)


def request(data, out: Path, text: str, fusions: str = "concat,mult", **more) -> Request:
    return Request(
        fusions=fusions, data=data, out=out, encoders={"text": text}, weights="random", seeds=1,
        device="cpu",
        settings=("encoders.image_size=32", "training.epochs=2", "model.dim=16"), **more,
    )  # fmt: skip


# -- sequences


def test_an_item_of_many_steps_is_as_many_tokens_in_its_slot(notes, plugin):
    load_plugins([plugin])
    features = encoded(notes, "letters")
    batch = features.batch(np.arange(60))[Source("item", "text")]
    found = encoders.get("text", "letters").encode(WORDS)
    rows = iter(batch.values.numpy())
    for sample, (text, feature) in enumerate(zip(WORDS, found, strict=True)):
        steps = feature.values
        assert batch.mask[sample].sum() == len(steps) == min(6, len(text))
        assert np.array_equal(np.stack([next(rows) for _ in steps]), steps)
    assert next(rows, None) is None
    assert not batch.slots.any()


def test_a_sequence_of_a_single_item_is_ordered_and_no_other(notes, plugin, tmp_path, monkeypatch):
    load_plugins([plugin])
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    for _ in range(2):  # encoded, and from the cache
        assert encoded(notes, "letters").ordered == {Source("item", "text")}
        assert encoded(notes, "letters-mean").ordered == frozenset()
    assert encoded(notes, "letters").layout.inputs(8).ordered == {Source("item", "text")}


def test_an_undecodable_text_leaves_the_steps_of_others_in_place(notes, plugin):
    load_plugins([plugin])
    changed = notes_of([*WORDS[:3], "\u3164 ", *WORDS[4:]])
    source = Source("item", "text")
    whole, holed = (encoded(data, "letters").batch(np.arange(60))[source] for data in (notes, changed))
    assert not holed.mask[3].any()
    others = [i for i in range(60) if i != 3]
    assert np.array_equal(whole.mask[others], holed.mask[others])


def test_methods_and_references_take_sequences_with_the_same_bits_in_any_number_of_processes(
    notes, plugin, tmp_path, monkeypatch
):
    found = []
    for executor in ("inline", "local"):
        out = tmp_path / executor
        monkeypatch.setenv("BENCH_CACHE", str(out / "cache"))
        report = run(request(notes, out, "letters", jobs=2, executor=executor, plugins=(plugin,)))
        assert report.summary.failures == ()
        found.append([predictions(out, name) for name in ("concat", "mult", "ridge", "boosted-trees")])
    assert found[0] == found[1]
    assert all(found[0])


def test_ridge_sees_the_mean_of_the_steps(notes, plugin, tmp_path):
    for name in ("letters", "letters-mean"):
        run(request(notes, tmp_path / name, name, "mult", executor="inline", plugins=(plugin,)))
    ours, mean = (predictions(tmp_path / name, "ridge") for name in ("letters", "letters-mean"))
    assert ours == pytest.approx(mean, abs=1e-4)
    assert predictions(tmp_path / "letters", "mult") != predictions(tmp_path / "letters-mean", "mult")


# -- where they come from


def test_the_command_runs_and_lists_an_encoder_of_a_plugin(stream_folder, plugin, tmp_path, undrawn):
    listed = bench("list", "encoders", "--json", "--plugin", plugin)
    assert {"modality": "text", "name": "letters"} in json.loads(listed.stdout)
    how = ["--text", "letters", "--plugin", plugin]
    result = bench("run", "--data", stream_folder, "--out", tmp_path / "out", *how, *QUICK)
    assert result.exit_code == 0, result.output
    assert "letters" in (tmp_path / "out" / "tables" / "fusion.csv").read_text(encoding="utf-8")
    assert "registers neither" not in result.output


def test_an_image_encoder_without_a_size_is_not_given_one(tmp_path):
    path = tmp_path / "pixels.py"
    path.write_text(
        SEQUENCES.format(scale=1).replace('"text"', '"image"').replace("not item.strip().strip", "item in "),
        encoding="utf-8",
    )
    load_plugins([path])
    assert get_encoder("image", "letters", load_preset("quick")).options == {"most": 6}


def test_an_edited_plugin_gets_no_features_of_its_former_self(notes, plugin):
    load_plugins([plugin])
    first = encoded(notes, "letters", executor="local", plugins=[plugin])
    plugin.write_text(SEQUENCES.format(scale=2.0), encoding="utf-8")
    load_plugins([plugin])
    second = encoded(notes, "letters", executor="local", plugins=[plugin])
    assert first.fingerprint != second.fingerprint
    source = Source("item", "text")
    ours, theirs = (f.batch(np.arange(5))[source].values.numpy() for f in (first, second))
    assert np.array_equal(ours * [2, 1, 1], theirs)


def test_a_plugin_that_is_edited_while_it_runs_is_an_error_in_words(notes, plugin):
    plugin.write_text(SEQUENCES.format(scale=5.0), encoding="utf-8")
    load_plugins([plugin])
    encoder = encoders.get("text", "letters")
    plugin.write_text(SEQUENCES.format(scale=3.0), encoding="utf-8")
    with pytest.raises(
        BenchError, match=r"text encoder 'letters' is not the same in every process.*run again"
    ):
        encode(notes, {"text": encoder}, executor="local", plugins=[plugin])


SCRIPT = """
import json, os, sys
import numpy as np, pandas as pd
import encoders
from bench.data.dataset import Dataset
from bench.features.encode import encode

def found(jobs):
    notes = ["one", "two", "three", "four", "five", "six"]
    frame = pd.DataFrame({{"id": list("abcdef"), "note": notes, "y": range(6)}})
    data = Dataset.from_frames(frame, target="y", entities={{"item": {{"text": ["note"]}}}})
    os.environ["BENCH_CACHE"] = {cache!r} + str(jobs)
    features, _ = encode(data, {{"text": encoders.get("text", "letters")}}, jobs=jobs, executor="local")
    (batch,) = features.batch(np.arange(6)).values()
    print(json.dumps(batch.values.tolist()))
"""


def test_an_encoder_from_standard_input_runs_in_any_number_of_processes(tmp_path):
    script = SCRIPT.format(cache=str(tmp_path / "cache"))
    cells = [
        SEQUENCES.format(scale=1.0),
        script,
        "found(1)",
        "found(2)",
        SEQUENCES.format(scale=2.0),
        "found(2)",
    ]
    done = subprocess.run(
        [sys.executable, "-"], input="\n".join(cells), capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two, changed = map(json.loads, done.stdout.splitlines())
    assert one == two
    assert changed == [[2 * row[0], *row[1:]] for row in one]


class Point:
    """Stands in for an installed package's entry point."""

    name, value = "theirs", "their_package.encoders"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def load(self) -> None:
        if self.error:
            raise self.error
        encoders.register("audio", "theirs")(type("Theirs", (encoders.audio.LogMel,), {}))


@pytest.mark.parametrize("error", [None, ImportError("no module named x")])
def test_entry_points_of_other_packages(monkeypatch, caplog, error):
    groups = {"fusion_bench.encoders": [Point(error)]}
    monkeypatch.setattr(registry, "entry_points", lambda *, group: groups.get(group, []))
    monkeypatch.setattr(registry, "_entry_points_loaded", False)
    assert ("theirs" in encoders.names("audio")) == (error is None)
    assert "logmel" in encoders.names("audio")
    broken = "encoder plugin 'theirs' (their_package.encoders) failed to load: no module named x"
    assert (broken in caplog.text) == (error is not None)


def test_what_cannot_be_registered_is_refused():
    with pytest.raises(ValueError, match=r"text encoder 'bert' is already registered in .*text\.py; choose"):
        encoders.register("text", "bert")(type("Mine", (encoders.Encoder,), {}))
    with pytest.raises(TypeError, match=r"not a subclass of encoders\.Encoder"):
        encoders.register("text", "mine")(dict)
    with pytest.raises(UnknownEncoder, match="did you mean 'audio'"):
        encoders.register("adio", "mine")
    with pytest.raises(ValueError, match="there is a family of text encoders already"):
        registry.register_family("text", lambda name: True, "")(type("Mine", (encoders.Encoder,), {}))


def test_a_good_plugin_passes_check_encoder(plugin):
    load_plugins([plugin])
    check_encoder("letters", "text", most=3)
    check_encoder(registry.entry("text", "letters-mean").cls, "text", items=["one", "three", "折"])
