"""The embedded dataset at its default size, with encoders at random weights, can be learned."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.data import catalog
from bench.methods.references import REFERENCES


@pytest.fixture(scope="module")
def table(tmp_path_factory, none_drawn) -> pd.DataFrame:
    """A fusion, and of the references those that are looked at here: boosted trees take longer than all.

    A few epochs suffice, and pictures of 64 pixels: what they show is their mean colour.
    """
    out = tmp_path_factory.mktemp("out")
    options = ["--weights", "random", "--device", "cpu", "--executor", "inline", "--seeds", "2"]
    options += ["--set", "training.epochs=20", "--set", "encoders.image_size=64"]
    with pytest.MonkeyPatch.context() as patch:
        for name in set(REFERENCES) - {"ridge", "predict-mean"}:
            patch.delitem(REFERENCES, name)
        result = CliRunner().invoke(
            main, ["run", "--fusion", "fc", "--backbone", "resnet18", *options, "--out", str(out)]
        )
    assert result.exit_code == 0, result.output
    return pd.read_csv(out / "tables" / "fusion.csv").set_index("method")


def test_a_ridge_on_pooled_features_explains_two_fifths(table):
    assert table.loc["ridge", "R2_score"] >= 0.4


def test_a_fusion_closes_three_fifths_of_the_gap_between_the_mean_and_the_ceiling(table):
    truth = json.loads((catalog.make("livestream") / "truth.json").read_text(encoding="utf-8"))
    assert table.loc["fc", "R2_score"] >= 0.6 * truth["ceiling_r2"]


def test_predicting_the_mean_explains_nothing(table):
    assert -0.1 < table.loc["predict-mean", "R2_score"] <= 0
