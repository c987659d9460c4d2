"""`bench run` from end to end: tables, resume, repeat, failures, plugins, and how errors are told."""

import importlib
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from bench.cli import main
from bench.methods.network import Network
from bench.methods.references import REFERENCES as ALL_REFERENCES
from bench.metrics import leading, of_task, score
from bench.predictions import answers
from bench.spec import RunSpec
from bench.trial import parts_of

pytestmark = pytest.mark.usefixtures("undrawn")
QUICK = [
    "--backbone", "resnet18", "--weights", "random", "--executor", "inline", "--device", "cpu",
    "--set", "encoders.image_size=32", "--set", "training.epochs=2", "--set", "model.dim=16",
]  # fmt: skip


METRICS = [metric.name for metric in of_task("regression")]
REFERENCES = [name for name, kind in ALL_REFERENCES.items() if "regression" in kind.tasks]


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def run(folder: Path, out: Path, *more: object) -> Result:
    return bench(
        "run", "--data", folder, "--out", out, "--fusion", "concat,memf", "--seeds", "2", *QUICK, *more
    )


def predictions(out: Path) -> dict[str, bytes]:
    return {
        path.parent.name: path.read_bytes()
        for path in sorted((out / "runs").glob("[!.]*/predictions.parquet"))
    }


def numbers(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "tables" / "fusion.csv").drop(columns="seconds")


@pytest.fixture(scope="module")
def done(stream_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out")
    result = run(stream_folder, out)
    assert result.exit_code == 0, result.output
    assert "12 runs executed, 0 already stored, 0 failed" in result.output
    return out


def test_the_table_has_the_columns_of_the_contract_and_a_row_per_method(done):
    table = pd.read_csv(done / "tables" / "fusion.csv")
    expected = ["method", "backbone", "text", "weights"]
    for metric in leading("regression"):
        expected += [metric, f"{metric}_low", f"{metric}_high"]
    expected += ["seeds", "n_test", "params", "seconds"]
    assert list(table.columns)[: len(expected)] == expected
    assert set(table["method"]) == {"concat", "memf", *REFERENCES}
    assert (table["seeds"] == 2).all()
    assert set(METRICS) <= set(table.columns)
    assert np.isfinite(table[leading("regression")]).all(axis=None)
    assert (table["RMSE"] > 1000).all()  # yuan, where the others are on the scale of log10
    assert table["Acc2"].isna().all()
    assert (table["MSE_low"] <= table["MSE"]).all()
    assert table.set_index("method").loc["memf", "weights"] == "resnet18 (random)"
    assert (table.set_index("method").loc[["concat", "memf"], "params"] > 1000).all()


def test_tables_say_where_they_come_from(done):
    text = (done / "tables" / "fusion.md").read_text(encoding="utf-8")
    for part in (
        "Dataset livestream (",
        ": 40 samples",
        "2 seeds",
        "resnet18 (random)",
        "(reference)",
        "log10(sales [yuan])",
        "Regenerate",
    ):
        assert part in text
    latex = (done / "tables" / "fusion.tex").read_text(encoding="utf-8")
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 1
    assert not re.search(r"(?<!\\)[%#_]", latex.replace("table*", ""))


def test_a_run_folder_has_everything_and_agrees_with_itself(done):
    folder = next((done / "runs").glob("*"))
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "measured.json", "predictions.parquet", "history.parquet", "environment.json",
        "checksums.json",
    }  # fmt: skip
    found = pd.read_parquet(folder / "predictions.parquet")
    assert list(found.columns) == ["id", "group", "split", "complete", "y_true", "y_pred"]
    spec = RunSpec.model_validate_json((folder / "config.json").read_bytes())
    scores = score(answers(spec.target, found))
    assert scores["MAE"] == pytest.approx((found["y_true"] - found["y_pred"]).abs().mean())
    assert len(found) == 8


