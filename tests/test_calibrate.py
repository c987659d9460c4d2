"""`bench calibrate`: rates of false verdicts, small."""

import pandas as pd
from click.testing import CliRunner

from bench.calibrate import simulated
from bench.cli import main
from bench.compare.calibration import SEEDS, SHAPES


def test_rates_are_those_of_so_many_comparisons_and_repeat():
    once = simulated(4)
    assert once.equals(simulated(4))
    assert list(zip(once["losses"], once["seeds"], strict=True)) == [(s, n) for s in SHAPES for n in SEEDS]
    assert (
        (once[["false", "excluded", "covered"]] >= 0) & (once[["false", "excluded", "covered"]] <= 1)
    ).all(axis=None)
    more = once.groupby("seeds")["found"].mean()
    assert more[20] > more[3], "more seeds find more"


def test_the_command_writes_tables_with_the_command_that_makes_them(tmp_path):
    asked = ["calibrate", "--repeats", "2", "--datasets", "3", "--jobs", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 0, result.output
    trained = pd.read_csv(tmp_path / "tables" / "calibration-trained.csv")
    assert trained["datasets"].tolist() == [3, 3, 3]
    assert (trained["rate"] <= trained["allowed"] + 0.1).all()
    page = (tmp_path / "tables" / "calibration.md").read_text(encoding="utf-8")
    assert "Regenerate: `bench calibrate --repeats 2 --datasets 3`" in page
