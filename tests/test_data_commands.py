"""`bench data`: from a bare folder to a run, told what is wrong on the way."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bench.cli import main


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty flats in one table, without a description."""
    rng = np.random.default_rng(0)
    area = rng.uniform(20, 200, 40).round(1)
    words = rng.choice(["bright", "quiet", "old", "new", "central"], (40, 3))
    table = pd.DataFrame({
        "id": [f"flat-{i}" for i in range(40)], "area": area, "rooms": rng.integers(1, 6, 40),
        "title": [" ".join(row) for row in words], "price": (area * rng.uniform(3000, 9000, 40)).round(),
    })  # fmt: skip
    home = tmp_path / "flats"
    home.mkdir()
    table.to_csv(home / "flats.csv", index=False)
    return home


def test_a_bare_folder_is_described_checked_counted_and_run(folder, tmp_path, undrawn):
    assert bench("data", "check", folder).exit_code == 1  # nobody has described it yet
    made = bench("data", "init", folder)
    assert made.exit_code == 0, made.output
    again = bench("data", "init", folder)
    assert again.exit_code == 2
    assert "is there already" in again.output
    checked = bench("data", "check", folder)
    assert checked.exit_code == 0, checked.output
    assert "it can run" in checked.output
    counted = bench("data", "stats", folder)
    assert counted.exit_code == 0, counted.output
    for heading in ("target", "sources", "duplicates", "histogram"):
        assert heading in counted.output
    ran = bench(
        "run", "--data", folder, "--fusion", "concat", "--seeds", 2, "--out", tmp_path / "out",
        "--executor", "inline",
        "--set", "training.epochs=2",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output


def test_what_is_wrong_is_told_to_people_and_to_programs(folder):
    bench("data", "init", folder)
    path = folder / "flats.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("flat-7,", "flat-6,"), encoding="utf-8")
    told = bench("data", "check", folder)
    assert told.exit_code == 1
    assert "1 problem, 1 of them in the way of a run" in told.output
    listed = bench("data", "check", folder, "--json")
    assert listed.exit_code == 1
    (problem,) = json.loads(listed.stdout)
    assert problem["file"] == "flats.csv"
    assert problem["rows"] == [9]
    refused = bench("run", "--data", folder, "--fusion", "concat")
    assert refused.exit_code == 2
    assert "flats.csv row 9 column 'id'" in refused.output


def test_a_published_dataset_is_converted_from_its_original(tmp_path):
    assert bench("data", "get", "hauses", "--from", tmp_path).exit_code == 2
    lacking = bench("data", "get", "houses", tmp_path / "out", "--from", tmp_path)
    assert lacking.exit_code == 2
    assert "github.com" in lacking.output
    assert not (tmp_path / "out").exists()
    assert bench("data", "get", "mosi", "--from", tmp_path, "--set", "split").exit_code == 2


def test_deep_looks_into_every_file(stream_folder, tmp_path):
    copy = shutil.copytree(stream_folder, tmp_path / "streams")
    picture = next((copy / "images").glob("anchor-*.jpg"))
    picture.write_bytes(picture.read_bytes()[: picture.stat().st_size // 2])
    assert "0 problems" in bench("data", "check", copy).output  # its first half looks well
    deep = bench("data", "check", copy, "--deep", "--jobs", 1)
    assert deep.exit_code == 0, deep.output  # its token is absent, the rest can run
    assert "warning: anchors.csv row" in deep.output
    assert picture.name in deep.output