def test_every_method_of_a_seed_is_tested_on_the_same_samples(done):
    ids = {}
    for folder in (done / "runs").glob("*"):
        seed = pd.read_json(folder / "config.json", typ="series")["seed"]
        ids.setdefault(seed, set()).add(tuple(pd.read_parquet(folder / "predictions.parquet")["id"]))
    assert [len(found) for found in ids.values()] == [1, 1]


def test_a_second_call_executes_and_encodes_nothing(stream_folder, done):
    result = run(stream_folder, done)
    assert "0 runs executed, 12 already stored, 0 failed; 0 items encoded" in result.output


def test_empty_stores_and_two_processes_give_the_same_bits(stream_folder, done, tmp_path):
    assert run(stream_folder, tmp_path, "--executor", "local", "--jobs", "2").exit_code == 0
    assert predictions(tmp_path) == predictions(done)


def test_force_executes_again_and_changes_no_bit(stream_folder, done):
    before = predictions(done)
    assert "12 runs executed" in run(stream_folder, done, "--force").output
    assert predictions(done) == before


def test_tables_are_drawn_again_from_stored_runs(done):
    before = (done / "tables" / "fusion.csv").read_text(encoding="utf-8")
    (done / "tables" / "fusion.csv").unlink()
    assert bench("tables", "--out", done).exit_code == 0
    assert (done / "tables" / "fusion.csv").read_text(encoding="utf-8") == before


def workers_of(parent: int) -> list[Path]:
    """The worker processes that a process has started and that have not ended."""

    def told(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError:  # it has just ended
            return b""

    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if f", {parent})".encode() in told(path)]


