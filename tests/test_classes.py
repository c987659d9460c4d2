"""Classes as targets, from the column to the table: reading, splits, checks, methods, metrics."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk

import fusions
import fusions.testing
from bench.config import ModelConfig, TrainingConfig
from bench.data.checks import check
from bench.data.dataset import Dataset, read_dataset
from bench.data.schema import Target
from bench.data.splits import Parts, split
from bench.data.statistics import as_bars, statistics
from bench.data.suspects import suspects
from bench.errors import DataError
from bench.features.encode import encode
from bench.methods.catalog import build
from bench.methods.references import REFERENCES
from bench.metrics import of_task, score
from bench.predictions import Answers, answers
from bench.request import Request
from bench.spec import RunSpec
from bench.store import RunStore
from bench.workflow import run

CPU = torch.device("cpu")
LABELS = {"binary": ("no", "yes"), "multiclass": ("红", "blue", "green, dark")}


def table(task: str, n: int = 60) -> pd.DataFrame:
    """Samples whose class shows in a number and in a word, with gaps in both."""
    rng = np.random.default_rng(0)
    number = rng.integers(len(LABELS[task]), size=n)
    words = [f"word{k} and" if rng.random() < 0.7 else "and" for k in number]
    x = number + rng.normal(scale=0.5, size=n)
    x[::7] = np.nan
    words[3] = None
    return pd.DataFrame(
        {"id": [f"s{i}" for i in range(n)], "y": np.array(LABELS[task])[number], "title": words, "x": x}
    )


def folder_of(task: str, folder: Path) -> Path:
    folder.mkdir()
    table(task).to_csv(folder / "samples.csv", index=False)
    (folder / "dataset.toml").write_text(
        f'name = "{task}"\n[target]\ncolumn = "y"\ntask = "{task}"\n'
        '[entities.shop]\ntext = ["title"]\n[entities.till]\nnumeric = ["x"]\n',
        encoding="utf-8",
    )
    return folder


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


def scores_of(store: RunStore, run_id: str) -> dict[str, float]:
    return score(answers(store.spec(run_id).target, store.predictions(run_id)))


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


# -- methods


def test_cmmt_gives_every_class_a_bin_of_its_own():
    method = fusions.build("cmmt", fusions.testing.example_inputs(), bins=4)
    classes = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2])
    method.calibrate(classes)
    assert torch.bucketize(torch.tensor([0.0, 1.0, 2.0]), method.edges).tolist() == [0, 1, 2]


def spec_of(method: str, target: Target, **training: object) -> RunSpec:
    settings = TrainingConfig(epochs=2, **training)
    return RunSpec(
        method=method, model=ModelConfig(dim=16, heads=2), training=settings, seed=0, dataset="d",
        target=target, encoders={}, features="0", code="0",
    )  # fmt: skip


CLASSIFIERS = [name for name, kind in REFERENCES.items() if "multiclass" in kind.tasks]


@pytest.fixture(scope="module")
def three():
    """60 samples of three classes in two entities, numbers only."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    frame = pd.DataFrame({
        "y": np.array(["a", "b", "c"])[y], "x": y + rng.normal(scale=0.3, size=60), "z": rng.normal(size=60)
    })  # fmt: skip
    entities = {"e": {"numeric": ["x"]}, "f": {"numeric": ["z"]}}
    return encode(
        Dataset.from_frames(frame, target={"column": "y", "task": "multiclass"}, entities=entities), {}
    )[0]


def fitted(method: str, features, parts: Parts) -> np.ndarray:
    made = build(spec_of(method, features.target), CPU)
    made.fit(features, parts)
    predicted = made.predict(features, parts.test)
    assert predicted.shape == (len(parts.test), 3)
    np.testing.assert_allclose(predicted.sum(1), 1)
    return predicted


@pytest.mark.parametrize("method", [*CLASSIFIERS, "concat"])
def test_references_learn_classes(method, three):
    rows = np.random.default_rng(0).permutation(60)
    parts = Parts(np.sort(rows[:36]), np.sort(rows[36:44]), np.sort(rows[44:]))
    predicted = fitted(method, three, parts)
    right = predicted.argmax(1) == three.samples["target"][parts.test]
    assert right.mean() > (0.6 if method not in ("class-prior", "concat") else -1)


@pytest.mark.parametrize("method", CLASSIFIERS)
def test_a_class_that_training_lacks_is_never_predicted_and_stops_nothing(method, three):
    """Class b is in the validation and test part only."""
    parts = Parts(np.r_[0:12, 40:52], np.r_[12:14, 20:24, 52:54], np.r_[14:20, 24:30, 54:60])
    predicted = fitted(method, three, parts)
    # the frequencies of classes are counted in the learning set, which has the validation part
    assert (predicted[:, 1] == (4 / 32 if method == "class-prior" else 0)).all()
    without = Parts(parts.train, np.r_[20:24], parts.test)  # none of its validation samples can stop anything
    fitted(method, three, without)


@pytest.mark.parametrize("method", CLASSIFIERS)
def test_one_class_in_the_training_part_is_predicted_for_all(method, three):
    parts = Parts(np.r_[0:15], np.r_[15:18], np.r_[18:25, 40:45])
    predicted = fitted(method, three, parts)
    assert (predicted == [1, 0, 0]).all()


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


# -- from end to end


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_every_method_runs_on_a_folder_of_labels_and_bits_repeat(task, tmp_path):
    folder = folder_of(task, tmp_path / "data")
    small = ("training.epochs=2", "model.dim=16", "model.heads=2", "encoders.hashing_width=32")

    def carry_out(out: str):
        request = Request(
            data=str(folder), fusions="all", seeds=2, out=tmp_path / out, device="cpu", executor="inline",
            settings=(*small, "training.source_dropout=0.1"),
        )  # fmt: skip
        report = run(request)
        assert not report.summary.failures
        return report.plans[0], RunStore(tmp_path / out)

    plan, store = carry_out("one")
    classes = read_dataset(folder).schema.target.classes
    assert {row.method for row in plan.rows} == {*fusions.names(), *CLASSIFIERS}
    for row in plan.rows:
        for run_id in row.runs:
            table = store.predictions(run_id)
            assert set(table["y_true"]) == set(classes)
            probabilities = table[[f"p_{name}" for name in classes]]
            np.testing.assert_allclose(probabilities.sum(axis=1), 1)
            assert set(table["y_pred"]) <= set(classes)
            assert np.isfinite(scores_of(store, run_id)["log_loss"])
    trees = next(row for row in plan.rows if row.method == "boosted-trees")
    found = [scores_of(store, run_id) for run_id in trees.runs]
    assert all(np.isfinite([scores[m.name] for m in of_task(task)]).all() for scores in found)
    assert np.mean([scores["accuracy"] for scores in found]) > 0.5
    again, other = carry_out("two")
    assert [row.runs for row in again.rows] == [row.runs for row in plan.rows]
    for row in plan.rows:
        for run_id in row.runs:
            pd.testing.assert_frame_equal(
                store.predictions(run_id), other.predictions(run_id), check_exact=True
            )


def test_incomplete_samples_can_be_dropped(tmp_path):
    folder = folder_of("binary", tmp_path / "data")
    report = run(
        Request(
            data=str(folder), fusions="concat", seeds=1, out=tmp_path / "out", device="cpu",
            executor="inline", missing=("drop",), settings=("training.epochs=1", "model.dim=16"),
        )
    )  # fmt: skip
    assert not report.summary.failures
    store = RunStore(tmp_path / "out")
    assert all(store.predictions(r)["complete"].all() for row in report.plans[0].rows for r in row.runs)
