"""A dataset of someone else's: 535 real houses with four photographs each (skipped where it is not there)."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.data.catalog import load

FOLDER = Path(os.environ.get("BENCH_HOUSES", Path(__file__).parents[2] / "shared" / "data" / "houses"))

pytestmark = pytest.mark.skipif(
    not (FOLDER / "labels.csv").is_file(),
    reason="the houses are not here (no licence to ship them); set BENCH_HOUSES",
)


def test_the_shipped_description_fits():
    houses = load(str(FOLDER))
    assert len(houses) == 535
    assert [str(s) for s in houses.schema.sources] == [
        "house.text", "house.numeric", "frontal.image", "kitchen.image", "bedroom.image", "bathroom.image",
    ]  # fmt: skip
    assert len(np.unique(houses.groups)) < 535
    assert all(len(houses.raw(s).items) == 535 for s in houses.schema.sources if s.modality == "image")


def test_a_table_with_references_that_explain_half_of_the_price(tmp_path, undrawn):
    result = CliRunner().invoke(main, [
        "run", "--data", str(FOLDER), "--fusion", "concat", "--backbone", "resnet18", "--weights", "random",
        "--seeds", "2", "--out", str(tmp_path), "--set", "encoders.image_size=32",
        "--set", "training.epochs=3", "--executor", "inline",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "tables" / "fusion.csv").set_index("method")
    assert table.loc["boosted-trees", "R2_score"] > 0.5
    assert 100 <= table["n_test"].iloc[0] <= 114
