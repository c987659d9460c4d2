"""Stored things that are damaged: never a traceback, never another number; named, and made again."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic_core import to_json
from workshop import Row, Workshop, rows_of

import encoders
from bench.cli import main
from bench.data import catalog
from bench.data.dataset import Dataset
from bench.errors import UsageError
from bench.features.cache import ItemCache
from bench.features.encode import encode
from bench.files import damage, seal, written_aside
from bench.plan import Plan, load_plans, store_plan
from bench.store import RunStore
from encoders import Feature, Undecodable

QUICK = [
    "--backbone", "resnet18", "--weights", "random", "--executor", "inline", "--device", "cpu",
    "--seeds", "2", "--set", "encoders.image_size=32", "--set", "training.epochs=2", "--set", "model.dim=16",
]  # fmt: skip


def flip(path: Path, where: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(where * (len(content) - 1))] ^= 0x01
    path.write_bytes(bytes(content))


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_link(path: Path) -> None:
    path.rename(elsewhere := path.parent.parent.parent / f"elsewhere-{path.name}")
    path.symlink_to(elsewhere)


KINDS: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "flipped at the start": lambda path: flip(path, 0),
    "flipped in the middle": lambda path: flip(path, 0.5),
    "flipped at the end": lambda path: flip(path, 1),
    "missing": Path.unlink,
    "foreign": lambda path: path.write_bytes(b"\x80\x04\x95 not ours \xff\xfe" * 40),
    "deep": lambda path: path.write_text("[" * 100_000),
    "a folder": become_folder,
    "a link": become_link,
}
RUN_FILES = ("config.json", "measured.json", "predictions.parquet", "history.parquet", "environment.json")


def bench(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    """Three methods, two seeds, nothing trained."""
    out = tmp_path_factory.mktemp("pristine")
    Workshop(out, seeds=2).plan("fusion", [Row("memf", 0.5), Row("concat", 0.6), Row("late", 0.7)])
    return out


@pytest.fixture
def stored(pristine, tmp_path) -> tuple[Path, Plan]:
    shutil.copytree(pristine, tmp_path / "out")
    return tmp_path / "out", load_plans(tmp_path / "out")[0]


# -- runs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", [*RUN_FILES, "checksums.json"])
def test_a_damaged_run_is_named_and_the_rest_is_drawn(stored, caplog, file, kind):
    out, plan = stored
    run = plan.rows[0].runs[1]
    KINDS[kind](out / "runs" / run / file)
    store = RunStore(out)
    table = rows_of(plan, store).set_index("method")
    assert table["seeds"].to_dict() == {"memf": 1, "concat": 2, "late": 2}
    assert run in caplog.text
    assert file in caplog.text or file == "checksums.json", "a seal may name another file than it did"
    assert len(caplog.records) == 1, "said once"


@pytest.mark.parametrize("file", [*RUN_FILES, "checksums.json"])
def test_no_flipped_byte_of_a_run_goes_unseen(stored, file):
    out, plan = stored
    path = out / "runs" / plan.rows[0].runs[0] / file
    whole = path.read_bytes()
    for where in np.linspace(0, 1, 40):
        flip(path, where)
        assert not RunStore(out).complete(path.parent.name)
        path.write_bytes(whole)
    assert RunStore(out).complete(path.parent.name)


def test_another_run_under_this_name_is_none(stored, caplog):
    out, plan = stored
    mine, other = (out / "runs" / run for run in plan.rows[0].runs)
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    assert not RunStore(out).complete(mine.name)
    assert "describes another run" in caplog.text


def test_whole_runs_of_an_earlier_version_are_counted_in_one_line_and_are_not_called_damaged(stored, caplog):
    """Settings that runs have no more, or did not have yet; one run that is really another one's."""
    out, plan = stored
    runs = [out / "runs" / run for row in plan.rows for run in row.runs]
    renamed = {}
    for i, run in enumerate(runs[:3]):
        spec = json.loads((run / "config.json").read_text(encoding="utf-8"))
        spec["training"].pop("averaging") if i else spec.update(vintage=0.00001)
        (run / "config.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
        seal(run)
        renamed[run.name] = hashlib.sha256(to_json(spec)).hexdigest()[:16]
        run.rename(run.with_name(renamed[run.name]))
    shutil.copytree(runs[4], runs[0])
    rows = [row.model_copy(update={"runs": [renamed.get(r, r) for r in row.runs]}) for row in plan.rows]
    table = rows_of(plan.model_copy(update={"rows": rows}), RunStore(out)).set_index("method")
    assert table["seeds"].to_dict() == {"concat": 1, "late": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "fusion: 3 stored runs were made by an earlier version and are not read"
    ]
    assert not RunStore(out).complete(runs[0].name)
    assert "describes another run" in caplog.text


def test_a_run_behind_a_link_is_none(stored):
    out, plan = stored
    mine = out / "runs" / plan.rows[0].runs[0]
    mine.rename(out / "elsewhere")
    mine.symlink_to(out / "elsewhere")
    assert not RunStore(out).complete(mine.name)


def test_a_file_beside_a_run_is_not_read(stored):
    out, plan = stored
    run = plan.rows[0].runs[0]
    (out / "runs" / run / "missing.parquet").write_bytes(b"foreign")
    store = RunStore(out)
    assert store.complete(run)
    assert store.record(run, "missing.parquet") is None


@pytest.mark.parametrize("command", ["tables", "figures", "report"])
def test_drawing_commands_show_the_rest(stored, command):
    out, plan = stored
    for (kind, damaging), run in zip(KINDS.items(), plan.rows[0].runs + plan.rows[1].runs, strict=False):
        damaging(out / "runs" / run / RUN_FILES[len(kind) % 5])
    (out / "plans" / "stray.json").write_text("{}")
    output = bench(command, "--out", out)
    assert "damaged" in output
    assert "stray.json is skipped" in output
    drawn = {"tables": "tables/fusion.csv", "figures": "figures/fusion.png", "report": "report.html"}
    assert (out / drawn[command]).is_file()


# -- plans


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_plan_is_named_and_skipped(stored, caplog, kind):
    out, plan = stored
    store_plan(plan.model_copy(update={"experiment": "order"}), out)
    KINDS[kind](out / "plans" / "fusion.json")
    assert [found.experiment for found in load_plans(out)] == ["order"]
    # what is not there at all cannot be named
    assert ("fusion.json" in caplog.text) == (kind != "missing")


def test_no_flipped_byte_of_a_plan_goes_unseen(stored, caplog):
    out, plan = stored
    path = out / "plans" / "fusion.json"
    whole = path.read_bytes()
    for where in np.linspace(0, 1, 200):
        flip(path, where)
        try:
            found = load_plans(out)
        except UsageError:
            found = []
        assert found in ([], [plan]), "of a blank that became another nothing is lost"
        path.write_bytes(whole)


HOSTILE = {
    "a run elsewhere": {"rows": [{"runs": ["../../../etc"]}]},
    "an experiment elsewhere": {"experiment": "../../x"},
    "settings elsewhere": {"settings": "../x"},
    "a list": [],
    "a number too large": {"samples": 10**400},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_plan_that_leads_outside_is_skipped(stored, what):
    out, _ = stored
    path = out / "plans" / "fusion.json"
    content = json.loads(path.read_text())
    change = HOSTILE[what]
    if isinstance(change, dict):
        rows = [content["rows"][0] | row for row in change.get("rows", [])]
        change = content | change | ({"rows": rows} if rows else {})
    path.write_text(json.dumps(change))
    assert "no plan that can be read" in bench("tables", "--out", out, code=2)
    assert {p.name for p in out.iterdir()} == {"plans", "runs"}


def test_no_plan_is_a_line(tmp_path):
    assert "no runs under" in bench("report", "--out", tmp_path, code=2)


# -- executed again


def test_damaged_runs_are_executed_again_to_the_same_bits(stream_folder, tmp_path, undrawn):
    command = ["run", "--data", stream_folder, "--out", tmp_path, "--fusion", "concat,late", *QUICK]
    bench(*command)
    runs = sorted(path for path in (tmp_path / "runs").iterdir())
    before = {path.name: (path / "predictions.parquet").read_bytes() for path in runs}
    for i, (damaging, run) in enumerate(zip(KINDS.values(), runs, strict=False)):
        damaging(run / RUN_FILES[i % 5])
    output = bench(*command)
    assert f"{len(KINDS)} runs executed, 1 already stored" in output
    assert output.count("is damaged") == len(KINDS)
    after = {path.name: (path / "predictions.parquet").read_bytes() for path in runs}
    assert after == before


# -- the cache


@pytest.fixture(scope="module")
def cached(tmp_path_factory, stream_folder) -> Path:
    """A cache with the features of the texts and numbers of the small dataset."""
    return tmp_path_factory.mktemp("cached")


def features_of(streams: Dataset):
    return encode(streams, {"text": encoders.get("text", "hashing", width=16)})[0]


def arrays(features) -> dict[str, np.ndarray]:
    found = dict(features.samples)
    for source, part in features.sources.items():
        found |= {
            f"{source}": part.values,
            f"{source} slots": getattr(part, "slots", part.values[:0]),
            f"{source} items": part.items.values,
        }
    return {name: np.array(array) for name, array in found.items()}


@pytest.fixture(scope="module")
def whole_cache(tmp_path_factory, streams) -> tuple[Path, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder))
        return folder, arrays(features_of(streams))


CACHED = ("values.npy", "items.npy", "slots.npy", "attributes.json", "encoding.json", "checksums.json")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", [*CACHED, "target.npy"])
def test_damaged_features_are_named_and_made_again(
    whole_cache, streams, tmp_path, monkeypatch, caplog, file, kind
):
    folder, expected = whole_cache
    shutil.copytree(folder, tmp_path / "cache")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    where = "samples-*" if file == "target.npy" else "anchor.text-*"
    (path,) = (tmp_path / "cache" / "features").glob(f"*/{where}/{file}")
    KINDS[kind](path)
    found = arrays(features_of(streams))
    assert path.parent.name in caplog.text
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert damage(path.parent) == ""


def test_a_foreign_array_in_the_cache_is_not_taken_for_groups(whole_cache, streams, tmp_path, monkeypatch):
    shutil.copytree(whole_cache[0], tmp_path / "cache")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    (samples,) = (tmp_path / "cache" / "features").glob("*/samples-*")
    np.save(samples / "groups.npy", np.zeros(len(streams)))
    assert "groups" not in features_of(streams).samples


def test_no_flipped_byte_of_the_items_changes_a_feature(tmp_path, rng):
    """Anywhere in the database: a feature is the one stored, or missing, or the file is made again."""
    features = {
        f"{i:064x}": Feature(rng.normal(size=(3, 2) if i % 2 else 6).astype(np.float32), times(i))
        for i in range(25)
    }
    ItemCache("f", tmp_path / "whole").put([*features.items(), ("0" * 63 + "x", Undecodable("cut off"))])
    whole = (tmp_path / "whole" / "f.sqlite").read_bytes()
    (tmp_path / "damaged").mkdir()
    damaged = ItemCache("f", tmp_path / "damaged")
    lost = 0
    for place in rng.choice(len(whole), 400, replace=False):
        content = bytearray(whole)
        content[place] ^= 1 << int(rng.integers(8))
        for leftover in damaged.path.parent.iterdir():
            leftover.unlink()
        damaged.path.write_bytes(content)
        missing = set(damaged.missing(features))
        for key, found in damaged.get(key for key in features if key not in missing).items():
            assert np.array_equal(found.values, features[key].values)
            assert np.array_equal(found.times, features[key].times)
        lost += len(missing)
    assert lost > 25, "some of the flipped bytes are in features"


def times(i: int) -> np.ndarray | None:
    """Of a third of all features: of some sequences."""
    return np.arange(3) / 10 if i % 2 and i % 3 else None


def test_a_damaged_embedded_dataset_is_made_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    folder = catalog.make("livestream", streams=20)
    whole = (folder / "samples.csv").read_bytes()
    assert catalog.make("livestream", streams=20) == folder
    assert not caplog.text
    flip(folder / "samples.csv", 0.5)
    assert catalog.make("livestream", streams=20) == folder
    assert "samples.csv" in caplog.text
    assert (folder / "samples.csv").read_bytes() == whole
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing is left aside"


# -- writing


def test_what_a_killed_process_left_is_swept(tmp_path):
    dead = 2**22 + 1  # above the largest process id
    for leftover in (
        tmp_path / f".data.{dead}",
        tmp_path / f".other.{dead}",
        tmp_path / f".data.{os.getppid()}",
    ):
        leftover.mkdir()
    with written_aside(tmp_path / "data") as folder:
        (folder / "a.txt").write_text("a")
    assert {p.name for p in tmp_path.iterdir()} == {"data", f".other.{dead}", f".data.{os.getppid()}"}
    RunStore(tmp_path)
    (tmp_path / "runs" / f".x.{dead}").mkdir()
    RunStore(tmp_path).sweep()
    assert not list((tmp_path / "runs").iterdir())


def test_the_first_of_two_writers_stays_unless_it_is_to_be_replaced(tmp_path):
    def write(text: str, **how: bool) -> None:
        with written_aside(tmp_path / "data", **how) as folder:
            (folder / "a.txt").write_text(text)

    write("first")
    write("second")
    assert (tmp_path / "data" / "a.txt").read_text() == "first"
    write("third", replace=True)
    assert (tmp_path / "data" / "a.txt").read_text() == "third"
    seal(tmp_path / "data")
    assert damage(tmp_path / "data", exact=True) == ""
    with pytest.raises(RuntimeError, match="stop"), written_aside(tmp_path / "other"):
        raise RuntimeError("stop")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
