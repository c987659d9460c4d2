"""Predictions of others in CSV files: what is computed from them, and what is refused in one line."""

import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from sklearn import metrics as sk

from bench.cli import main
from bench.compare import foreign
from bench.compare.foreign import read_predictions
from bench.compare.pooled import pooled
from bench.errors import BenchError

CLASSES = ["no", "yes", "maybe"]


def numbers(rng, n: int = 60, error: float = 0.5) -> pd.DataFrame:
    y = np.random.default_rng(7).normal(size=n)
    return pd.DataFrame(
        {"sample": [f"s{i}" for i in range(n)], "y_true": y, "y_pred": y + error * rng.normal(size=n)}
    )


def probabilities(rng, n: int = 40, classes: list[str] = CLASSES) -> pd.DataFrame:
    true = np.random.default_rng(7).integers(len(classes), size=n)
    p = rng.dirichlet(np.ones(len(classes)), n)
    columns = {f"p_{name}": p[:, i] for i, name in enumerate(classes)}
    return pd.DataFrame({"id": range(n), "y_true": np.array(classes)[true], **columns})


def splits(rng, error: float, n: int = 100, tested: int = 30) -> pd.DataFrame:
    """Three random splits of the same samples."""
    whole, parts = numbers(rng, n, error), []
    for seed in range(3):
        rows = np.random.default_rng(seed).choice(n, tested, replace=False)
        parts.append(
            whole.iloc[rows].assign(seed=seed, y_pred=lambda t: t["y_pred"] + 0.1 * rng.normal(size=len(t)))
        )
    return pd.concat(parts)


@pytest.fixture
def field(tmp_path):
    def make(metric=None, trained_on=None, **tables: pd.DataFrame | str):
        paths = []
        for name, table in tables.items():
            paths.append(tmp_path / f"{name}.csv")
            text = table if isinstance(table, str) else table.to_csv(index=False)
            paths[-1].write_text(text, encoding="utf-8")
        return pooled(read_predictions(paths), metric, trained_on)

    return make


# -- what is computed ---------------------------------------------------------------------------------------


def test_one_test_part_is_compared_by_a_paired_t_test_over_its_samples(field, rng):
    a, b = numbers(rng), numbers(rng, error=0.7)
    found = field(a=a, b=b.sample(frac=1, random_state=0)).found
    losses = [(t["y_pred"] - t["y_true"]) ** 2 for t in (a, b)]
    assert found.means == pytest.approx([loss.mean() for loss in losses])
    expected = stats.ttest_rel(*losses)
    gap = found.planned({"it": ("a", "b")})["it"]
    assert gap.p == pytest.approx(expected.pvalue, rel=1e-6)
    low, high = expected.confidence_interval()
    assert (gap.low, gap.high) == pytest.approx((low, high), rel=1e-6)


def test_samples_of_a_group_count_as_one_whichever_file_names_them(field, rng):
    a, b = numbers(rng), numbers(rng, error=0.7)
    groups = [f"g{i // 3}" for i in range(len(a))]
    found = field(a=a, b=b.assign(group=groups)).found
    losses = [((t["y_pred"] - t["y_true"]) ** 2).groupby(groups).mean() for t in (a, b)]
    expected = stats.ttest_rel(*losses)
    assert found.planned({"it": ("a", "b")})["it"].p == pytest.approx(expected.pvalue, rel=1e-6)
    assert field(a=a, b=b).found.planned({"it": ("a", "b")})["it"].p != pytest.approx(
        expected.pvalue, rel=0.01
    )


def test_random_splits_overlap_by_what_is_known_of_them(field, rng):
    a, b = splits(rng, 0.5), splits(rng, 0.8)
    seen = a["sample"].nunique()
    guessed, known = field(a=a, b=b), field(a=a, b=b, trained_on=70)
    assert guessed.found.parts.overlap == pytest.approx(30 / (seen - 30))
    assert f"taken to be trained on the {seen - 30} others" in guessed.procedure
    assert known.found.parts.overlap == pytest.approx(30 / 70)
    assert known.found.gap("a", "b").p < guessed.found.gap("a", "b").p
    expected = [((part["y_pred"] - part["y_true"]) ** 2).mean() for _, part in a.groupby("seed")]
    assert known.found.parts.means[0] == pytest.approx(expected)


def test_trainings_on_one_test_part_do_not_overlap(field, rng):
    tables = {name: pd.concat([numbers(rng).assign(seed=s) for s in range(3)]) for name in "ab"}
    found = field(**tables)
    assert found.found.parts.overlap == 0
    assert "3 trainings, one fixed test part of 60 samples" in found.procedure


