"""Metrics against numbers computed by hand, what is left blank, and how blanks are stored and shown."""

import numpy as np
import pandas as pd
import pytest
from workshop import caption_of, rows_of, values_of

from bench.config import ModelConfig, TrainingConfig
from bench.data.schema import Target
from bench.metrics import of_task
from bench.metrics import score as score_answers
from bench.plan import Plan, PlanRow
from bench.predictions import Answers
from bench.publish import read
from bench.spec import RunSpec
from bench.store import RunResult, RunStore

PLAIN, SIGNED = Target(column="y"), Target(column="y", sign=True)
TRUE, PREDICTED = np.array([1.0, 2.0, 4.0, 5.0]), np.array([1.5, 2.0, 3.0, 5.5])


METRICS = [metric.name for metric in of_task("regression")]


def score(target: Target, true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    return score_answers(Answers(target, true, predicted))


def test_values_are_those_computed_by_hand():
    # errors 0.5, 0, -1, 0.5; their mean 0; squares 0.25, 0, 1, 0.25
    # deviations of targets -2, -1, 1, 2 and of predictions -1.5, -1, 0, 2.5
    found = score(PLAIN, TRUE, PREDICTED)
    assert list(found) == list(METRICS)
    expected = {
        "MAE": 0.5,
        "MSE": 0.375,
        "MAPE": (0.5 + 0 + 0.25 + 0.1) / 4,
        "R2_score": 1 - 1.5 / 10,
        "EVS": 1 - 1.5 / 10,
        "RMSE": np.sqrt(0.375),
        "Pearson": 9 / np.sqrt(10 * 9.5),
        "Spearman": 1.0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert np.isnan(found["Acc2"])
    assert all(type(value) is float for value in found.values())


def test_a_bias_costs_r2_but_not_explained_variance():
    found = score(PLAIN, TRUE, TRUE + 1)
    assert (found["R2_score"], found["EVS"]) == pytest.approx((1 - 4 / 10, 1.0))
    assert found["Pearson"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("transform", "to"), [("log10", np.log10), ("log1p", np.log1p), ("none", np.asarray)]
)
def test_rmse_is_on_the_original_scale_and_all_else_on_the_transformed(transform, to):
    true, predicted = np.array([10.0, 100.0, 1000.0]), np.array([13.0, 96.0, 1000.0])
    found = score(Target(column="y", transform=transform), to(true), to(predicted))
    assert found["RMSE"] == pytest.approx(np.sqrt((9 + 16) / 3))
    assert found["MAE"] == pytest.approx(np.abs(to(true) - to(predicted)).mean())


@pytest.mark.parametrize(
    ("true", "blank"),
    [
        ([-1.0, 1.0, 2.0], True),
        ([0.0, 1.0, 2.0], True),
        ([-2.0, -1.0, 0.0], True),
        ([1e-9, 1, 2], False),
        ([-3.0, -2.0, -1.0], False),
    ],
)
def test_mape_is_blank_where_targets_touch_or_cross_zero(true, blank):
    true = np.array(true)
    found = score(PLAIN, true, true * 1.1)
    assert np.isnan(found["MAPE"]) == blank
    if not blank:
        assert found["MAPE"] == pytest.approx(0.1)
    assert np.isfinite([found[name] for name in METRICS if name not in ("MAPE", "Acc2")]).all()


@pytest.mark.parametrize(("true", "predicted"), [(TRUE, np.full(4, 2.5)), (np.full(4, 2.5), TRUE)])
@pytest.mark.filterwarnings("error")
def test_correlations_are_blank_where_a_side_is_constant(true, predicted):
    found = score(PLAIN, true, predicted)
    assert np.isnan([found["Pearson"], found["Spearman"]]).all()
    assert found["MAE"] == pytest.approx(1.5)


def test_spearman_sees_the_order_alone():
    assert score(PLAIN, TRUE, TRUE**9)["Spearman"] == pytest.approx(1.0)
    assert score(PLAIN, TRUE, -TRUE)["Spearman"] == pytest.approx(-1.0)
    assert score(PLAIN, TRUE, TRUE**9)["Pearson"] < 0.99


def test_the_sign_counts_only_where_the_target_has_one_and_is_not_zero():
    true = np.array([-2.0, -1.0, 0.0, 0.0, 1.0, 3.0])
    predicted = np.array([-1.0, 0.5, 9.0, -9.0, 0.1, -1.0])
    assert score(SIGNED, true, predicted)["Acc2"] == pytest.approx(2 / 4)
    assert np.isnan(score(PLAIN, true, predicted)["Acc2"])
    assert np.isnan(score(SIGNED, np.zeros(3), np.array([1.0, -1.0, 0.0]))["Acc2"])


@pytest.mark.filterwarnings("error")
def test_a_prediction_beyond_all_numbers_leaves_rmse_blank():
    found = score(Target(column="y", transform="log10"), TRUE, np.array([1.0, 2.0, 400.0, 5.0]))
    assert np.isnan(found["RMSE"])
    assert found["MSE"] == pytest.approx((396**2) / 4)


# --- stored and shown ---------------------------------------------------------------------------------


def stored(
    out, target: Target, true: np.ndarray, predicted: np.ndarray, method: str = "concat"
) -> tuple[RunStore, Plan]:
    """A plan of one method with two runs that predict the same."""
    store, runs = RunStore(out), []
    measured = {
        "params": 9, "flops": 1, "seconds": 1.0, "epochs": 1, "n_train": 9, "undecodable": 0, "chosen": "",
    }  # fmt: skip
    for seed in (0, 1):
        spec = RunSpec(
            method=method, model=ModelConfig(), training=TrainingConfig(), seed=seed, dataset="d",
            target=target, encoders={}, features="", code="",
        )  # fmt: skip
        n = np.arange(len(true))
        predictions = pd.DataFrame({
            "id": n, "group": n, "split": "test", "complete": n < 2, "y_true": true, "y_pred": predicted,
        })  # fmt: skip
        store.save(spec, RunResult(measured, predictions, pd.DataFrame({"epoch": []}), {}))
        runs.append(spec.id)
    row = PlanRow(method=method, encoders={}, reference=False, runs=runs)
    plan = Plan(
        experiment="fusion", title="T", paper="", dataset="d", description="", samples=20,
        target=target, preset="quick", seeds=2, undecodable=0, command="", rows=[row],
    )  # fmt: skip
    return store, plan


CROSSING = np.array([-1.0, 0.5, 1.0, 2.0])
CLOSE = np.array([-1.0, 1.5, 1.0, 3.0])


def test_metrics_are_computed_from_stored_predictions_on_all_or_on_complete_samples(tmp_path):
    store, plan = stored(tmp_path, PLAIN, CROSSING, np.full(4, 1.0))
    blank = ("MAPE", "Pearson", "Spearman", "Acc2")
    for scored, n in {"all": 4, "complete": 2}.items():
        plan.rows[0].scored = scored
        back, expected = values_of(store, plan, 0)[0], score(PLAIN, CROSSING[:n], np.full(n, 1.0))
        assert rows_of(plan, store)["n_test"].tolist() == [n]
        assert np.isnan([back[name] for name in blank]).all()
        assert {name: back[name] for name in METRICS if name not in blank} == {
            name: expected[name] for name in METRICS if name not in blank
        }


def test_what_is_beyond_all_numbers_is_blank_in_tables(tmp_path):
    log = Target(column="y", transform="log10")
    store, plan = stored(tmp_path, log, TRUE, np.array([1.0, 400.0, 4.0, 5.0]))
    table = rows_of(plan, store)
    assert np.isnan(table["RMSE"].iloc[0])
    assert np.isfinite(table["MSE"].iloc[0])


def test_a_blank_metric_is_a_dash_or_no_column_an_empty_cell_and_a_note(tmp_path):
    store, plan = stored(tmp_path, Target(column="y", unit="m"), CROSSING, CLOSE)
    read(plan, store).write_tables(tmp_path, everything=True)
    csv = (tmp_path / "tables" / "fusion.csv").read_text(encoding="utf-8")
    header, cells = (line.split(",") for line in csv.splitlines())
    for name in ("MAPE", "MAPE_low", "MAPE_high", "Acc2"):
        assert cells[header.index(name)] == ""
    assert float(cells[header.index("MAE")]) == 0.5
    text = (tmp_path / "tables" / "fusion.md").read_text(encoding="utf-8")
    assert "nan" not in text.lower()
    assert "MAPE is left blank: the target crosses zero" in text
    assert "RMSE is on the original scale [m]." in text
    assert "Acc2" not in text
    tex = (tmp_path / "tables" / "fusion.tex").read_text(encoding="utf-8")
    assert "nan" not in tex
    assert "MAPE &" not in tex
    assert "Pearson" in tex
    assert "MAPE is left blank" in tex


def test_a_dash_stands_where_only_some_rows_have_a_metric(tmp_path):
    """A constant prediction has no correlation; beside others the column is there."""
    store, plan = stored(tmp_path, SIGNED, CROSSING, CLOSE)
    _, constant = stored(tmp_path, SIGNED, CROSSING, np.full(4, 1.0), "mean")
    plan = plan.model_copy(update={"rows": [*plan.rows, *constant.rows]})
    read(plan, store).write_tables(tmp_path, everything=True)
    lines = (tmp_path / "tables" / "fusion.md").read_text(encoding="utf-8").splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    rows = {row[0]: dict(zip(table[0], row, strict=True)) for row in table[2:]}
    assert rows["mean"]["Pearson"] == rows["mean"]["Spearman"] == "–"
    assert rows["concat"]["Pearson"] not in ("–", "")
    assert rows["concat"]["Acc2"].startswith("**1.00**")
    assert "neutral ones (0) left out" in caption_of(plan, store)
    assert "MAPE is left blank" in caption_of(plan, store)
