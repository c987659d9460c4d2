"""`bench perf encoders`: what is measured is what it says; how fast it is, is no matter of a test."""

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from media import save_bert

import encoders
from bench.cli import main
from bench.errors import BenchError, UsageError
from bench.perf import again
from bench.perf.again import Again, reencode
from bench.perf.encoders import Measured, run_encoders, verdict, write
from bench.perf.forward import Forward, matrix_peak
from bench.perf.items import LONGEST, SHORTEST, make_items
from encoders.packing import ROOM

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")
SMALL = {"text": 5, "image": 3}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_bert(folder, weights=False)
    return [
        encoders.get("text", str(folder), weights="random"),
        encoders.get("image", "resnet18", weights="random", size=32),
    ]


@pytest.fixture(scope="module")
def users_cache(tmp_path_factory):
    """A cache that no other test of the session has written to."""
    return tmp_path_factory.mktemp("users-cache")


@pytest.fixture(scope="module")
def measured(chosen, users_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(users_cache))
        patch.setattr("bench.perf.encoders.FILES", 30)
        return run_encoders(chosen, items=SMALL, turns=2)


# -- items


@pytest.mark.parametrize("modality", ["text", "image", "video", "audio"])
def test_items_are_real_and_unlike_each_other(tmp_path, modality):
    made = make_items(modality, 2, tmp_path)
    name = {"text": "hashing", "image": "resnet18", "video": "motion", "audio": "logmel"}[modality]
    options = {"size": 32} if modality == "image" else {}
    first, second = encoders.get(modality, name, weights="random", **options).encode(made)
    assert not np.array_equal(first.values, second.values)
    if modality == "text":
        assert [len(text) for text in made] == [SHORTEST, LONGEST]


# -- the bare pass


def test_the_bare_pass_gives_what_the_encoder_gives(chosen):
    text, image = chosen
    pixels = torch.randn(3, 3, 32, 32)
    forward = Forward.of(image, list(pixels), "cpu")
    (call,) = forward.calls(4)
    with torch.inference_mode():
        states = image.network("cpu")(*call.positional, **call.named).numpy()
    expected = np.stack([feature.values for feature in image.embed(list(pixels), "cpu")])
    np.testing.assert_array_equal(states * image.scale, expected)

    texts = ["a" * 1, "a b c", "a b", "a " * 20]
    forward = Forward.of(text, [text.prepare(one) for one in texts], "cpu")
    assert forward.items == 4
    # the longest last, and no padding that no text of a batch needs
    assert [tuple(call.named["input_ids"].shape) for call in forward.calls(2)] == [(2, 2), (2, 20)]
    assert [tuple(call.named["input_ids"].shape) for call in forward.calls(8)] == [(4, 20)]


def test_operations_are_counted_with_those_of_attention(chosen):
    text = chosen[0]
    prepared = text.prepare("a " * 8)
    width, tokens = 16, 8
    linear = 2 * tokens * (4 * width * width + 2 * width * 16)
    attention = 2 * 2 * tokens * tokens * width
    counted = Forward.of(text, [prepared, prepared], "cpu").flops(2)
    pooler = 2 * width * width
    assert counted == linear + attention + pooler


def test_a_size_that_was_tried_is_chosen(chosen):
    image = chosen[1]
    forward = Forward.of(image, list(torch.randn(5, 3, 32, 32)), "cpu")
    assert forward.best_size() in (1, 2, 4, 8)
    assert matrix_peak("cpu") > 0


# -- the table


def test_there_is_a_row_for_each_encoder(chosen, measured):
    table = measured.table
    assert table["encoder"].tolist() == [encoder.stamp for encoder in chosen]
    assert table["weights"].tolist() == [encoder.source for encoder in chosen]
    assert table["items"].tolist() == [5, 3]
    assert table["batch"].tolist() == [ROOM, 16]
    numbers = table[["items_per_s", "bare_items_per_s", "ratio", "gflop", "peak_gflop_per_s"]]
    assert (numbers > 0).all(axis=None)
    assert table["share_of_peak"].between(0, 1, inclusive="neither").all()
    assert measured.again.files == 30


