"""Classes as targets in runs: what methods make of them, alone and from end to end."""

import numpy as np
import pandas as pd
import pytest
import torch
from classes import folder_of

import fusions
import fusions.testing
from bench.config import ModelConfig, TrainingConfig
from bench.data.dataset import Dataset, read_dataset
from bench.data.schema import Target
from bench.data.splits import Parts
from bench.features.encode import encode
from bench.methods.catalog import build
from bench.methods.references import REFERENCES
from bench.metrics import of_task, score
from bench.predictions import answers
from bench.request import Request
from bench.spec import RunSpec
from bench.store import RunStore
from bench.workflow import run

CPU = torch.device("cpu")


def scores_of(store: RunStore, run_id: str) -> dict[str, float]:
    return score(answers(store.spec(run_id).target, store.predictions(run_id)))


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
    assert (predicted[:, 1] == 0).all()
    without = Parts(parts.train, np.r_[20:24], parts.test)  # none of its validation samples can stop anything
    fitted(method, three, without)


@pytest.mark.parametrize("method", CLASSIFIERS)
def test_one_class_in_the_training_part_is_predicted_for_all(method, three):
    parts = Parts(np.r_[0:15], np.r_[15:18], np.r_[18:25, 40:45])
    predicted = fitted(method, three, parts)
    assert (predicted == [1, 0, 0]).all()


# -- from end to end


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_every_method_runs_on_a_folder_of_labels_and_bits_repeat(task, tmp_path):
    folder = folder_of(task, tmp_path / "data")
    small = ("training.epochs=2", "model.dim=16", "model.heads=2", "encoders.hashing_width=32")

    def carry_out(out: str, seeds: int):
        request = Request(
            data=str(folder), fusions="all", seeds=seeds, out=tmp_path / out, device="cpu", executor="inline",
            settings=(*small, "training.source_dropout=0.1"),
        )  # fmt: skip
        report = run(request)
        assert not report.summary.failures
        return report.plans[0], RunStore(tmp_path / out)

    plan, store = carry_out("one", 2)
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
    again, other = carry_out("two", 1)
    assert [row.runs for row in again.rows] == [row.runs[:1] for row in plan.rows]
    for row in again.rows:
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
