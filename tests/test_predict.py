"""`bench predict`: a kept method on rows it has not seen, from anywhere, whatever they lack."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from media import save_video
from shops import DESCRIPTION, LABEL, NUMBER, SMALL, N, build, fresh, trained, warnings

from bench.data.dataset import Dataset, read_dataset
from bench.errors import DataError
from bench.features.encode import encode
from bench.plan import load_plans
from bench.predict import load
from bench.request import Request
from bench.store import RunStore
from bench.workflow import run

METHODS = ("concat", "memf", "ridge", "boosted-trees", "boosted-trees-best-entity", "predict-mean")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    return build(folder / "data", LABEL), trained(folder / "data", folder / "out")


def stored(out: Path, method: str) -> list[pd.DataFrame]:
    row = next(r for r in load_plans(out)[0].rows if r.method == method)
    return [RunStore(out).predictions(run_id).set_index("id") for run_id in row.runs]


# -- what is predicted


@pytest.mark.parametrize("method", METHODS)
def test_new_rows_are_predicted_as_the_test_part_was(method, shops, kept, tmp_path, monkeypatch, caplog):
    """On another machine: a copy of the run folder, an empty cache, rows without any target."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    copy = shutil.copytree(kept, tmp_path / "copy")
    new = fresh(shops, tmp_path / "new", lambda t: t.drop(columns=["sales", "chain", "kind"]).iloc[::-1])
    table = load(copy, method, device="cpu").predict(new)
    assert list(table.columns) == ["id", "mean", "sd", "seed_0", "seed_1"]
    assert table["id"].tolist() == [f"s{i}" for i in reversed(range(N))]
    for seed, known in enumerate(stored(kept, method)):
        expected = 10 ** known["y_pred"]
        again = table.set_index("id").loc[known.index, f"seed_{seed}"]
        np.testing.assert_allclose(again, expected, rtol=1e-5)
    seeds = table[["seed_0", "seed_1"]]
    np.testing.assert_allclose(table["mean"], seeds.mean(axis=1))
    np.testing.assert_allclose(table["sd"], seeds.std(axis=1), atol=1e-9)
    assert not warnings(caplog)


@pytest.mark.parametrize("method", ["memf", "logistic", "boosted-trees", "class-prior"])
def test_classes_have_the_mean_probability_of_each(method, kinds, tmp_path):
    data, out = kinds
    table = load(out, method, device="cpu").predict(
        fresh(data, tmp_path / "new", lambda t: t.assign(kind=""))
    )
    classes = ["huge", "large", "small"]
    columns = [f"p_{name}" for name in classes]
    assert list(table.columns) == ["id", "y_pred", *columns, "sd", "seed_0", "seed_1"]
    np.testing.assert_allclose(table[columns].sum(axis=1), 1)
    assert table["y_pred"].tolist() == np.array(classes)[table[columns].to_numpy().argmax(1)].tolist()
    for seed, known in enumerate(stored(out, method)):
        assert table.set_index("id").loc[known.index, f"seed_{seed}"].tolist() == known["y_pred"].tolist()


def test_folder_dataset_and_frame_are_the_same_rows(shops, kept, tmp_path):
    predictor = load(kept, "ridge", device="cpu")
    expected = predictor.predict(shops)
    pd.testing.assert_frame_equal(predictor.predict(read_dataset(shops)), expected)
    samples, products = (pd.read_csv(shops / f"{name}.csv") for name in ("samples", "products"))
    entities = {
        "shop": {"text": ["title", "street"], "numeric": ["area", "staff"], "log": ["area"]},
        "product": {
            "table": "products", "key": "products", "many": True, "text": ["name"], "numeric": ["price"]
        },
        "door": {"features": {"image": {"file": "doors.npz", "array": "x", "key": "id"}}},
    }  # fmt: skip
    made = Dataset.from_frames(
        samples.drop(columns="sales"), target="sales", entities=entities, tables={"products": products},
        root=shops, labelled=False,
    )  # fmt: skip
    pd.testing.assert_frame_equal(predictor.predict(made), expected)