def test_what_is_no_mean_over_samples_is_compared_over_splits(field, rng):
    a, b = splits(rng, 0.5), splits(rng, 0.8)
    found = field("R2_score", a=a, b=b)
    expected = [sk.r2_score(part["y_true"], part["y_pred"]) for _, part in b.groupby("seed")]
    assert found.found.parts.means[1] == pytest.approx(expected)
    assert not found.losses


def test_classes_by_their_probabilities_and_by_labels(field, rng):
    a, b = probabilities(rng), probabilities(rng)
    found = field(a=a, b=b)
    shown = a[[f"p_{name}" for name in sorted(CLASSES)]]
    assert found.metric.name == "log_loss"
    assert found.found.means[0] == pytest.approx(sk.log_loss(a["y_true"], shown, labels=sorted(CLASSES)))
    label = a.filter(like="p_").idxmax(axis=1).str.removeprefix("p_")
    right = (label == a["y_true"]).mean()
    for labelled in (field("accuracy", a=a, b=b), field(a=a[["id", "y_true"]].assign(y_pred=label), b=b)):
        assert labelled.metric.name == "accuracy"
        assert labelled.found.means[0] == pytest.approx(right)
    np.testing.assert_array_equal(labelled.found.means, field("accuracy", a=a, b=b).found.means)


def test_labels_that_look_like_numbers_are_labels_where_a_file_has_probabilities(field, rng):
    a = probabilities(rng, classes=["0", "1"])
    labels = a[["id", "y_true"]].assign(y_pred="1")
    assert field(a=a, b=labels).found.means[1] == (a["y_true"] == "1").mean()


def test_a_file_may_hold_several_methods_and_rounded_probabilities(field, rng):
    both = pd.concat([probabilities(rng).round(4).assign(method=name) for name in ("x", "y")])
    assert field(both=both).found.names == ("x", "y")


def test_what_results_exports_can_be_read(tmp_path):
    from workshop import Row, Workshop

    plan = Workshop(tmp_path / "out").plan("fusion", [Row("memf", 0.5), Row("concat", 0.8)])
    run = CliRunner().invoke
    assert run(main, ["results", str(tmp_path / "out"), "--csv", str(tmp_path / "all.csv")]).exit_code == 0
    table = pd.read_csv(tmp_path / "all.csv")
    # the workshop's seeds have the same samples with other targets; those of a run have not
    table[table["seed"] == 0].to_csv(tmp_path / "one.csv", index=False)
    result = run(main, ["compare", str(tmp_path / "one.csv"), "--out", str(tmp_path / "compared")])
    assert result.exit_code == 0, result.output
    found = pd.read_csv(tmp_path / "compared" / "tables" / "compare.csv").set_index("method")
    assert set(found.index) == {row.method for row in plan.rows}
    rows = table[(table["seed"] == 0) & (table["method"] == "memf")]
    assert found.loc["memf", "MSE"] == pytest.approx(((rows["y_pred"] - rows["y_true"]) ** 2).mean())


# -- what is refused ----------------------------------------------------------------------------------------

