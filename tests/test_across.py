"""Ranks across datasets: a published example, and what is refused, written and drawn."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from workshop import Row, Workshop

from bench.cli import main
from bench.compare.across import FEWEST, Across
from bench.metrics import METRICS
from bench.report.ranks import conclusion, ranking

DEMSAR = """
0.763 0.768 0.771 0.798
0.599 0.591 0.590 0.569
0.954 0.971 0.968 0.967
0.628 0.661 0.654 0.657
0.882 0.888 0.886 0.898
0.936 0.931 0.916 0.931
0.661 0.668 0.609 0.685
0.583 0.583 0.563 0.625
0.775 0.838 0.866 0.875
1.000 1.000 1.000 1.000
0.940 0.962 0.965 0.962
0.619 0.666 0.614 0.669
0.972 0.981 0.9751 0.975
0.957 0.978 0.946 0.970
"""
"""Areas under the ROC curve of four decision trees on 14 datasets (Demsar, 2006, Table 6). The paper
prints .975 twice in one row and ranks the first of them before the second."""
NAMES = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]


def demsar(datasets: int = 14) -> Across:
    values = np.array([line.split() for line in DEMSAR.split("\n") if line], dtype=float)[:datasets]
    index = [f"d{i}" for i in range(len(values))]
    means = pd.DataFrame(values, index=index, columns=NAMES)
    return Across(means, dict.fromkeys(index, METRICS["roc_auc"]))


def test_ranks_and_tests_of_a_published_example():
    found = demsar()
    assert found.ranks.mean().round(3).tolist() == [3.143, 2.000, 2.893, 1.964]
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    # the largest difference is 1.18: as in the paper, Nemenyi's test finds no pair
    assert not (found.nemenyi < 0.05).any(axis=None)
    assert 0.01 < found.friedman < 0.05
    names = found.ranks.columns
    for one, other in [("C4.5", "C4.5+m+cf"), ("C4.5", "C4.5+m")]:
        gap = abs(found.average[one] - found.average[other])
        assert (found.nemenyi.loc[one, other] < 0.05) == (gap > found.critical_difference)
    assert list(found.nemenyi.columns) == list(names)


def test_a_pair_is_distinguished_exactly_from_the_critical_difference_on(rng):
    values = pd.DataFrame(rng.normal(size=(12, 6)) + 0.6 * np.arange(6), columns=list("fedcba"))
    found = Across(values, dict.fromkeys(values.index, METRICS["MSE"]))
    gaps = np.abs(np.subtract.outer(found.ranks.mean().to_numpy(), found.ranks.mean().to_numpy()))
    told = found.nemenyi.to_numpy() < 0.05
    assert told.any()
    np.testing.assert_array_equal(told, gaps > found.critical_difference)
    assert list(found.average.index) == ["f", "e", "d", "c", "b", "a"]  # lowest error first


def test_metrics_that_are_better_high_and_low_rank_alike():
    values = pd.DataFrame([[0.1, 0.2, 0.3], [0.9, 0.8, 0.8]], index=["x", "y"], columns=["a", "b", "c"])
    found = Across(values, {"x": METRICS["MSE"], "y": METRICS["accuracy"]})
    assert found.ranks.to_numpy().tolist() == [[1, 2, 3], [1, 2.5, 2.5]]


def test_two_methods_and_methods_that_are_all_the_same():
    values = pd.DataFrame({"a": np.arange(12.0), "b": np.arange(12.0) + 1})
    two = Across(values, dict.fromkeys(values.index, METRICS["MSE"]))
    assert np.isnan(two.friedman)  # needs three
    assert two.nemenyi.loc["a", "b"] < 0.05
    assert "Friedman" not in conclusion(two)[0]
    same = Across(values.assign(b=values["a"], c=values["a"]), two.metrics)
    assert (same.friedman, same.nemenyi.loc["a", "b"]) == (1, 1)


def test_few_datasets_say_nothing():
    few = demsar(FEWEST - 1)
    assert (few.nemenyi == 1).all(axis=None)
    (said,) = conclusion(few)
    assert "4 datasets are too few for a test of ranks: nothing can be said" in said
    assert "istinguished" not in said
    assert "With fewer than 10 datasets" in conclusion(demsar(9))[0]
    assert "With fewer" not in conclusion(demsar())[0]


def test_the_diagram_has_every_method_and_one_bar_over_all_where_nothing_is_tested():
    for found, bars in ((demsar(), 1), (demsar(2), 0)):
        (drawing,) = ranking(found, "About.").draw()
        (ax,) = drawing.canvas.axes
        texts = {text.get_text() for text in ax.texts}
        assert all(any(name in text for text in texts) for name in NAMES)
        assert sum("critical difference" in text for text in texts) == bars
        (bar,) = [line for line in ax.lines if line.get_color() == "k"]
        ends = bar.get_xdata()
        assert (min(ends), max(ends)) == (found.average.iloc[0], found.average.iloc[-1])


# -- the command --------------------------------------------------------------------------------------------


def stored(
    folder: Path,
    where: str,
    shift: float,
    methods: tuple[str, ...] = ("memf", "concat", "fc"),
    name: str = "",
) -> str:
    """Results on a dataset of its own: the targets of the workshop, shifted."""
    workshop = Workshop(folder / where, seeds=2)
    rows = [Row(method, 0.6 + 0.1 * i) for i, method in enumerate(methods)]
    plan = workshop.plan(
        "fusion", [*rows, Row("predict-mean", 0, reference=True, blind=True)], dataset=name or where
    )
    for run in [run for row in plan.rows for run in row.runs]:
        table = workshop.store.predictions(run)
        workshop.predict(run, table["y_pred"] + shift, y_true=table["y_true"] + shift)
    return str(folder / where)


def test_datasets_of_the_same_name_are_told_apart_by_their_folders(tmp_path):
    folders = [stored(tmp_path, f"d{i}", i, name="houses") for i in range(2)]
    result = compare(*folders, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out" / "tables" / "compare.csv")
    assert list(table)[2:4] == ["houses (d0)", "houses (d1)"]


def compare(*arguments: object):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_folders_of_results_become_a_table_and_a_diagram(tmp_path):
    folders = [stored(tmp_path, f"d{i}", i) for i in range(FEWEST)]
    result = compare(*folders, "--out", tmp_path / "out", "--metric", "MAE")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out" / "tables" / "compare.csv").set_index("method")
    assert table["rank"].to_dict() == {"memf": 1, "concat": 2, "fc": 3}
    assert not (tmp_path / "d0" / "tables").exists()  # the folders that are read stay as they are
    assert (table[[f"rank_d{i}" for i in range(FEWEST)]].to_numpy() == [[1], [2], [3]]).all()
    text = (tmp_path / "out" / "tables" / "compare.md").read_text(encoding="utf-8")
    assert "MAE (the lower the better) on d0, d1, d2, d3, d4" in text
    assert "Distinguished from it: fc." in text
    assert (tmp_path / "out" / "tables" / "compare.tex").read_text(encoding="utf-8").count(r"\\") == 4
    for suffix in ("svg", "png"):
        assert (tmp_path / "out" / "figures" / f"critical-difference.{suffix}").stat().st_size > 5000


def test_the_same_folder_and_metric_give_what_the_comparison_of_its_rows_gives(tmp_path):
    folder = stored(tmp_path, "d", 0)
    result = compare(folder, "--out", tmp_path / "out", "--rope", "0.5")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out" / "tables" / "compare.csv").set_index("method")
    assert list(table.index) == ["memf", "concat", "fc"]
    assert table["gap"].tolist() == pytest.approx((table["MSE"] - table["MSE"].min()).tolist())
    pairs = pd.read_csv(tmp_path / "out" / "tables" / "compare-pairs.csv")
    assert len(pairs) == 6
    assert pairs[["p_better", "p_same", "p_worse"]].sum(axis=1).tolist() == pytest.approx([1.0] * 6)
    first = pairs.iloc[0]
    assert (first["method"], first["other"]) == ("memf", "concat")
    assert (first["p"] < 0.05) == (first["difference_high"] < 0)
    assert "Practically as good (within 0.5, probability 0.95 or more): concat, fc." in " ".join(
        result.output.split()
    )


def test_files_of_an_earlier_comparison_do_not_stay_beside_a_new_one(tmp_path):
    folders = [stored(tmp_path, f"d{i}", i) for i in range(2)]
    assert compare(*folders, "--out", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "figures" / "critical-difference.png").exists()
    (tmp_path / "out" / "tables" / "fusion-seeds.csv").write_text("someone's")
    assert compare(folders[0], "--out", tmp_path / "out").exit_code == 0
    assert not (tmp_path / "out" / "figures" / "critical-difference.png").exists()
    assert (tmp_path / "out" / "tables" / "fusion-seeds.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a", "a"], r"a folder is given twice"),
        (["a", "again"], r"a and again are results on the same data"),
        (["a", "b", "--rope", "0.1"], r"--rope is about differences within one dataset"),
        (["a", "b", "--trained-on", "10"], r"--trained-on is about CSV files"),
        (["a", "b", "--metric", "accuracy"], r"no metric 'accuracy' here"),
        (
            ["a", "other"],
            r"have 1 methods in common, two are needed \(a: memf, concat, fc; other: memf, gmu\)",
        ),
        (["a", "none"], r"no folder .*none"),
        (["a", "table.csv"], r"folders of results or CSV files of predictions, not both"),
        (["one"], r"One seed: no spread, no test"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(tmp_path, arguments, said):
    stored(tmp_path, "a", 0)
    stored(tmp_path, "again", 0)
    stored(tmp_path, "b", 1)
    stored(tmp_path, "other", 2, ("memf", "gmu"))
    Workshop(tmp_path / "one", seeds=1).plan("fusion", [Row("memf", 0.6), Row("fc", 0.7)])
    names = ("a", "again", "b", "other", "none", "one", "table.csv")
    result = compare(*[tmp_path / a if a in names else a for a in arguments], "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert re.search(said, result.output)
    assert len(result.output.strip().splitlines()) <= 2
    assert not (tmp_path / "out").exists()
