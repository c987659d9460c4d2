"""`bench data check` on a corpus of broken datasets, and what reading and encoding them does."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from breaking import both, build
from broken import FAULTS, SOUND
from click.testing import CliRunner
from conftest import ENCODERS
from media import save_image
from test_houses import FOLDER as HOUSES

import encoders
from bench.cli import main
from bench.config import TrainingConfig
from bench.data.catalog import load
from bench.data.checks import as_json, check, media
from bench.data.problems import Problem
from bench.data.statistics import first_parts
from bench.errors import DataError
from bench.executors import EXECUTORS, inline
from bench.features.encode import encode


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops") / "sound"
    build(folder)
    return folder


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    monkeypatch.setitem(EXECUTORS, "local", inline)


@pytest.fixture(scope="session")
def cheap() -> dict[str, encoders.Encoder]:
    return {
        m: encoders.get(m, n, weights="random", **({"size": 32} if m == "image" else {}))
        for m, n in ENCODERS.items()
    }


def broken(sound: Path, tmp_path: Path, breaks) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(sound, folder)
    breaks(folder)
    return folder


def summary(problems: list[Problem]) -> list[tuple]:
    return [(p.kind, p.file, p.rows[0] if p.rows else 0, p.column, p.stops) for p in problems]


def encode_and_split(folder: Path, cheap: dict[str, encoders.Encoder]) -> None:
    """What `bench run` does before it trains. No number may overflow on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        dataset = load(str(folder))
        features, _ = encode(dataset, cheap)
        first_parts(dataset, TrainingConfig())
    for batch in features.batch(np.arange(len(dataset))).values():
        assert np.isfinite(batch.values.numpy()).all()


def test_the_corpus_is_large_enough():
    assert len(FAULTS) >= 45


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_alone_at_its_place_and_a_run_does_as_told(sound, tmp_path, cheap, name):
    fault = FAULTS[name]
    folder = broken(sound, tmp_path, fault.breaks)
    problems = check(folder, deep=fault.deep)
    assert summary(problems) == [(fault.kind, fault.file, fault.row, fault.column, fault.stops)]
    assert len(str(problems[0]).splitlines()) <= 2
    assert problems[0].fix
    if fault.deep:
        assert check(folder) == []
    if fault.stops:
        with pytest.raises(DataError) as caught:
            encode_and_split(folder, cheap)
        assert len(str(caught.value).splitlines()) <= 2
    else:
        encode_and_split(folder, cheap)


@pytest.mark.parametrize("name", SOUND)
def test_what_is_unusual_but_sound_gives_no_problem_and_runs(sound, tmp_path, cheap, name):
    folder = broken(sound, tmp_path, SOUND[name])
    assert [str(p) for p in check(folder, deep=True)] == []
    encode_and_split(folder, cheap)


def test_files_of_a_modality_without_a_decoder_of_its_own_are_prepared_by_its_first_encoder(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(media, "DECODERS", {})
    picture = save_image(tmp_path / "good.png", 1)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(picture.read_bytes()[:60])
    items = [("image", picture), ("image", damaged)]
    found = media.undecodable(items, jobs=1, executor="inline", progress=lambda what, done, total: None)
    assert list(found) == items[1:]
    assert "crashed" not in found["image", damaged]


def test_the_embedded_dataset_has_no_problem(stream_folder):
    assert check(stream_folder, deep=True) == []


@pytest.mark.skipif(not (HOUSES / "labels.csv").is_file(), reason="the houses are not here; set BENCH_HOUSES")
def test_the_houses_have_no_problem():
    assert check(HOUSES) == []


def test_problems_are_merged_counted_and_sorted_worst_first(sound, tmp_path):
    folder = broken(sound, tmp_path, both(*(FAULTS[n].breaks for n in MANY)))
    (folder / "images/s9.jpg").unlink()
    (folder / "images/s11.jpg").unlink()
    found = check(folder)
    assert [(p.kind, p.count, p.stops) for p in found] == [
        ("not-a-number", 1, True), ("dangling-key", 1, True),
        ("missing-file", 3, False), ("empty-file", 1, False), ("mojibake", 1, False),
    ]  # fmt: skip
    assert found[2].rows == (6, 11, 13)
    assert [p.severity for p in found] == ["error"] * 2 + ["warning"] * 3
    listed = json.loads(json.dumps(as_json(found)))
    assert listed[2]["rows"] == [6, 11, 13]
    assert listed[0]["severity"] == "error"


MANY = ("number with a unit", "missing image", "empty image", "dangling key", "text decoded wrongly")


def test_every_fault_of_a_description_is_told(sound, tmp_path):
    faults = both(*(FAULTS[n].breaks for n in ("misspelt field", "unknown transform")))
    assert {p.column for p in check(broken(sound, tmp_path, faults))} == {
        "entities.product.mnay",
        "target.transform",
    }


def test_rows_of_late_faults_are_counted_in_the_whole_file(tmp_path):
    rows = ["id,y,a", *(f"{i},{i % 9},{i % 7}" for i in range(100_000)), "x,1,é"]
    (tmp_path / "samples.csv").write_bytes("\n".join(rows).encode("latin-1"))
    description = 'name = "late"\n[target]\ncolumn = "y"\n[entities.one]\nnumeric = ["a"]\n'
    (tmp_path / "dataset.toml").write_text(description, encoding="utf-8")
    assert summary(check(tmp_path)) == [("not-utf8", "samples.csv", 100_002, "", True)]


def test_decoding_tells_how_far_it_is_and_finds_the_same_whichever_worker_is_first(
    sound, tmp_path, monkeypatch
):
    folder = broken(
        sound, tmp_path, both(*(FAULTS[n].breaks for n in ("truncated image", "truncated video")))
    )
    told = []
    alone = check(folder, deep=True, progress=lambda what, done, total: told.append((done, total)))
    monkeypatch.setitem(EXECUTORS, "local", lambda work, tasks, jobs: inline(work, tasks[::-1]))
    assert alone == check(folder, deep=True)
    assert [p.column for p in alone] == ["clip", "photo"]
    assert told[-1][0] == told[-1][1] == len(list(folder.glob("*/*.*")))


RUN = (
    "missing image", "cut sound", "features for too few", "short row",
    "too large a number", "pickled features", "keys without a value",
)  # fmt: skip


@pytest.mark.parametrize("name", RUN)
def test_the_whole_run_works_around_a_fault_or_refuses(sound, tmp_path, name, undrawn):
    folder, out = broken(sound, tmp_path, FAULTS[name].breaks), tmp_path / "out"
    result = CliRunner().invoke(main, [
        "run", "--data", str(folder), "--fusion", "concat", "--seeds", "1", "--backbone", "resnet18",
        "--weights", "random", "--executor", "inline", "--device", "cpu", "--out", str(out),
        "--set", "training.epochs=1", "--set", "encoders.image_size=32",
    ])  # fmt: skip
    assert result.exit_code == (2 if FAULTS[name].stops else 0), result.output
    if FAULTS[name].stops:
        assert len(result.stderr.strip().splitlines()) <= 2
    else:
        table = pd.read_csv(out / "tables" / "fusion.csv").set_index("method")
        assert np.isfinite(table.loc["concat", "MAE"])
