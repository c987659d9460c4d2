"""Encoders from outside: plugin files, notebooks, other packages; sequences; a fault is a line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from test_misbehaving import predictions

import encoders
from bench.cli import main
from bench.config import load_preset
from bench.data.dataset import Dataset
from bench.errors import BenchError, DataError
from bench.features.encode import encode
from bench.plugins import load_plugins
from bench.request import Request, get_encoder
from bench.workflow import run
from encoders import EncoderFailed, UnknownEncoder, registry
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


RNG = np.random.default_rng(0)
WORDS = ["".join(RNG.choice(list("abcdefghij折鞋"), RNG.integers(2, 12))) + f"{i}" for i in range(60)]


def notes_of(words: list[str]) -> Dataset:
    """Samples with a text and a number each, and one or two tags, which have a text."""
    frame = pd.DataFrame({
        "id": [f"s{i}" for i in range(60)], "note": words, "size": np.arange(60) % 7,
        "price": [sum(map(ord, word)) % 97 / 97 for word in WORDS], "tag_id": ["a|b", "b", "a"] * 20,
    })  # fmt: skip
    tags = pd.DataFrame({"tag_id": ["a", "b"], "title": ["new in", "unused"]})
    entities = {
        "item": {"text": ["note"], "numeric": ["size"]},
        "tag": {"table": "tags", "id": "tag_id", "many": True, "text": ["title"]},
    }
    return Dataset.from_frames(frame, target="price", entities=entities, tables={"tags": tags})


@pytest.fixture(scope="module")
def notes() -> Dataset:
    return notes_of(WORDS)


def request(data, out: Path, text: str, **more) -> Request:
    return Request(
        fusions="concat,mult", data=data, out=out, encoders={"text": text}, weights="random", seeds=1,
        device="cpu",
        settings=("encoders.image_size=32", "training.epochs=2", "model.dim=16"), **more,
    )  # fmt: skip


def encoded(dataset: Dataset, name: str, **how):
    return encode(dataset, {"text": encoders.get("text", name)}, **how)[0]


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
    for jobs in (1, 2):
        out = tmp_path / f"jobs{jobs}"
        monkeypatch.setenv("BENCH_CACHE", str(out / "cache"))
        report = run(request(notes, out, "letters", jobs=jobs, plugins=(plugin,)))
        assert report.summary.failures == ()
        found.append([predictions(out, name) for name in ("concat", "mult", "ridge", "boosted-trees")])
    assert found[0] == found[1]
    assert all(found[0])


def test_ridge_sees_the_mean_of_the_steps(notes, plugin, tmp_path):
    for name in ("letters", "letters-mean"):
        run(request(notes, tmp_path / name, name, executor="inline", plugins=(plugin,)))
    ours, mean = (predictions(tmp_path / name, "ridge") for name in ("letters", "letters-mean"))
    assert ours == pytest.approx(mean, abs=1e-4)
    assert predictions(tmp_path / "letters", "mult") != predictions(tmp_path / "letters-mean", "mult")


# -- where they come from


def bench(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_runs_and_lists_an_encoder_of_a_plugin(stream_folder, plugin, tmp_path):
    listed = bench("list", "encoders", "--json", "--plugin", plugin)
    assert {"modality": "text", "name": "letters"} in json.loads(listed.stdout)
    result = bench(
        "run", "--data", stream_folder, "--out", tmp_path / "out", "--fusion", "concat", "--seeds", 1,
        "--text", "letters", "--plugin", plugin, "--jobs", 2, "--weights", "random", "--backbone", "resnet18",
        "--set", "encoders.image_size=32", "--set", "training.epochs=1", "--device", "cpu",
    )  # fmt: skip
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


# -- encoders that misbehave

BAD = """
import os, sys
import numpy as np
from encoders import CannotDecode, Encoder, Feature, register

class Odd(BaseException):
    pass

@register("text", "bad")
class Bad(Encoder):
    {init}
    def prepare(self, item):
        {prepare}
    def embed(self, batch, device):
        return [self.one(item) for item in batch]
    def one(self, item):
        {one}
