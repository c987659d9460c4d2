"""Executors by name: one contract, and the same bits wherever the work is done."""

import os
import threading
import time
from functools import partial
from importlib.util import find_spec
from operator import call
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import encoders
from bench import executors
from bench.cli import main
from bench.data.dataset import Dataset
from bench.errors import BenchError, UsageError
from bench.executors import HOUR, find, time_limit
from bench.failure import Failure
from bench.features.encode import encode
from bench.plugins import load_plugins
from bench.request import Request, resolve
from bench.workflow import run

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")


@pytest.mark.parametrize("executor", ["local", "loky", pytest.param("ray", marks=needs_ray)])
@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_comes_back_once_and_none_costs_another_its_result(executor, jobs):
    tasks = {
        "ends": partial(os._exit, 5),
        "raises": partial(exec, "raise SystemExit(3)"),
        "cannot be sent": partial(next, iter(lambda: 1, 0), threading.Lock()),
        "elsewhere": os.getpid,
    } | {str(n): partial(str, n) for n in range(4)}
    names = {id(task): name for name, task in tasks.items()}
    pairs = [(names[id(task)], answer) for task, answer in find(executor)(call, list(tasks.values()), jobs)]
    found = dict(pairs)
    assert sorted(name for name, _ in pairs) == sorted(tasks)
    assert found["ends"].crashed
    assert found["ends"].reason.startswith("the process ended without a result (")
    assert found["raises"].reason == "SystemExit: 3"
    assert found["cannot be sent"].reason.startswith("cannot be sent to a worker process (TypeError")
    assert found["elsewhere"] != os.getpid()
    assert [found[str(n)] for n in range(4)] == ["0", "1", "2", "3"]


def test_loky_answers_as_soon_as_a_task_is_done_and_closing_it_ends_the_rest(recwarn):
    answers = find("loky")(call, [partial(time.sleep, 1000), os.getpid], 2)
    _, process = next(answers)
    started = time.monotonic()
    answers.close()
    assert time.monotonic() - started < 60
    assert not Path(f"/proc/{process}").exists()
    assert not recwarn


def test_an_executor_changes_no_run_id_and_no_number(stream_folder, features, tmp_path):
    def predictions(executor: str) -> pd.DataFrame:
        asked = Request(
            data=str(stream_folder), fusions="concat,memf", seeds=1, out=tmp_path / executor, jobs=2,
            encoders={"image": "resnet18"}, weights="random", device="cpu", executor=executor,
            settings=("encoders.image_size=32", "training.epochs=1", "model.dim=16"),
        )  # fmt: skip
        assert not run(asked).summary.failures
        runs = sorted((tmp_path / executor / "runs").glob("*/predictions.parquet"))
        assert len(runs) > 1
        return pd.concat({path.parent.name: pd.read_parquet(path) for path in runs})

    # that of `local` is compared with this process by the tests of runs
    pd.testing.assert_frame_equal(predictions("inline"), predictions("loky"), check_exact=True)


def test_an_executor_changes_no_feature(streams, features, tmp_path, monkeypatch):
    """The features at hand were encoded in this process."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    found, encoded = encode(streams, {"audio": encoders.get("audio", "logmel")}, jobs=2, executor="loky")
    assert encoded > 0
    (source,) = (s for s in found.sources if s.modality == "audio")
    assert found.folders[source].name == features.folders[source].name
    np.testing.assert_array_equal(found.sources[source].values, features.sources[source].values)


def test_an_item_that_ends_its_worker_costs_no_other_its_feature(tmp_path, monkeypatch, caplog):
    plugin, texts = tmp_path / "fragile.py", ["one", "two", "three", "four", "five", "six"]
    plugin.write_text(
        """
import os
import numpy as np
import encoders

@encoders.register("text", "fragile")
class Fragile(encoders.Encoder):
    def prepare(self, item):
        if item == "three":
            os._exit(5)
        return encoders.Feature(np.full(2, len(item), np.float32))
""",
        encoding="utf-8",
    )
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    load_plugins([plugin])
    table = pd.DataFrame({"note": texts, "y": range(6)})
    data = Dataset.from_frames(table, target="y", entities={"item": {"text": ["note"]}})
    fragile = encoders.get("text", "fragile")
    features, encoded = encode(data, {"text": fragile}, executor="loky", jobs=2, plugins=[plugin])
    assert encoded == len(texts)
    assert features.undecodable == 1
    (warning,) = (r.getMessage() for r in caplog.records if "cannot be decoded" in r.getMessage())
    assert "three" in warning
    (batch,) = features.batch(np.arange(6)).values()
    assert batch.values[:, 0].tolist() == [3, 3, 4, 4, 3]


def test_a_backend_that_cannot_start_is_an_error_in_words(monkeypatch):
    def small(*args, **options):
        raise ValueError("there are only 2 CPUs")

    monkeypatch.setattr(executors.joblib, "Parallel", small)
    with pytest.raises(BenchError, match="loky cannot start 8 jobs: ValueError: there are only 2 CPUs"):
        list(find("loky")(call, [os.getpid], 8))


WRONG = {
    "no such name": (["--executor", "lokey"], "there is no 'lokey'; there are local, inline, loky, ray."),
    "no library": (["--executor", "ray"], "needs the package ray, which is not installed: pip install ray"),
    "a limit it cannot keep": (["--executor", "loky", "--timeout", "9"], "loky cannot end a run that hangs"),
    "nor can this process": (
        ["--executor", "inline", "--timeout", "9"],
        "inline cannot end a run that hangs",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_an_executor_cannot_do_is_refused_in_a_line(what, monkeypatch, tmp_path):
    options, message = WRONG[what]
    monkeypatch.setattr(executors, "find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["run", "--out", str(tmp_path), *options])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_only_local_has_a_limit_unless_told_otherwise():
    limits = {name: time_limit(name, None) for name in ("local", "inline", "loky")}
    assert limits == {"local": HOUR, "inline": 0, "loky": 0}
    assert [time_limit("local", 0), time_limit("local", 7), time_limit("loky", 0)] == [0, 7, 0]
    with pytest.raises(UsageError, match="there is no 'ploky'"):
        resolve(Request(executor="ploky"))


def test_data_are_checked_where_it_is_asked_for(stream_folder, monkeypatch):
    asked = []

    def spy(work, tasks, jobs):
        asked.append((len(tasks), jobs))
        return ((task, Failure.ended("by the spy")) for task in tasks)

    monkeypatch.setitem(executors.EXECUTORS, "spy", spy)
    check = ["data", "check", str(stream_folder), "--deep", "--jobs", "3", "--executor"]
    result = CliRunner().invoke(main, [*check, "spy"])
    assert [jobs for _, jobs in asked] == [3]
    assert "its decoder crashed: the process ended without a result (by the spy)" in result.output
    assert CliRunner().invoke(main, [*check, "nowhere"]).exit_code == 2
