"""A stranger's model folder given to `bench run`: refused in a line, and nothing of it is run."""

import json
import pickle

import pytest
from click.testing import CliRunner
from media import save_bert
from test_hostile_models import AUTO_MAP, CODE, Runs

from bench.cli import main

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


def with_code(folder, marker):
    (folder / "configuration_x.py").write_text(CODE.format(marker=str(marker)))
    return "configuration_x.py"


def with_auto_map(folder, marker):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": AUTO_MAP}))
    return "config.json"


def with_a_pickle(folder, marker):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Runs(marker)))
    return "pytorch_model.bin"


def with_a_pickle_called_safetensors(folder, marker):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Runs(marker)))
    return "model.safetensors"


SPOILT = [with_code, with_auto_map, with_a_pickle, with_a_pickle_called_safetensors]


@pytest.mark.parametrize("weights", ["auto", "pretrained", "random"])
@pytest.mark.parametrize(
    "spoil",
    [with_code, with_auto_map, with_a_pickle, with_a_pickle_called_safetensors],
    ids=lambda f: f.__name__,
)
def test_a_run_refuses_it(spoil, weights, stream_folder, tmp_path):
    folder, marker, out = tmp_path / "theirs", tmp_path / "marker", tmp_path / "out"
    save_bert(folder)
    named = spoil(folder, marker)
    for name in (folder, f"bert@{folder}"):
        options = ["--data", stream_folder, "--out", out, "--fusion", "concat", "--weights", weights]
        options += ["--text", name, "--backbone", "resnet18", "--device", "cpu", "--executor", "inline"]
        result = CliRunner().invoke(main, ["run", *map(str, options)])
        assert result.exit_code == 2, result.output
        assert named in result.output or "cannot be random" in result.output
        assert "takes the place" not in result.output
        assert "Traceback" not in result.output
        assert not marker.exists()
    assert not (out / "runs").exists() or not any((out / "runs").iterdir())
