"""Classes as targets, from the column to the scores: reading, splits, checks, metrics."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from classes import folder_of
from sklearn import metrics as sk

from bench.data.checks import check
from bench.data.dataset import Dataset, read_dataset
from bench.data.schema import Target
from bench.data.splits import split
from bench.data.statistics import as_bars, statistics
from bench.data.suspects import suspects
from bench.errors import DataError
from bench.features.encode import encode
from bench.metrics import of_task, score
from bench.predictions import Answers


def framed(
    labels: object, task: str = "multiclass", classes: tuple[str, ...] = (), **more: object
) -> Dataset:
    frame = pd.DataFrame({"y": labels})
    frame["x"] = np.random.default_rng(1).permutation(len(frame)).astype(float)
    target = {"column": "y", "task": task, "classes": list(classes)}
    return Dataset.from_frames(
        frame.assign(**more.pop("columns", {})), target=target, entities={"e": {"numeric": ["x"]}}, **more
    )


# -- reading


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["yes", "no", "yes"], ("no", "yes")),
        ([1, 0, 1], ("0", "1")),
        ([True, False, True], ("False", "True")),
        (["好", "差", "好"], ("好", "差")),
        (pd.Categorical(["b", "a", "b"]), ("a", "b")),
        ([10, 9, 10], ("9", "10")),
    ],
)
def test_classes_are_the_texts_of_the_column_sorted(labels, classes):
    data = framed(labels, "binary")
    assert data.schema.target.classes == classes
    assert data.target.dtype == np.float64
    assert [classes[int(k)] for k in data.target] == [str(label) for label in labels]


def test_declared_classes_keep_their_order_and_need_not_all_occur():
    data = framed(["low", "high", "low"], classes=("low", "middle", "high"))
    assert data.schema.target.classes == ("low", "middle", "high")
    assert data.target.tolist() == [0, 2, 0]


@pytest.mark.parametrize(
    ("labels", "task", "classes", "message"),
    [
        (["a", "b", "c"], "multiclass", ("a", "b"), r"row 4 column 'y': the target 'c' is not one of.*a, b"),
        (["a", None, "b"], "multiclass", (), "row 3 column 'y': the target is empty"),
        (["a", "a", "a"], "binary", (), "the target is 'a' in every row"),
        (["a", "b", "c"], "binary", (), r"has 3 classes \(a, b, c\), not two"),
    ],
)
def test_what_is_no_class_is_refused_by_cell(labels, task, classes, message):
    with pytest.raises(DataError, match=message):
        framed(labels, task, classes)


def test_a_folder_has_its_classes_in_the_features_too(tmp_path):
    data = read_dataset(folder_of("multiclass", tmp_path / "data"))
    assert data.schema.target.classes == ("blue", "green, dark", "红")
    assert encode(data, {})[0].target.classes == data.schema.target.classes


# -- splits


def shares(labels: np.ndarray, rows: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(labels[rows], minlength=classes)


def test_every_class_keeps_its_share_in_every_part(rng):
    labels = rng.choice(4, p=[0.6, 0.3, 0.07, 0.03], size=400)
    names = tuple("abcd")
    for seed in range(10):
        samples = {"target": labels.astype(float)}
        parts = split(samples, seed, test=0.2, validation=0.15, classes=names)
        assert sorted(np.concatenate(parts)) == list(range(400))
        total = np.bincount(labels)
        in_test = shares(labels, parts.test, 4)
        assert (np.abs(in_test - 0.2 * total) <= 0.5).all()
        assert (np.abs(shares(labels, parts.validation, 4) - 0.15 * (total - in_test)) <= 0.5).all()
        again = split(samples, seed, test=0.2, validation=0.15, classes=names)
        assert all((one == two).all() for one, two in zip(parts, again, strict=True))
    other = split(samples, 0, test=0.2, validation=0.15, classes=names)
    assert other.test.tolist() != parts.test.tolist()


def test_groups_stay_whole_and_classes_come_as_near_to_their_shares_as_they_allow(rng):
    groups = rng.integers(0, 60, size=400)
    labels = np.where(rng.random(400) < 0.8, groups % 3, rng.integers(0, 3, size=400))
    largest = max(np.bincount(groups))
    for seed in range(20):
        samples = {"target": labels.astype(float), "groups": groups.astype(str)}
        parts = split(samples, seed, test=0.2, validation=0.15, classes=("a", "b", "c"))
        homes = [set(groups[rows]) for rows in parts]
        assert not homes[0] & homes[1]
        assert not homes[2] & (homes[0] | homes[1])
        assert (np.abs(shares(labels, parts.test, 3) - 0.2 * np.bincount(labels)) <= largest).all()
        assert all(shares(labels, rows, 3).all() for rows in parts)


@pytest.mark.parametrize("groups", [None, np.array([0, 0, 1, 2] + [3 + i // 4 for i in range(36)])])
def test_a_class_of_three_has_one_in_every_part(groups):
    labels = np.array([0] * 4 + [1] * 36) if groups is not None else np.array([0] * 3 + [1] * 37)
    samples = {"target": labels.astype(float)} | ({} if groups is None else {"groups": groups.astype(str)})
    for seed in range(10):
        parts = split(samples, seed, test=0.2, validation=0.15, classes=("x", "y"))
        assert all((labels[rows] == 0).any() for rows in parts)


def test_a_class_that_cannot_be_in_every_part_is_refused():
    samples = {"target": np.array([0.0] * 20 + [1.0] * 2)}
    with pytest.raises(DataError, match="class 'x' has 2 samples; each part needs one: add samples, merge"):
        split(samples, 0, test=0.2, validation=0.2, classes=("y", "x"))
    samples = {
        "target": np.array([0.0] * 20 + [1.0] * 5),
        "groups": np.array([*map(str, range(20)), *"aaabb"]),
    }
    with pytest.raises(DataError, match="class 'x' has 5 samples in 2 groups; each part"):
        split(samples, 0, test=0.2, validation=0.2, classes=("y", "x"))
    samples = {"target": np.array([0.0] * 20 + [1.0] * 5)}
    with pytest.raises(DataError, match="class 'x' has 0 samples in the training part"):
        split(samples, 0, test=0.2, validation=0.2, classes=("y", "x"), kept=np.arange(25) < 20)


def test_an_official_split_is_kept_and_its_validation_part_carved_by_class():
    labels = np.array([0] * 60 + [1] * 20 + [2] * 20)
    official = np.array(["train"] * 80 + ["test"] * 20)
    samples = {"target": labels.astype(float), "official": official}
    parts = split(samples, 3, kind="official", test=0.5, validation=0.25, classes=("a", "b", "only in test"))
    assert parts.test.tolist() == list(range(80, 100))
    assert shares(labels, parts.validation, 3).tolist() == [15, 5, 0]


def test_numbers_are_split_as_ever():
    parts = split({"target": np.arange(20.0)}, 0, test=0.2, validation=0.15)
    assert (parts.test.tolist(), parts.validation.tolist()) == ([0, 8, 9, 16], [4, 6])


# -- checks and statistics


def written(folder: Path, frame: pd.DataFrame, more: str = "") -> Path:
    folder.mkdir()
    frame.to_csv(folder / "samples.csv", index=False)
    (folder / "dataset.toml").write_text(
        'name = "d"\n[target]\ncolumn = "y"\ntask = "multiclass"\n' + more + '[entities.e]\nnumeric = ["x"]\n'
    )
    return folder


def test_rare_and_unseen_classes_are_warnings(tmp_path, rng):
    y = ["a"] * 20 + ["b"] * 20 + ["c"] * 5 + ["d"] * 5
    part = ["train"] * 35 + ["validation"] * 5 + ["train"] * 5 + ["test"] * 5
    frame = pd.DataFrame({"id": range(50), "y": y, "x": rng.normal(size=50), "part": part})
    found = {p.kind: p for p in check(written(tmp_path / "data", frame, '[samples]\nsplit = "part"\n'))}
    assert found.keys() == {"rare-class", "unseen-class"}
    assert not any(problem.stops for problem in found.values())
    assert found["rare-class"].rows == tuple(range(42, 47))
    assert "'c'" in found["rare-class"].what
    assert found["unseen-class"].rows == tuple(range(47, 52))


def test_a_class_of_two_stops_a_run_and_says_why(tmp_path, rng):
    frame = pd.DataFrame({"id": range(50), "y": ["a"] * 48 + ["b"] * 2, "x": rng.normal(size=50)})
    (problem,) = [p for p in check(written(tmp_path / "data", frame)) if p.stops]
    assert "class 'b' has 2 samples" in str(problem)


def test_table_5_has_counts_and_shares_of_classes():
    tables = statistics(framed(["a"] * 30 + ["b"] * 20))
    target = tables["target"].set_index(["part", "class"])
    assert target["count"].tolist() == [24, 16, 6, 4]
    assert target.loc[("test", "b"), "share"] == 0.4
    assert {"part", "left", "right", "count", "class"} == set(tables["histogram"].columns)
    assert [line.split()[0] for line in as_bars(tables["histogram"]).splitlines()] == ["a", "b"]
    assert [line.split()[-1] for line in as_bars(tables["histogram"]).splitlines()] == ["30", "20"]


def test_leaks_of_a_class_are_found_whatever_the_order_of_its_numbers(rng):
    number = rng.integers(3, size=120)
    order = np.array([1.0, 0.0, 2.0])  # the class in the middle is not the middle number
    frame = pd.DataFrame({
        "y": np.array(["a", "b", "c"])[number], "leak": order[number] + rng.uniform(0, 0.9, 120),
        "honest": number + rng.normal(scale=1.0, size=120), "label": np.array(["u", "v", "w"])[number],
        "rising": number * 1.0 + rng.normal(scale=2, size=120),
    })  # fmt: skip
    entities = {"e": {"numeric": ["leak", "honest", "rising"], "text": ["label"]}}
    data = Dataset.from_frames(frame, target={"column": "y", "task": "multiclass"}, entities=entities)
    assert {(s.problem.kind, s.problem.column) for s in suspects(data)} == {
        ("leak", "leak"), ("leak", "label")
    }  # fmt: skip


# -- metrics


def theirs(true: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """What scikit-learn says."""
    classes, label = range(p.shape[1]), p.argmax(1)
    found = {
        "accuracy": sk.accuracy_score(true, label),
        "f1_macro": sk.f1_score(true, label, labels=classes, average="macro", zero_division=0),
        "log_loss": sk.log_loss(true, p, labels=classes),
        "brier": sk.brier_score_loss(true, p, labels=classes),
    }
    if len(np.unique(true)) == p.shape[1]:
        two = p.shape[1] == 2
        found["roc_auc"] = sk.roc_auc_score(true, p[:, 1]) if two else sk.roc_auc_score(
            true, p, multi_class="ovr", average="macro", labels=classes
        )  # fmt: skip
    return found


def probabilities(classes: int, n: int, how: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    p = rng.dirichlet(np.ones(classes), size=n)
    true = rng.integers(classes, size=n)
    if how == "never predicted":
        p[:, 0] = 0.01 * p.min(1)
        p /= p.sum(1, keepdims=True)
    elif how == "zero and one":
        p = np.eye(classes)[rng.integers(classes, size=n)]
    elif how == "one class":
        true[:] = classes - 1
    elif how == "ties":
        p[:] = 1 / classes
    return true, p


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("how", ["random", "never predicted", "zero and one", "one class", "ties"])
def test_metrics_are_those_of_scikit_learn(classes, how):
    true, p = probabilities(classes, 200, how)
    task = "binary" if classes == 2 else "multiclass"
    target = Target(column="y", task=task, classes=tuple(map(str, range(classes))))
    found, expected = score(Answers(target, true, p)), theirs(true, p)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12, rel=1e-12)
    assert np.isnan(found["roc_auc"]) == (how == "one class")
    for metric in of_task(task):
        if metric.losses:
            assert metric.losses(Answers(target, true, p)).mean() == pytest.approx(
                found[metric.name], rel=1e-12
            )


def test_the_calibration_error_by_hand():
    p = np.array([[0.95, 0.05], [0.92, 0.08], [0.35, 0.65], [0.4, 0.6]])
    target = Target(column="y", task="binary", classes=("a", "b"))
    # two bins: confidence 0.935 and accuracy 0.5; confidence 0.625 and accuracy 1
    found = score(Answers(target, np.array([0, 1, 1, 1]), p))
    assert found["ECE"] == pytest.approx(0.5 * (0.935 - 0.5) + 0.5 * (1 - 0.625))
