"""README promises nothing that is not there: its example runs, its commands exist, its description fits."""

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.data.schema import read_schema
from bench.plugins import load_plugins
from fusions.testing import check_fusion

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    return next(b for b in blocks if containing in b)


def test_the_example_fusion_is_short_runs_and_passes_the_contract(stream_folder, tmp_path, undrawn):
    example = block("python", "@fusions.register")
    assert len(example.strip().splitlines()) < 25
    plugin = tmp_path / "my_fusion.py"
    plugin.write_text(example, encoding="utf-8")
    load_plugins([plugin])
    check_fusion("attention-pool")
    options = {
        "--plugin": plugin, "--fusion": "attention-pool,concat", "--data": stream_folder,
        "--out": tmp_path / "out", "--backbone": "resnet18", "--weights": "random", "--seeds": 1,
        "--executor": "inline", "--device": "cpu",
    }  # fmt: skip
    small = ["--set", "encoders.image_size=32", "--set", "training.epochs=1", "--set", "model.dim=16"]
    command = [str(part) for option in options.items() for part in option]
    result = CliRunner().invoke(main, ["run", *command, *small])
    assert result.exit_code == 0, result.output
    assert "attention-pool" in (tmp_path / "out" / "tables" / "fusion.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?<![-\w])bench ([a-z]+)", README))))
def test_every_command_that_is_named_exists(command):
    assert command in main.commands


def test_every_option_that_is_named_exists():
    commands = list(main.commands.values())
    commands += [
        sub for group in commands if isinstance(group, click.Group) for sub in group.commands.values()
    ]
    known = {name for command in commands for p in command.params for name in p.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known


def test_the_description_of_the_houses_is_the_one_that_ships(tmp_path):
    shown = block("toml", "houses")
    (tmp_path / "dataset.toml").write_text(shown, encoding="utf-8")
    assert read_schema(tmp_path / "dataset.toml") == read_schema(ROOT / "bench/data/examples/houses.toml")


def test_the_example_with_frames_runs(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    flats = pd.DataFrame({
        "area": rng.uniform(20, 200, 40), "rooms": rng.integers(1, 6, 40), "price": rng.uniform(1e5, 1e6, 40),
        "title": rng.choice(["bright", "quiet", "old"], 40),
    })  # fmt: skip
    monkeypatch.chdir(tmp_path)
    example, short = block("python", "from_frames"), 'executor="inline", settings=("training.epochs=2",)'
    assert "out=out))" in example
    exec(example.replace("out=out))", f"out=out, {short}))"), {"flats": flats})
    table = pd.read_csv(tmp_path / "flats-results" / "tables" / "fusion.csv")
    assert {"concat", "memf", "ridge"} <= set(table["method"])
    assert (table["seeds"] == 3).all()


def test_the_command_and_the_lines_that_predict_run(tmp_path, monkeypatch, capsys, undrawn):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"id": range(40), "y": rng.normal(size=40), "x": rng.normal(size=40)})
    for name in ("my-data", "new-data"):
        (tmp_path / name).mkdir()
    said = 'name = "d"\n[target]\ncolumn = "y"\n[entities.e]\nnumeric = ["x"]\n'
    (tmp_path / "my-data" / "dataset.toml").write_text(said, encoding="utf-8")
    table.to_csv(tmp_path / "my-data" / "samples.csv", index=False)
    table.drop(columns="y").head(3).to_csv(tmp_path / "new-data" / "samples.csv", index=False)
    monkeypatch.chdir(tmp_path)
    lines = block("sh", "bench predict").splitlines()
    more = ["--jobs 1 --executor inline --device cpu --set training.epochs=1 --seeds 2", ""]
    for line, small in zip(lines, more, strict=True):
        arguments = shlex.split(f"{line.partition('#')[0]} {small}")[1:]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
    written = pd.read_csv(lines[1].partition("#")[2].strip())
    assert len(written) == 3
    assert np.isfinite(written[["mean", "sd"]]).all(axis=None)
    example = block("python", "bench.predict")
    assert len([line for line in example.splitlines() if line]) == 3
    exec(example)
    assert "seed_1" in capsys.readouterr().out
