"""Encoders from outside that misbehave: a fault is a line that names the encoder, and costs no other item."""

from pathlib import Path

import numpy as np
import pytest
from notes import QUICK, WORDS, bench, encoded, notes_of

from bench.config import load_preset
from bench.data.dataset import Dataset
from bench.errors import BenchError, DataError
from bench.features.encode import encode
from bench.plugins import load_plugins
from bench.request import get_encoder
from encoders import EncoderFailed
from encoders.testing import check_encoder
from fusions import Source

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


@pytest.fixture(scope="module")
def notes() -> Dataset:
    return notes_of(WORDS)


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
    features = encoded(notes, "bad", executor=executor, plugins=[path])
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
    how = ["--text", "bad", "--plugin", path]
    result = bench("run", "--data", stream_folder, "--out", tmp_path / "out", *how, *QUICK)
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