"""
GOOD = "if not item.strip(): raise CannotDecode('no text')\n        return item"
PLAIN = "Feature(np.full(3, len(item), np.float32))"
FAILING = {
    "prepare raises": ({"prepare": "raise KeyError('x')"}, "KeyError: 'x'"),
    "prepare exits": ({"prepare": "sys.exit(0)"}, "SystemExit: 0"),
    "prepare raises oddly": ({"prepare": "raise Odd('[/red]\\n \\ud800')"}, r"Odd: [/red] \ud800"),
    "embed raises": ({"one": "1 / 0"}, "ZeroDivisionError"),
    "embed exits": ({"one": "sys.exit('bye')"}, "SystemExit: bye"),
    "double": ({"one": "return Feature(np.zeros(3))"}, "its values are ndarray float64, not a float32 NumPy"),
    "complex": ({"one": "return Feature(np.zeros(3, complex))"}, "complex128, not a float32"),
    "list": ({"one": "return Feature([1.0, 2.0])"}, "its values are list, not a float32"),
    "masked": ({"one": "return Feature(np.ma.zeros(3, np.float32))"}, "MaskedArray float32, not a float32"),
    "plain array": ({"one": "return np.zeros(3, np.float32)"}, "embed returns list, not a list of Feature"),
    "nothing": ({"one": "return None"}, "embed returns list, not a list of Feature"),
    "number": ({"one": "return Feature(np.float32(1) * np.ones((), np.float32))"}, "not a float32"),
    "no step": ({"one": "return Feature(np.zeros((0, 3), np.float32))"}, "shape (0, 3), not (D,) or (T, D)"),
    "no width": ({"one": "return Feature(np.zeros(0, np.float32))"}, "shape (0,), not (D,) or (T, D)"),
    "cube": ({"one": "return Feature(np.zeros((2, 2, 2), np.float32))"}, "shape (2, 2, 2), not (D,) or"),
    "widths": (
        {"one": "return Feature(np.zeros(1 + len(item) % 2, np.float32))"},
        "gives vectors of width 1 and vectors of width 2",
    ),
    "kinds": (
        {"one": "return Feature(np.zeros((3, 2) if len(item) % 2 else 2, np.float32))"},
        "gives vectors of width 2 and sequences of width 2",
    ),
    "times fall": (
        {"one": "return Feature(np.zeros((3, 2), np.float32), np.array([0.0, 2.0, 1.0]))"},
        "its times do not rise",
    ),
    "times stand": (
        {"one": "return Feature(np.zeros((3, 2), np.float32), np.zeros(3))"},
        "its times do not rise",
    ),
    "times NaN": (
        {"one": "return Feature(np.zeros((1, 2), np.float32), np.array([np.nan]))"},
        "its times do not rise",
    ),
    "times short": (
        {"one": "return Feature(np.zeros((3, 2), np.float32), np.arange(2.0))"},
        "its times are not an array of 3 floating-point numbers",
    ),
    "times of a vector": (
        {"one": "return Feature(np.zeros(3, np.float32), np.arange(3.0))"},
        "it has times, but is a single vector",
    ),
    "no init": (
        {"init": "def __init__(self, modality, name, weights): pass"},
        "cannot be made: AttributeError",
    ),
    "init raises": ({"init": "def __init__(self, *a): raise Odd('odd')"}, "cannot be made: Odd: odd"),
    "stamp raises": ({"init": "stamp = property(lambda self: 1 / 0)"}, "ZeroDivisionError"),
    "fingerprint none": ({"init": "fingerprint = None"}, "are not all texts"),
    "odd options": (
        {"init": "def __init__(self, m, n, w): super().__init__(m, n, w, x=object())"},
        "not JSON serializable",
    ),
    "fingerprint of a process": (
        {"init": "fingerprint = property(lambda self: str(os.getpid()))"},
        "is not the same in every process",
    ),
    "unpicklable": ({"prepare": "return lambda: item", "one": "return item"}, "embed returns list"),
}
UNDECODABLE = {
    "NaN": ({"one": "return Feature(np.full(3, np.nan, np.float32))"}, "its features are not finite"),
    "infinite": ({"one": "return Feature(np.full(3, np.inf, np.float32))"}, "its features are not finite"),
    "ends the process": ({"prepare": "os._exit(3)"}, "its decoder crashed: the process ended"),
    "reason of lines": ({"prepare": "raise CannotDecode('a\\nb' * 999)"}, "(a ba ba b"),
}


def bad(tmp_path: Path, **parts: str) -> Path:
    path = tmp_path / "bad.py"
    text = BAD.format(**{"init": "", "prepare": "return item", "one": f"return {PLAIN}"} | parts)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("what", FAILING)
def test_what_an_encoder_does_wrong_is_a_line_that_names_it(notes, tmp_path, what):
    parts, message = FAILING[what]
    path = bad(tmp_path, **parts)
    load_plugins([path])
    with pytest.raises((BenchError, EncoderFailed)) as caught:
        encoded(notes, "bad", executor="local" if "process" in what else "inline", plugins=[path])
    text = str(caught.value)
    assert text.startswith("text encoder 'bad'"), text
    assert message in text
    assert text.isprintable()


@pytest.mark.parametrize("what", UNDECODABLE)
def test_what_an_encoder_cannot_do_is_an_undecodable_item(notes, tmp_path, what, caplog):
    parts, reason = UNDECODABLE[what]
    name = next(iter(parts))
    plain = "return item" if name == "prepare" else f"return {PLAIN}"
    path = bad(tmp_path, **{name: f"if item == {WORDS[3]!r}: {parts[name]}\n        {plain}"})
    load_plugins([path])
    executor = "local" if "process" in what else "inline"
    features = encoded(notes, "bad", executor=executor, jobs=2, plugins=[path])
    mask = features.batch(np.arange(60))[Source("item", "text")].mask.any(dim=(1, 2)).tolist()
    assert mask == [text != WORDS[3] for text in WORDS]
    assert features.undecodable == 1
    assert reason in caplog.text
    assert max(map(len, caplog.messages)) < 400


def test_an_encoder_that_decodes_nothing_is_an_error_in_words(notes, tmp_path):
    path = bad(tmp_path, prepare="raise CannotDecode('I know no such text')")
    load_plugins([path])
    with pytest.raises(DataError, match=r"not one of the \d+ items of item\.text .*I know no such text"):
        encoded(notes, "bad", plugins=[path])


def test_an_encoder_that_reuses_its_memory_gives_every_item_its_own(notes, tmp_path):
    """A buffer that embed fills anew each time must not become the feature of all items."""
    init = "buffer = np.zeros(3, np.float32)"
    path = bad(tmp_path, init=init, one="self.buffer[:] = len(item); return Feature(self.buffer)")
    load_plugins([path])
    vectors = encoded(notes, "bad", plugins=[path]).batch(np.arange(60))[Source("item", "text")].values
    assert len(set(vectors[:, 0].tolist())) > 3


@pytest.mark.parametrize("executor", ["local", "inline"])
def test_what_an_encoder_disturbs_changes_no_other(streams, stream_folder, features, tmp_path, executor):
    init = "def __init__(self, m, n, w):\n        import torch; torch.set_default_dtype(torch.float64)\n"
    init += "        super().__init__(m, n, w)"
    spoil = "import torch; torch.set_default_dtype(torch.float64); torch.manual_seed(1); return item"
    path = bad(tmp_path, init=init, prepare=spoil)
    load_plugins([path])
    preset = load_preset("quick")
    encoding = preset.encoders.model_copy(update={"image_size": 32, "weights": "random"})
    preset = preset.model_copy(update={"encoders": encoding})
    chosen = {m: get_encoder(m, name, preset) for m, name in (("text", "bad"), ("image", "resnet18"))}
    found = encode(streams, chosen, executor=executor, plugins=[path])[0]
    for source in (s for s in found.folders if s.modality == "image"):
        assert np.array_equal(found.sources[source].values, features.sources[source].values)


def test_the_command_says_it_in_a_line_and_ends_with_1(stream_folder, tmp_path):
    path = bad(tmp_path, one="return Feature(np.zeros(3))")
    result = bench(
        "run", "--data", stream_folder, "--out", tmp_path / "out", "--fusion", "concat", "--seeds", 1,
        "--text", "bad", "--plugin", path, "--jobs", 2, "--weights", "random", "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("bench: ")]
    assert "text encoder 'bad' returns no proper feature: its values are ndarray float64" in line
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("parts", "check"),
    [
        ({"one": "return Feature(np.random.default_rng().random(3, np.float32))"}, "check_deterministic"),
        ({"init": "n = 0", "prepare": "self.n += 1; return item + 'x' * self.n"}, "check_deterministic"),
        ({"one": "return Feature(np.zeros(3))"}, "check_features"),
        ({"one": "return Feature(np.zeros(3, np.float32))"}, "check_features"),
        ({"prepare": "return item or 'x'"}, "check_broken"),
        (
            {"prepare": f"np.random.seed(1)\n        {GOOD}"},
            "check_surroundings",
        ),
        (
            {
                "init": "def __init__(self, m, n, w, *, k: int = 3): super().__init__(m, n, w); self.k = k",
                "prepare": GOOD,
            },
            "check_fingerprint",
        ),
        (
            {
                "prepare": f"{GOOD} + str(os.getpid())",
                "one": "return Feature(np.array([ord(item[0]), int(item[-3:])], np.float32))",
            },
            "check_other_process",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_check_encoder_finds(tmp_path, parts, check):
    load_plugins([bad(tmp_path, **parts)])
    with pytest.raises(AssertionError, match=f"bad: {check}: "):
        check_encoder("bad", "text")