def test_nothing_is_left_in_the_users_cache(measured, users_cache):
    assert not any(path.is_file() for path in users_cache.rglob("*"))


def test_encoders_without_a_network_are_refused():
    with pytest.raises(UsageError, match="text encoder 'hashing' has no network"):
        run_encoders([encoders.get("text", "hashing")])


def rows(**changed) -> Measured:
    row = {
        "modality": "video", "encoder": "videomae (random)", "weights": "random, seed 0", "device": "cpu",
        "items": 2, "batch": 1, "items_per_s": 8.0, "bare_batch": 1, "bare_items_per_s": 10.0, "ratio": 0.8,
        "gflop": 1.0, "peak_gflop_per_s": 50.0, "share_of_peak": 0.2,
    }  # fmt: skip
    seconds = changed.pop("again", (1.5, 0.5))
    return Measured(pd.DataFrame([row | changed]), Again(10_000, *seconds))


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({}, []),
        ({"ratio": 0.74}, [0]),
        ({"modality": "text"}, [0]),
        ({"modality": "text", "device": "cuda"}, []),
        ({"modality": "image", "ratio": 0.9}, []),
        ({"again": (2.5, 0.5)}, [1]),
        ({"again": (0.5, 2.5)}, [1]),
    ],
)
def test_each_limit_is_judged_by_itself(changed, failed):
    lines = verdict(rows(**changed))
    assert [i for i, line in enumerate(lines) if line.endswith(": FAIL")] == failed
    assert sum(line.endswith(": pass") for line in lines) == 2 - len(failed)


def test_files_have_the_numbers_the_limits_and_the_command(tmp_path):
    paths = write(rows(), tmp_path, "bench perf encoders")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "perf/encoders.csv",
        "perf/encoders.md",
    ]
    assert pd.read_csv(paths[0])["ratio"].tolist() == [0.8]
    page = paths[1].read_text(encoding="utf-8")
    assert "| videomae (random) | random, seed 0 |" in page
    assert "80% of the bare pass's 10; limit 75%: pass" in page
    assert "Regenerate: `bench perf encoders`" in page


def test_the_command_measures_what_is_asked_for(tmp_path, monkeypatch):
    asked = []

    def measure(chosen, device, plugins, progress):
        asked.append(([(e.modality, e.name, e.wanted, e.options) for e in chosen], device))
        return rows()

    monkeypatch.setattr("bench.perf.encoders.run_encoders", measure)
    arguments = ["perf", "encoders", "--device", "cpu", "--weights", "random", "--out", str(tmp_path)]
    for more in ([], ["--encoder", "image=resnet18,densenet121", "--set", "encoders.image_size=96"]):
        result = CliRunner().invoke(main, [*arguments, *more])
        assert result.exit_code == 0, result.output
    (paper, device), (own, _) = asked
    assert [(modality, name) for modality, name, _, _ in paper] == [
        ("text", "bert"),
        ("image", "resnet50"),
        ("video", "videomae"),
        ("audio", "wav2vec2"),
    ]
    assert device == "cpu"
    assert own == [("image", name, "random", {"size": 96}) for name in ("resnet18", "densenet121")]
    assert (tmp_path / "perf/encoders.md").is_file()


# -- unchanged items


def test_unchanged_items_are_not_encoded(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    seconds = reencode(tmp_path / "data", files=20)
    assert min(seconds.from_cache, seconds.unchanged) > 0


def test_a_cache_that_does_not_hold_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(again, "encode", lambda dataset, chosen: (None, 3))
    with pytest.raises(BenchError, match="3 of the unchanged items were encoded again"):
        reencode(tmp_path / "data", files=20)