def test_a_method_fitted_to_a_frame_takes_a_frame(tmp_path, rng):
    frame = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40), "t": ["a", "b"] * 20})
    entities = {"e": {"numeric": ["x"], "text": ["t"]}}
    data = Dataset.from_frames(frame, target="y", entities=entities)
    request = Request(
        data=data, fusions="concat", seeds=1, out=tmp_path, device="cpu", executor="inline",
        observe=frozenset({"model"}), settings=("training.epochs=1",),
    )  # fmt: skip
    run(request)
    new = pd.DataFrame({"x": [0.1, None], "t": ["never seen", "b"]}, index=["p", "q"])
    table = load(tmp_path, "concat").predict(new)
    assert table["id"].tolist() == ["p", "q"]
    assert np.isfinite(table["mean"]).all()
    assert table["sd"].isna().all()  # one seed has no spread


def test_a_floor_that_looks_at_nothing_is_kept_and_applied_too(tmp_path, rng):
    """Where texts are all there is, it has no features at all."""
    frame = pd.DataFrame({"y": rng.normal(size=40), "t": ["a", "b"] * 20})
    data = Dataset.from_frames(frame, target="y", entities={"e": {"text": ["t"]}})
    request = Request(
        data=data, fusions="concat", seeds=1, out=tmp_path, device="cpu", executor="inline",
        observe=frozenset({"model"}), settings=SMALL,
    )  # fmt: skip
    assert not run(request).summary.failures
    table = load(tmp_path, "predict-mean").predict(pd.DataFrame({"t": ["c", "d"]}))
    assert (table["mean"] == table["mean"][0]).all()


def test_words_never_seen_are_no_problem_and_targets_of_training_are_left_alone(
    shops, kept, tmp_path, caplog
):
    new = fresh(shops, tmp_path / "new", lambda t: t.assign(title="一家新店", sales=None).head(1))
    table = load(kept, "concat").predict(new)
    assert len(table) == 1
    assert np.isfinite(table["mean"]).all()
    assert not warnings(caplog)
    load(kept, "concat").predict(shops)
    features = encode(read_dataset(shops), {})[0]
    assert np.isfinite(features.samples["target"]).all()


def test_the_description_of_the_new_folder_counts_where_it_has_the_same_sources(
    shops, kept, tmp_path, caplog
):
    new = fresh(shops, tmp_path / "new")
    (new / "samples.csv").rename(new / "shops.csv")
    said = DESCRIPTION.format(target=NUMBER).replace('group = "chain"', 'table = "shops.csv"')
    (new / "dataset.toml").write_text(said, encoding="utf-8")
    predictor = load(kept, "ridge")
    pd.testing.assert_frame_equal(predictor.predict(new), predictor.predict(shops))
    assert not warnings(caplog)
    # the same names, but another scale, would be another number
    (new / "shops.csv").rename(new / "samples.csv")
    other = DESCRIPTION.format(target=NUMBER).replace('log = ["area"]', "")
    (new / "dataset.toml").write_text(other, encoding="utf-8")
    pd.testing.assert_frame_equal(predictor.predict(new), predictor.predict(shops))
    (warning,) = warnings(caplog)
    assert "has a description with other sources" in warning


# -- what is missing


def lacking(shops: Path, folder: Path, what: str) -> Path:
    new = fresh(shops, folder, lambda t: t.drop(columns=["sales", *([what] if what in t else [])]))
    if what.endswith((".csv", ".npz")):
        (new / what).unlink()
    return new


@pytest.mark.parametrize(
    ("what", "hidden", "said"),
    [
        ("products", ["product.text", "product.numeric"], "samples.csv has no column 'products'"),
        ("products.csv", ["product.text", "product.numeric"], "products.csv does not exist"),
        ("doors.npz", ["door.image"], "doors.npz"),
    ],
)
@pytest.mark.parametrize("method", ["concat", "memf", "ridge", "boosted-trees"])
def test_a_source_that_is_missing_counts_as_absent_with_one_warning(
    method, what, hidden, said, shops, kept, tmp_path, caplog
):
    predictor = load(kept, method, device="cpu")
    table = predictor.predict(lacking(shops, tmp_path / "new", what))
    (warning,) = warnings(caplog)
    assert said in warning
    assert warning.endswith("it counts as absent.")
    features = predictor._features(shops, ())
    gone = {s: np.ones(N, dtype=bool) for s in features.folders if str(s) in hidden}
    expected = 10 ** predictor.fitted[1].predict(features.hiding(gone), np.arange(N))
    if method in ("concat", "memf"):  # references read stored features, from which nothing can be hidden
        np.testing.assert_allclose(table["seed_1"], expected, rtol=1e-5)
    assert np.isfinite(table["mean"]).all()
    whole = predictor.predict(shops)
    assert not np.allclose(whole["mean"], table["mean"], rtol=1e-9)


