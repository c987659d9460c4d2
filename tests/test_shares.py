"""What entities are worth, by several estimators, where it is known; and who may know it."""

import json
import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workshop import ENTITIES, SHARES, Row, Workshop, verdict

import bench
from bench.calibrate.figure import shares_drawn
from bench.calibrate.order import contested
from bench.calibrate.order import row as order_row
from bench.calibrate.pages import write
from bench.calibrate.shares import EQUAL, Estimate, as_shares, recovered, shapley, table
from bench.compare.simultaneous import Gap
from bench.config import load_preset
from bench.data import catalog
from bench.data.splits import Parts
from bench.methods.catalog import CORE
from bench.observe import OBSERVERS, Watched
from bench.observe.entities import EXCHANGES
from bench.perf.simulated import SOURCES, simulate
from bench.sourcecode import PROJECT, reached
from bench.spec import RunSpec
from bench.workflow import Quiet

NAMES = [simulated.source.entity for simulated in SOURCES]
SIZES = dict(zip(NAMES, (1.0, 2.0, 0.5, 1.5, 0.0), strict=True))
"""Entity -> what its contribution is multiplied by: `audio` is worth nothing."""


class Additive:
    """Predicts the sum of what the entities say, each by one column; an absent one says 0."""

    def said(self, features, rows, source):
        column = features.batch(rows)[source].pooled()[:, 0].nan_to_num(0.0).numpy()
        return SIZES[source.entity] * column

    def predict(self, features, rows):
        return sum(self.said(features, rows, source) for source in features.folders)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    features = simulate(tmp_path_factory.mktemp("simulated") / "features", 4000)
    spec = RunSpec.model_validate({
        "method": "additive", "model": {}, "training": {}, "seed": 0, "dataset": "d", "features": "",
        "target": {"column": "y"}, "encoders": {}, "code": "",
    })  # fmt: skip
    rows = np.arange(4000)
    return Watched(spec, Additive(), features, Parts(rows[:1000], rows[1000:2000], rows[2000:]))


@pytest.fixture(scope="module")
def record(watched):
    return OBSERVERS["entities"](watched).record(np.zeros(0))


def test_every_set_of_entities_is_predicted_with_the_others_absent(watched, record):
    features, rows, method = watched.features, watched.parts.test, watched.method
    parts = {source.entity: method.said(features, rows, source) for source in features.folders}
    assert record["entities"].tolist() == NAMES
    assert len(np.unique(record["known"], axis=0)) == len(record["known"]) == 2 ** len(NAMES)
    for known, predicted in zip(record["known"], record["masked"], strict=True):
        expected = sum(parts[name] for name, there in zip(NAMES, known, strict=True) if there)
        np.testing.assert_allclose(predicted, expected + np.zeros(len(rows)), atol=1e-9)


def test_exchanged_entities_are_those_of_other_test_samples_and_no_other_changes(watched, record):
    features, rows, method = watched.features, watched.parts.test, watched.method
    parts = {source.entity: method.said(features, rows, source) for source in features.folders}
    whole = sum(parts.values())
    for known, exchanged in zip(record["known"], record["exchanged"], strict=True):
        away = [name for name, there in zip(NAMES, known, strict=True) if not there]
        assert len(exchanged) == EXCHANGES
        if len(away) == 1:
            for predicted in exchanged:
                taken = predicted - (whole - parts[away[0]])
                np.testing.assert_allclose(np.sort(taken), np.sort(parts[away[0]]), atol=1e-9)
                assert (np.abs(taken - parts[away[0]]) > 1e-6).mean() > 0.5 or not SIZES[away[0]]
        changed = (np.abs(exchanged - whole) > 1e-6).any()
        assert changed == any(SIZES[name] for name in away)


def test_masking_and_exchanging_recover_the_shares_of_an_additive_world(watched, record):
    features, rows, method = watched.features, watched.parts.test, watched.method
    parts = [method.said(features, rows, source) for source in features.folders]
    true = np.array([part.var() for part in parts])
    true /= true.sum()
    masked = ((record["masked"] - sum(parts)) ** 2).mean(-1)
    exchanged = ((record["exchanged"] - sum(parts)) ** 2).mean((1, 2))
    for losses in (masked, exchanged):
        found = as_shares(shapley(record["known"], -losses[None]))[0]
        np.testing.assert_allclose(found, true, atol=0.03)