def test_killed_in_the_middle_the_same_command_finishes_to_the_same_table(stream_folder, done, tmp_path):
    arguments = [
        "run", "--data", stream_folder, "--out", tmp_path, "--fusion", "concat,memf", "--seeds", "2", *QUICK,
        "--executor", "local", "--jobs", "1",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cli", *map(str, arguments)], env=os.environ, stdout=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while len(predictions(tmp_path)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while workers_of(process.pid) and time.monotonic() < until:  # one may still store what it was at
        time.sleep(0.1)
    stored = len(predictions(tmp_path))
    assert 2 <= stored < 12
    result = run(stream_folder, tmp_path)
    assert f"{12 - stored} runs executed, {stored} already stored" in result.output
    pd.testing.assert_frame_equal(numbers(tmp_path), numbers(done), check_exact=True)
    assert not list((tmp_path / "runs").glob(".*"))


def test_a_kept_model_predicts_again_what_it_predicted(stream_folder, features, tmp_path):
    result = run(stream_folder, tmp_path, "--fusion", "memf", "--seeds", "1", "--save-models")
    assert result.exit_code == 0, result.output
    folder = next(path.parents[1] for path in (tmp_path / "runs").glob("*/model/weights.safetensors"))
    spec = RunSpec.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
    method = Network.load(folder / "model", spec, features.layout, torch.device("cpu"))
    again = method.predict(features, parts_of(spec, features).test)
    assert again.tolist() == pd.read_parquet(folder / "predictions.parquet")["y_pred"].tolist()


PLUGIN = """
import torch
import fusions

@fusions.register("{name}", paper="none")
class Mine(fusions.VectorFusion):
    def fuse_vectors(self, vectors):
        {body}
"""


def test_a_plugin_adds_a_method_and_changing_it_runs_it_again(stream_folder, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        PLUGIN.format(name="mine", body="return fusions.Fused(vectors.mean(1))"), encoding="utf-8"
    )
    options = ["--data", stream_folder, "--out", tmp_path / "out", "--fusion", "mine", "--seeds", "1", *QUICK]
    first = bench("run", "--plugin", plugin, *options)
    assert first.exit_code == 0, first.output
    assert "mine" in set(numbers(tmp_path / "out")["method"])
    plugin.write_text(plugin.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    assert "0 runs executed" in bench("run", "--plugin", plugin, *options).output
    plugin.write_text(plugin.read_text(encoding="utf-8") + "\nCHANGED = 1\n", encoding="utf-8")
    assert "1 runs executed" in bench("run", "--plugin", plugin, *options).output


def test_the_source_of_another_packages_method_is_part_of_its_run_ids(stream_folder, tmp_path, monkeypatch):
    """A method of an installed package is no --plugin file; editing it runs it again all the same."""
    source = tmp_path / "their_package.py"
    source.write_text(
        PLUGIN.format(name="theirs", body="return fusions.Fused(vectors.mean(1))"), encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("their_package")
    options = ["--data", stream_folder, "--out", tmp_path / "out", "--fusion", "theirs", "--seeds", "1"]
    options += QUICK
    assert bench("run", *options).exit_code == 0
    assert "0 runs executed" in bench("run", *options).output
    source.write_text(source.read_text(encoding="utf-8") + "\nCHANGED = 1\n", encoding="utf-8")
    importlib.reload(module)  # what is loaded decides, not what the file has become since
    assert "1 runs executed" in bench("run", *options).output


def test_a_failing_method_is_told_and_retried_and_the_others_are_kept(stream_folder, tmp_path):
    plugin = tmp_path / "broken.py"
    plugin.write_text(PLUGIN.format(name="broken", body="raise RuntimeError('no luck')"), encoding="utf-8")
    options = ["--data", stream_folder, "--out", tmp_path / "out", "--fusion", "broken,concat"]
    options += ["--seeds", "1", *QUICK]
    for executed in (6, 1):
        result = bench("run", "--plugin", plugin, *options)
        assert result.exit_code == 1
        assert f"{executed} runs executed" in result.output
        assert "RuntimeError: no luck" in result.output
    assert set(numbers(tmp_path / "out")["method"]) == {"concat", *REFERENCES}
    error = next((tmp_path / "out" / "runs").glob("*.failed")) / "error.txt"
    assert "Traceback" in error.read_text(encoding="utf-8")


WRONG = {
    "method": (["--fusion", "mfbb"], "did you mean 'mfb'"),
    "backbone": (["--backbone", "resnet5"], "resnet5"),
    "text encoder": (["--text", "bertt"], "bertt"),
    "experiment": (["--experiment", "fusions"], "did you mean 'fusion'"),
    "preset": (["--preset", "quik"], "did you mean 'quick'"),
    "data path": (["--data", "no/such/folder"], "not an embedded name and not a folder"),
    "negative seeds": (["--seeds", "-3"], "-3"),
    "device": (["--device", "warp"], "try --device auto"),
    "setting": (["--set", "training.lrr=1"], "did you mean 'lr'"),
    "section": (["--set", "trainin.lr=1"], "trainin"),
    "value": (["--set", "training.lr=-1"], "training.lr"),
    "option of a fusion": (["--set", "mfb.facto=3"], "did you mean 'factor'"),
    "plugin": (["--plugin", "nowhere.py"], "not a Python file"),
    "out": (["--out", "/proc/nowhere"], "choose another folder with --out"),
    "pretrained weights that cannot be had": (["--weights", "pretrained"], "resnet50"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_is_told_in_a_line_or_two(what, stream_folder, tmp_path):
    options, message = WRONG[what]
    result = bench("run", "--data", stream_folder, "--out", tmp_path, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    told = [line for line in result.output.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(told) <= 3
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True


def test_a_cache_that_cannot_be_written_is_told(stream_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", "/proc/nowhere")
    result = run(stream_folder, tmp_path)
    assert result.exit_code == 1
    assert "/proc/nowhere" in result.output
    assert "Traceback" not in result.output


def test_lists_are_for_people_and_for_programs():
    for what in ("fusions", "encoders", "datasets", "experiments", "presets"):
        assert bench("list", what).exit_code == 0
        names = [
            row["name"]
            for row in pd.read_json(io.StringIO(bench("list", what, "--json").output)).to_dict("records")
        ]
        assert len(names) == len(set(names))
    assert "livestream" in bench("list", "datasets").output


def test_doctor_tells_versions_devices_weights_and_cache():
    output = bench("doctor").output
    for part in ("torch", "device", "threads", "weights of resnet50", "cache"):
        assert part in output