def test_files_that_are_not_there_count_as_absent_even_if_all_are(tmp_path, rng, caplog):
    for i in range(3):
        save_video(tmp_path / f"{i}.mp4", speed=i + 1)
    frame = pd.DataFrame(
        {"y": rng.normal(size=30), "x": rng.normal(size=30), "v": [f"{i % 3}.mp4" for i in range(30)]}
    )
    entities = {"e": {"numeric": ["x"]}, "clip": {"video": ["v"]}}
    data = Dataset.from_frames(frame, target="y", entities=entities, root=tmp_path)
    request = Request(
        data=data, fusions="concat", seeds=1, out=tmp_path / "out", device="cpu", executor="inline",
        observe=frozenset({"model"}), settings=SMALL,
    )  # fmt: skip
    run(request)
    gone = Dataset.from_frames(
        frame.assign(v="gone.mp4").head(2), target="y", entities=entities, root=tmp_path, labelled=False
    )
    predictor = load(tmp_path / "out", "concat", device="cpu")
    table = predictor.predict(gone)
    (warning,) = warnings(caplog)
    assert warning.startswith("gone.mp4 cannot be decoded (there is no such file)")
    pd.testing.assert_frame_equal(table, predictor.predict(gone))
    without = predictor._features(data, ())
    clip = next(source for source in without.folders if source.modality == "video")
    hidden = without.hiding({clip: np.ones(30, dtype=bool)})
    np.testing.assert_allclose(table["mean"], predictor.fitted[0].predict(hidden, np.arange(2)), rtol=1e-5)


def test_a_column_that_is_missing_counts_as_absent(shops, kept, tmp_path, caplog):
    new = lacking(shops, tmp_path / "new", "staff")
    assert np.isfinite(load(kept, "ridge").predict(new)["mean"]).all()
    (warning,) = warnings(caplog)
    assert warning.startswith("samples.csv has no column 'staff'")
    empty = fresh(shops, tmp_path / "empty", lambda t: t.assign(staff=None))
    pd.testing.assert_frame_equal(load(kept, "ridge").predict(new), load(kept, "ridge").predict(empty))


def test_rows_without_any_known_source_are_refused(shops, kept, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    pd.DataFrame({"id": ["a", "b"], "weather": ["sun", "rain"]}).to_csv(new / "samples.csv", index=False)
    with pytest.raises(
        DataError, match=r"none of the sources that ridge was fitted to: shop\.text, shop\.num"
    ):
        load(kept, "ridge").predict(new)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(area="big"), "row 2 column 'area': 'big' is not a finite number"),
        (lambda t: t.assign(id="same"), "row 3 column 'id': the sample id 'same' repeats"),
        (lambda t: t.assign(products="p99"), "'p99' is not in products.csv"),
        (lambda t: t.head(0), "has no rows"),
    ],
)
def test_wrong_cells_are_refused_as_ever(change, message, shops, kept, tmp_path):
    with pytest.raises(DataError, match=message):
        load(kept, "ridge").predict(fresh(shops, tmp_path / "new", change))


def test_features_of_another_width_are_refused(shops, kept, tmp_path):
    new = fresh(shops, tmp_path / "new")
    np.savez(new / "doors.npz", id=np.array([f"s{i}" for i in range(N)]), x=np.ones((N, 5)))
    with pytest.raises(DataError, match=r"features of door\.image are 5 wide, .*fitted to 3"):
        load(kept, "ridge").predict(new)