def test_shapley_is_the_mean_gain_over_all_orders(rng):
    players = 4
    codes = rng.permutation(2**players)
    known = (codes[:, None] >> np.arange(players) & 1).astype(bool)
    worth = rng.normal(size=(3, 2**players))
    by_set = {tuple(row): worth[:, i] for i, row in enumerate(known.tolist())}
    expected = np.zeros((3, players))
    for order in permutations(range(players)):
        there = [False] * players
        for player in order:
            before = by_set[tuple(there)]
            there[player] = True
            expected[:, player] += (by_set[tuple(there)] - before) / math.factorial(players)
    np.testing.assert_allclose(shapley(known, worth), expected, atol=1e-12)
    total = by_set[(True,) * players] - by_set[(False,) * players]
    np.testing.assert_allclose(shapley(known, worth).sum(1), total, atol=1e-12)


def test_shares_are_ratios_of_means_and_of_nothing_there_are_none(rng):
    worth = np.abs(rng.normal(size=(6, 3))) + 0.1
    found = as_shares(worth)
    np.testing.assert_allclose(found.mean(0), worth.mean(0) / worth.mean(0).sum())
    np.testing.assert_allclose(found.sum(1), 1)
    assert np.isnan(as_shares(-worth)).all()


def test_the_interval_is_that_of_a_ratio(rng):
    """The spread of the values is that of the ratio of means over many repetitions."""
    draws = rng.normal((3.0, 1.0), (0.6, 0.2), size=(4000, 20, 2))
    ratios = draws.mean(1)[:, 0] / draws.mean(1).sum(1)
    stated = np.mean([as_shares(one)[:, 0].std(ddof=1) for one in draws]) / np.sqrt(20)
    assert stated == pytest.approx(ratios.std(), rel=0.05)


def test_the_table_has_errors_and_the_yardstick_of_equal_shares():
    shares = {"a": 0.6, "b": 0.3, "c": 0.1}
    good = Estimate("good", ["c", "a", "b"], np.array([[0.1, 0.6, 0.3], [0.12, 0.56, 0.32]]))
    bad = Estimate("bad", ["a", "b", "c"], np.array([[0.1, 0.3, 0.6], [0.1, 0.3, 0.6]]))
    found = table([good, bad], shares, (80, 20)).set_index(["estimator", "entity"])
    assert found.loc[("good", "a"), "estimate"] == pytest.approx(0.58)
    assert found.loc[("good", "a"), "low"] < 0.58 < found.loc[("good", "a"), "high"]
    assert found.loc["good", "rank correlation"].tolist() == [1, 1, 1]
    assert found.loc["bad", "rank correlation"].tolist() == [-1, -1, -1]
    assert found.loc["bad", "mean absolute error"].iloc[0] == pytest.approx(1 / 3)
    assert found.loc[EQUAL, "mean absolute error"].iloc[0] == pytest.approx((4 / 15 + 1 / 30 + 7 / 30) / 3)


# --- from data to tables ----------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """One epoch and the smallest pictures, for tests that say nothing of how well anything is learned."""
    preset = load_preset("quick")
    training = preset.training.model_copy(update={"epochs": 1})
    encoders = preset.encoders.model_copy(update={"image": "resnet18", "image_size": 32})
    quicker = preset.model_copy(update={"training": training, "encoders": encoders})
    monkeypatch.setattr("bench.request.load_preset", lambda name: quicker)


def test_shares_and_order_from_the_generated_data_to_the_page(small, tmp_path, no_processes):
    settings = {"seeds": 2, "data": {"streams": 24}, "out": tmp_path, "jobs": 1, "reporter": Quiet()}
    shares, order = recovered(retrain=True, **settings), contested(2, **settings)
    root = catalog.load("livestream", streams=24).root
    truth = json.loads((root / "truth.json").read_text(encoding="utf-8"))["entity_shares"]
    assert list(dict.fromkeys(shares["estimator"])) == [
        "left out", "exchanged", "Shapley, exchanged", "Shapley, masked",
        "Shapley, masked, source dropout", "Shapley, retrained", "attention", EQUAL,
    ]  # fmt: skip
    for _, rows in shares.groupby("estimator"):
        assert dict(zip(rows["entity"], rows["true share"], strict=True)) == truth
        if rows["estimate"].notna().all():
            assert rows["estimate"].sum() == pytest.approx(1)
    assert order["planted within"].tolist() == ["entity", "modality"]
    assert (order[["found to be better", "found to be worse", "not distinguished"]].sum(axis=1) == 2).all()
    write("shares", shares, tmp_path, "bench calibrate --part shares")
    assert (tmp_path / "figures" / "calibration-shares.svg").is_file()
    page = (tmp_path / "tables" / "calibration-shares.md").read_text(encoding="utf-8")
    assert shares_drawn(shares).finding in page
    assert pd.read_csv(tmp_path / "tables" / "calibration-shares.csv").shape == shares.shape


