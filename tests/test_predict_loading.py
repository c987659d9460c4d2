"""`bench predict`: which kept methods are loaded and which are refused; the command."""

import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import skops.io
from click.testing import CliRunner
from shops import fresh, trained, warnings

from bench.cli import main
from bench.errors import DataError, UsageError
from bench.files import seal
from bench.plan import load_plans
from bench.predict import load
from encoders.text import Hashing


def test_an_encoder_that_is_not_the_same_here_is_refused(shops, kept, monkeypatch):
    predictor = load(kept, "concat")
    monkeypatch.setattr(Hashing, "version", Hashing.version + 1)
    with pytest.raises(UsageError, match=r"text encoder hashing .* is not the one .* fitted with"):
        predictor.predict(shops)


def test_pretrained_weights_that_are_not_here_are_refused(shops, kept, tmp_path, nothing_to_be_found):
    copy = shutil.copytree(kept, tmp_path / "copy")
    for path in (folder / "description.json" for folder in models(copy, "concat")):
        said = json.loads(path.read_text(encoding="utf-8"))
        said["origin"]["encoders"]["text"] |= {"name": "bert", "weights": "pretrained", "options": {}}
        path.write_text(json.dumps(said), encoding="utf-8")
        seal(path.parents[1])
    with pytest.raises(UsageError, match="text encoder bert cannot be had here"):
        load(copy, "concat").predict(shops)


def test_runs_that_kept_no_model_are_refused(shops, tmp_path):
    out = trained(shops, tmp_path / "out", observe=frozenset(), fusions="concat", seeds=1)
    with pytest.raises(UsageError, match="kept no model; run again with --save-models"):
        load(out, "concat")
    trained(shops, out, fusions="concat", seeds=1)
    assert len(load(out, "concat").fitted) == 1


def test_an_unknown_method_and_an_empty_folder_are_refused(kept, tmp_path):
    with pytest.raises(UsageError, match="no method 'mmf' here; did you mean 'memf'"):
        load(kept, "mmf")
    with pytest.raises(UsageError, match="no runs under"):
        load(tmp_path, "memf")


def test_several_rows_of_a_method_are_told_apart_by_options(shops, tmp_path):
    out = trained(shops, tmp_path, missing=("keep", "drop"), fusions="concat", seeds=1)
    with pytest.raises(UsageError, match=r"several rows .* --variant 'keep'; .*--variant 'drop, on complete"):
        load(out, "concat")
    assert load(out, "concat", variant="keep").fitted.keys() == {0}
    with pytest.raises(UsageError, match="no row of it fits; choose by one of"):
        load(out, "concat", variant="keep", backbone="resnet50")


def models(out: Path, method: str) -> list[Path]:
    row = next(r for r in load_plans(out)[0].rows if r.method == method)
    return [out / "runs" / run_id / "model" for run_id in row.runs]


def test_a_damaged_run_is_left_out_and_said_so(shops, kept, tmp_path, caplog):
    copy = shutil.copytree(kept, tmp_path / "copy")
    path = models(copy, "memf")[0] / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    table = load(copy, "memf").predict(shops)
    assert list(table.columns) == ["id", "mean", "sd", "seed_1"]
    assert any("its seed is left out" in warning for warning in warnings(caplog))


def test_what_was_put_into_a_model_folder_later_is_not_read(kept, tmp_path):
    copy = shutil.copytree(kept, tmp_path / "copy")
    (models(copy, "ridge")[0] / "weights.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match="kept no model"):
        load(copy, "ridge")


def test_a_stored_reference_of_foreign_types_is_refused(kept, tmp_path):
    copy = shutil.copytree(kept, tmp_path / "copy")
    for folder in models(copy, "predict-mean"):
        skops.io.dump(Path("/etc/passwd"), folder / "fitted.skops")
        seal(folder.parent)
    with pytest.raises(UsageError, match=r"fitted\.skops cannot be used \(it holds pathlib"):
        load(copy, "predict-mean")


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.pop("layout"),
        lambda said: said["layout"]["sources"].clear(),
        lambda said: said["layout"]["sources"].pop(),
        lambda said: said["layout"]["sources"][0].update(width=10**12),
        lambda said: said["layout"]["sources"][0].update(entity="stranger"),
        lambda said: said["origin"]["encoders"].clear(),
        lambda said: said["layout"]["target"].update(transform="none"),
    ],
)
def test_a_description_that_is_not_what_was_written_is_refused(change, kept, tmp_path):
    copy = shutil.copytree(kept, tmp_path / "copy")
    for folder in models(copy, "concat"):
        said = json.loads((folder / "description.json").read_text(encoding="utf-8"))
        change(said)
        (folder / "description.json").write_text(json.dumps(said), encoding="utf-8")
        seal(folder.parent)
    with pytest.raises(UsageError, match=r"the model of the run .* cannot be used"):
        load(copy, "concat")


def test_a_folder_that_says_it_is_elsewhere_leads_nowhere(shops, kept, tmp_path):
    """A description whose table lies outside the folder of the new rows."""
    copy = shutil.copytree(kept, tmp_path / "copy")
    new = fresh(shops, tmp_path / "new")
    shutil.copy(new / "samples.csv", tmp_path / "outside.csv")
    for folder in models(copy, "concat"):
        said = json.loads((folder / "description.json").read_text(encoding="utf-8"))
        said["origin"]["data"]["samples"]["table"] = "../outside.csv"
        (folder / "description.json").write_text(json.dumps(said), encoding="utf-8")
        seal(folder.parent)
    with pytest.raises(DataError, match="outside"):
        load(copy, "concat").predict(new)


# -- the command


def test_the_command_writes_all_rows_and_shows_some(shops, kept, tmp_path):
    copy = shutil.copytree(kept, tmp_path / "copy")
    options = ["predict", str(copy), "--method", "concat", "--data", str(shops), "--device", "cpu"]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 0, result.output
    assert "48 rows" in result.output
    written = pd.read_csv(copy / "predictions-concat.csv")
    expected = load(kept, "concat", device="cpu").predict(shops)
    pd.testing.assert_frame_equal(written, expected)
    result = CliRunner().invoke(main, [*options, "--csv", "-"])
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(result.stdout)), expected)
    result = CliRunner().invoke(main, [*options, "--csv", str(tmp_path / "mine.csv")])
    assert (tmp_path / "mine.csv").is_file()
    result = CliRunner().invoke(main, ["predict", str(copy), "--method", "mmf", "--data", str(shops)])
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
