"""`bench run --match params`: fusions of equal size."""

import pandas as pd
import pytest
from test_tune import OPTIONS, bench, spec_of

from bench.errors import UsageError
from bench.match import matching_width, parameters


def test_widths_are_chosen_for_the_parameters_of_the_largest(stream_folder, tmp_path, undrawn):
    result = bench(
        "run", "--match", "params", "--data", stream_folder, "--out", tmp_path, "--fusion", "concat,tfn,memf",
        "--executor", "inline", *OPTIONS,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    widths = pd.read_csv(tmp_path / "tables" / "fusion-matched-widths.csv").set_index("method")
    table = pd.read_csv(tmp_path / "tables" / "fusion-matched.csv").set_index("method")
    assert len(set(widths["target"])) == 1
    assert (widths["off"].abs() <= 0.1).all()
    assert (widths["off"] == 0).any()  # the largest is as it is
    assert (table.loc[widths.index, "params"] == widths["reached"]).all()
    assert len(set(widths["width"])) > 1


def test_a_goal_out_of_reach_is_refused(features):
    spec, layout = spec_of("tfn", features), features.layout
    assert matching_width(spec, layout, parameters(spec, layout)) == spec.model.dim
    with pytest.raises(UsageError, match=r"--match params: tfn has [\d,]+ parameters at its nearest width"):
        matching_width(spec, layout, 1000)