A = "sample,y_true,y_pred\n1,0.5,0.4\n2,0.7,0.9\n3,0.1,0.3\n"
P = "id,y_true,p_x,p_y\n1,x,0.9,0.1\n2,y,0.4,0.6\n3,y,0.5,0.5\n"
REFUSED = {
    "no column": ("y_pred\n1\n", r"b\.csv has no column 'sample'; it has: y_pred"),
    "no prediction": (A.replace("y_pred", "guess"), r"b\.csv has no column 'y_pred'"),
    "not a number": (A.replace("0.9", "high"), r"b\.csv row 3 column 'y_pred': 'high' is not a finite"),
    "infinite": (A.replace("0.9", "inf"), r"b\.csv row 3 column 'y_pred': 'inf' is not a finite number"),
    "empty": (A.replace("0.9", ""), r"b\.csv row 3 column 'y_pred': an empty cell"),
    "nan": (A.replace("0.9", "NaN"), r"b\.csv row 3 column 'y_pred': an empty cell"),
    "repeated": (A + "2,0.7,0.6\n", r"b\.csv.*sample '2' stands there twice"),
    "another truth": (
        A.replace("0.7", "0.8"), r"y_true of sample '2' is 0\.7 in a\.csv \(a\) and 0\.8 in b\.csv"
    ),
    "fewer samples": (
        A.replace("2,0.7,0.9\n", ""), r"sample '2' is in a\.csv \(a\) and not in b\.csv \(b\); 1 differ"
    ),
    "more samples": (A + "4,1,1\n", r"sample '4' is in b\.csv \(b\) and not in a\.csv \(a\); 1 differ"),
    "other parts": (
        A.replace("\n", ",s\n").replace("y_pred,s", "y_pred,seed"), r"sample '1' is in a.*6 differ"
    ),
    "learned": (
        A.replace("\n", ",train\n").replace("y_pred,train", "y_pred,split"),
        r"b\.csv row 2 column 'split': 'train' is no test part \(3 such rows\)",
    ),
    "classes": ("id,y_true,y_pred\n1,x,x\n2,y,x\n3,x,x\n", r"numbers in a\.csv and classes in b\.csv"),
    "semicolons": (A.replace(",", ";"), r"b\.csv has its columns separated by semicolons"),
    "nothing": ("", r"b\.csv is empty"),
    "header only": ("sample,y_true,y_pred\n", r"b\.csv has no rows"),
    "a column twice": (A.replace("y_true", "y_pred"), r"several columns named 'y_pred'"),
    "a name for no table": (
        A.replace("\n", ",a|b\n").replace("y_pred,a|b", "y_pred,method"), r"'a\|b' is no name for a table"
    ),
    "the name of another": (
        A.replace("\n", ",a\n").replace("y_pred,a", "y_pred,method"), r"both hold a method 'a'"
    ),
}  # fmt: skip
REFUSED_CLASSES = {
    "not probable": (
        P.replace("0.9", "1.9"),
        r"b\.csv row 2 column 'p_x': a probability lies between 0 and 1",
    ),
    "no sum of 1": (P.replace("0.9", "0.8"), r"b\.csv row 2: the probabilities of a row add up to 0\.9"),
    "other classes": (P.replace("p_y", "p_z"), r"different classes; p_[yz] is in one of them only"),
    "a class without probabilities": (
        P.replace("p_y", "y"),
        r"b\.csv row 2: the probabilities of a row add up to 0\.9",
    ),
}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [(A, *case) for case in REFUSED.values()] + [(P, *case) for case in REFUSED_CLASSES.values()],
    ids=[*REFUSED, *REFUSED_CLASSES],
)
def test_a_file_that_is_not_what_it_should_be_is_refused_with_the_reason(field, first, second, said):
    with pytest.raises(BenchError, match=said) as caught:
        field(a=first, b=second)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"a": A}, "one method; a comparison needs two"),
        ({"a": A, "b": A, "metric": "R2_score"}, "R2_score is no mean over samples, and one test part"),
        ({"a": A, "b": A, "metric": "log_loss"}, "no metric 'log_loss' here"),
        ({"a": A, "b": A, "trained_on": 5}, "--trained-on is about random splits"),
        ({"a": P.replace("3,y", "3,z"), "b": P.replace("3,y", "3,z")}, "y_true 'z' has no column p_z"),
        (dict.fromkeys("ab", "id,y_true,y_pred\n1,x,x\n2,x,x\n"), "only one class"),
        ({**dict.fromkeys("ab", "id,y_true,y_pred\n1,x,x\n2,y,x\n"), "metric": "brier"}, "brier needs prob"),
        ({"a": "id,y_true,y_pred,group\n1,1,1,g\n2,2,3,g\n", "b": "id,y_true,y_pred\n1,1,1\n2,2,2\n"},
         "all predictions are of one sample or group"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(field, arguments, said):
    with pytest.raises(BenchError, match=re.escape(said)):
        field(**arguments)


def test_bytes_sizes_and_numbers_of_methods_have_limits(field, tmp_path, monkeypatch):
    (tmp_path / "b.csv").write_bytes(A.replace("1,", "\xe9,").encode("latin-1"))
    with pytest.raises(BenchError, match=r"b\.csv row 2: is not UTF-8"):
        read_predictions([tmp_path / "b.csv"])
    with pytest.raises(BenchError, match="no file"):
        read_predictions([tmp_path])
    many = "".join(f"{i},1,1,m{i}\n" for i in range(101))
    with pytest.raises(BenchError, match="101 methods are more than the 100"):
        field(a=f"sample,y_true,y_pred,method\n{many}")
    monkeypatch.setattr(foreign, "LARGEST", 10)
    with pytest.raises(BenchError, match="larger than"):
        read_predictions([tmp_path / "b.csv"])


def test_the_command_says_what_is_wrong_in_a_line_and_writes_nothing(tmp_path):
    for name, text in (("a", A), ("b", A.replace("0.7", "0.8"))):
        (tmp_path / f"{name}.csv").write_text(text)
    files = [str(tmp_path / f"{name}.csv") for name in "ab"]
    out = ["--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["compare", *files, *out])
    assert (result.exit_code, len(result.output.strip().splitlines())) == (2, 1)
    result = CliRunner().invoke(main, ["compare", *files, *out, "--experiment", "fusion"])
    assert (result.exit_code, "--experiment is about folders" in result.output) == (2, True)
    assert not (tmp_path / "out").exists()