def test_a_verdict_for_the_order_that_fits_counts_whichever_way_it_is_planted():
    gaps = [Gap(0.3, 0.1, 0.5, 0.01, 0.2), Gap(-0.3, -0.5, -0.1, 0.01, 0.2), Gap(0.1, -0.2, 0.4, 0.5, 0.4)]
    within, across = order_row("entity", gaps), order_row("modality", gaps)
    assert (within["fits"], across["fits"]) == ("entity-first", "modality-first")
    for found in (within, across):
        assert found["found to be better"] == found["found to be worse"] == found["not distinguished"] == 1
    assert (within["lower mean loss"], across["lower mean loss"]) == (2, 1)
    assert within["mean gain"] == pytest.approx(0.1 / 3) == -across["mean gain"]


# --- attention beside the truth ---------------------------------------------------------------------------


def test_attention_is_judged_by_the_true_shares_where_they_are_known(tmp_path):
    workshop = Workshop(tmp_path, seeds=1)
    plan = workshop.plan("attention", [Row("memf", 0.6)], facts=SHARES)
    workshop.observe(plan)
    said = verdict(plan, workshop.store)
    maps = np.load(workshop.store.root / plan.rows[0].runs[0] / "attention.npz")["layer0"]
    weights = dict(zip(ENTITIES, maps.mean(axis=(0, 1, 2)), strict=True))
    shares = {row["entity"]: row["share"] for row in SHARES["true_shares"]}
    for entity, share in shares.items():
        assert f"{entity} {weights[entity]:.2f} ({share:.2f})" in said
    off = np.mean([abs(weights[entity] - share) for entity, share in shares.items()])
    even = np.mean([abs(0.2 - share) for share in shares.values()])
    assert off > even
    assert "no nearer to the shares than equal weights" in said
    assert f"mean absolute error {off:.3f}, of equal ones {even:.3f}" in said


def test_attention_that_is_right_is_called_nearer(tmp_path):
    workshop = Workshop(tmp_path, seeds=1)
    rising = [{"entity": e, "share": s} for e, s in zip(ENTITIES, (0.14, 0.17, 0.2, 0.23, 0.26), strict=True)]
    plan = workshop.plan("attention", [Row("memf", 0.6)], facts={"true_shares": rising})
    workshop.observe(plan)
    assert "the weights are nearer to the shares than equal weights" in verdict(plan, workshop.store)


@pytest.mark.parametrize("facts", [{}, {"true_shares": [{"entity": "other", "share": 1.0}]}])
def test_without_a_known_truth_attention_is_not_judged(tmp_path, facts):
    workshop = Workshop(tmp_path, seeds=1)
    plan = workshop.plan("attention", [Row("memf", 0.6)], facts=facts)
    workshop.observe(plan)
    assert verdict(plan, workshop.store) == ""


def test_nothing_that_learns_can_reach_the_truth():
    readers = [
        path.relative_to(Path(bench.__file__).parent).as_posix()
        for path in Path(bench.__file__).parent.rglob("*.py")
        if '"truth.json"' in path.read_text(encoding="utf-8")
    ]
    generators = ["data/synthetic/livestream/folder.py", "data/synthetic/shortvideo/folder.py"]
    assert sorted(readers) == [*generators, "data/truth.py"]
    modules = reached([PROJECT], [*CORE, "bench.methods.network", "bench.methods.references"])
    assert "bench.methods.train" in modules
    assert not {"bench.experiments.truth", "bench.data.synthetic.livestream.folder"} & set(modules)
