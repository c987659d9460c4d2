"""Sources missing at test time: what a run records, and the areas, tables, figure and verdict from it."""

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from test_figures import check_files, check_legible, record
from workshop import ENTITIES, FALLS, Row, Workshop, rows_of, sheet_of, values_of, verdict, write_tables

from bench.cli import main
from bench.compare.frame import Row as ReadRow
from bench.compare.tests import interval as corrected_interval
from bench.compare.verdict import ONE_SEED
from bench.config import ModelConfig
from bench.experiments.missing import Curves
from bench.experiments.missing import by_source as by_source_of
from bench.methods.network import Network, build_model
from bench.methods.train import predict
from bench.metrics import of_task, score
from bench.observe.missing import curves as curves_of_record
from bench.plan import Plan, PlanRow, load_plans
from bench.predictions import Answers, answers
from bench.publish import read
from bench.runner import execute
from bench.spec import RunSpec
from bench.store import RunStore
from bench.trial import parts_of

CPU = torch.device("cpu")


def by_source(plan, store):
    return by_source_of(read(plan, store).results)


METRICS = [metric.name for metric in of_task("regression")]
FULL, DROPOUT = "full data", "source dropout"
SEVEN = ("memf", "vtfsa", "cmmt", "mult", "mfb", "tfn", "concat")


def compared(
    workshop: Workshop,
    full: dict[str, float],
    dropout: dict[str, float] | None = None,
    falls: dict[str, float] = FALLS,
) -> Plan:
    """A plan of both arms, method -> noise, with curves."""
    arms = {FULL: full, DROPOUT: full if dropout is None else dropout}
    rows = [Row(name, noise, arm) for arm, noises in arms.items() for name, noise in noises.items()]
    plan = workshop.plan("missing", rows)
    workshop.take_away(plan, falls)
    return plan


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    return Workshop(tmp_path)


# --- areas and tables -------------------------------------------------------------------------------------


def test_areas_are_those_computed_by_hand():
    shares = [1.0, 0.0, 0.5, 0.75, 0.25]
    steps = {"a": [0.0, 1.0, 0.5, 0.0, 0.5], "b": [0.2, 0.2, 0.2, 0.2, 0.2]}
    run = pd.DataFrame(
        {"source": name, "share": share, "R2_score": value}
        for name, values in steps.items()
        for share, value in zip(shares, values, strict=True)
    )
    row = PlanRow(method="memf", encoders={}, runs=[])
    curves = Curves(ReadRow(row, {}, (8, 2)), (run, run.assign(R2_score=2 * run["R2_score"])))
    assert curves.sources == ["a", "b"]
    # a quarter of (1 + 0.5)/2 + (0.5 + 0.5)/2 + (0.5 + 0)/2 + 0
    assert curves.areas("R2_score", "a").tolist() == pytest.approx([0.375, 0.75])
    assert curves.areas("R2_score", "b").tolist() == pytest.approx([0.2, 0.4])
    assert curves.areas("R2_score").tolist() == pytest.approx([0.2875, 0.575])


def test_the_table_has_areas_over_seeds_after_all_other_columns(workshop):
    plan = compared(workshop, {"memf": 0.6, "concat": 0.8})
    table = rows_of(plan, workshop.store)
    added = [f"area_{m}{end}" for m in ("MSE", "R2_score") for end in ("", "_low", "_high", "_sd")]
    assert list(table)[-8:] == added
    half = np.mean(list(FALLS.values())) / 2
    for i, (row, shown) in enumerate(zip(plan.rows, table.itertuples(), strict=True)):
        found = values_of(workshop.store, plan, i)
        r2, mse = ([run[m] for run in found] for m in ("R2_score", "MSE"))
        assert shown.area_R2_score == pytest.approx(np.mean(r2) - half)
        variances = [workshop.store.predictions(run)["y_true"].var(ddof=0) for run in row.runs]
        assert shown.area_MSE == pytest.approx(np.mean(mse) + half * np.mean(variances))
        assert shown.area_R2_score_sd == pytest.approx(np.std(r2, ddof=1))
        interval = corrected_interval([x - half for x in r2], 256, 64)
        assert (shown.area_R2_score_low, shown.area_R2_score_high) == pytest.approx(interval)


def test_no_other_experiment_has_areas(workshop):
    plan = compared(workshop, {"memf": 0.6, "concat": 0.8}).model_copy(update={"experiment": "fusion"})
    assert not [column for column in rows_of(plan, workshop.store) if column.startswith("area")]
    assert not [path for path in write_tables(plan, workshop.store, workshop.out) if "sources" in path.name]


def test_files(workshop):
    plan = compared(workshop, {"memf": 0.4, "concat": 0.8}).model_copy(update={"paper": ""})
    paths = {path.name: path for path in write_tables(plan, workshop.store, workshop.out)}
    assert paths.keys() == {f"missing{end}" for end in (".md", ".csv", ".tex", "-seeds.csv", "-sources.csv")}
    sources = pd.read_csv(paths["missing-sources.csv"])
    assert list(sources["source"]) == 4 * list(FALLS)
    assert sources["loss_R2_score"].tolist() == pytest.approx(4 * [-fall for fall in FALLS.values()])
    mean = np.mean([values["R2_score"] for values in values_of(workshop.store, plan, 0)])
    area = sources["area_R2_score"][:5].tolist()
    assert area == pytest.approx([mean - fall / 2 for fall in FALLS.values()])
    assert (sources["area_R2_score_low"] < sources["area_R2_score"]).all()
    text = paths["missing.md"].read_text(encoding="utf-8")
    header = next(line for line in text.splitlines() if line.startswith("| method"))
    best = next(line for line in text.splitlines() if line.startswith(f"| memf | {FULL}"))
    cells = dict(zip(header.split(" | "), best.split(" | "), strict=True))
    assert cells["area_MSE"].startswith("**"), "the lowest"
    assert cells["area_R2_score"].startswith("**"), "the highest"
    assert "## Area by source\n" in text
    assert "\n| method | arm | source | area R2_score" in text
    assert f"| concat | {DROPOUT} | anchor.image |" in text
    for part in ("livestream", "3 seeds", "resnet50 (random)", "taken away from 0 to 100 %"):
        assert part in text
    assert "of the paper" not in text


def test_a_row_scored_on_complete_samples_has_no_area(workshop):
    plan = compared(workshop, {"memf": 0.6, "concat": 0.8})
    plan.rows[0] = plan.rows[0].model_copy(update={"scored": "complete"})
    assert rows_of(plan, workshop.store)["area_MSE"].isna().tolist() == [True, False, False, False]
    assert len(by_source(plan, workshop.store)) == 3 * len(FALLS)


def test_the_page_has_the_areas(workshop):
    plan = compared(workshop, {"memf": 0.4, "concat": 0.8})
    sheet = sheet_of(plan, workshop.store)
    names = [column.name for column in sheet.columns]
    for area in ("area_MSE", "area_R2_score"):
        cells = [line.cells[names.index(area)] for line in sheet.lines]
        assert [cell.best for cell in cells] == [True, False, False, False]
        assert all(cell.interval for cell in cells)


# --- figure -----------------------------------------------------------------------------------------------


def drawn(workshop: Workshop, monkeypatch) -> str:
    """Draw, check the files and every text; the caption. A warning is an error."""
    canvases = record(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = workshop.draw()["missing"]
    check_files(figure)
    check_legible("missing", canvases["missing"])
    return figure.caption


def test_the_figure_of_seven_methods_and_eleven_sources(workshop, monkeypatch):
    falls = {f"{entity}.{kind}": 0.1 * i for i, entity in enumerate(ENTITIES) for kind in ("text", "image")}
    noise = {name: 0.5 + 0.04 * i for i, name in enumerate(SEVEN)}
    compared(workshop, noise, falls=falls | {"audio.audio": 3.0})
    caption = drawn(workshop, monkeypatch)
    for part in ("Dataset livestream", "3 seeds", "resnet50 (random)", "taken away", "95 % intervals"):
        assert part in caption


def test_the_figure_of_one_seed_two_sources_and_hard_names(tmp_path, monkeypatch):
    workshop = Workshop(tmp_path, seeds=1)
    long = "gated-multimodal-unit-with-bilinear-pooling-v2"
    compared(
        workshop, {long: 0.6, "memf": 300.0}, falls={"直播间.text": 0.5, "a room with a long name.image": 0}
    )
    assert "One seed" in drawn(workshop, monkeypatch)
    workshop.plans[0].rows[:] = workshop.plans[0].rows[:1]
    assert drawn(workshop, monkeypatch)


def test_without_curves_there_is_no_figure_no_area_and_no_verdict(workshop):
    plan = workshop.plan("missing", [Row("memf", 0.6, FULL), Row("concat", 0.7, FULL)])
    assert workshop.draw() == {}
    assert verdict(plan, workshop.store) == ""
    assert by_source(plan, workshop.store).empty
    paths = write_tables(plan, workshop.store, workshop.out)
    assert "area" not in paths[0].read_text(encoding="utf-8").lower()


# --- verdict ----------------------------------------------------------------------------------------------


def with_levels(tmp_path: Path, full: dict[str, list[float]], dropout: dict[str, list[float]]) -> str:
    """The verdict on methods whose R2_score is the same at every share: method -> one value per seed."""
    workshop = Workshop(tmp_path, seeds=len(next(iter(full.values()))))
    plan = compared(workshop, dict.fromkeys(full, 0.5), dict.fromkeys(dropout, 0.5))
    levels = {FULL: full, DROPOUT: dropout}
    for row in plan.rows:
        for run, value in zip(row.runs, levels[row.variant][row.method], strict=True):
            workshop.explain(run, value)
    workshop.take_away(plan, dict.fromkeys(FALLS, 0.0))
    return verdict(plan, workshop.store)


def test_the_verdict_distinguishes_what_is_far_apart(tmp_path):
    mfb, memf, late = [0.70, 0.60, 0.65, 0.67], [0.60, 0.69, 0.62, 0.67], [0.30, 0.21, 0.24, 0.29]
    said = with_levels(
        tmp_path,
        {"mfb": mfb, "memf": memf, "late": late},
        {"mfb": [x - 0.4 for x in late], "memf": memf, "late": [x + 0.001 for x in late]},
    )
    said, numbers = re.subn(r"\d\.\d{3}(?= would)", "#", said)
    how = "(All pairs of 3 rows at once, 5 %; 4 random splits, 64 test samples in each.)"
    found = "would have been found in four cases of five"
    assert numbers == 1
    assert said == (
        "With full data, mfb has the smallest mean area under MSE; distinguished from it: late; "
        f"memf cannot be, a difference of # {found}. {how} "
        "With source dropout, memf has the smallest mean area under MSE; "
        f"distinguished from it: late, mfb. {how} "
        "Source dropout changes the area of mfb (+0.817); for memf, late nothing can be shown. "
        "(3 planned comparisons at once, 5 %; 4 random splits, 64 test samples in each.)"
    )


def test_the_verdict_says_so_when_nothing_can_be_distinguished(tmp_path):
    noisy = {"mfb": [0.1, 0.6, 0.3], "memf": [0.5, 0.2, 0.4]}
    said = with_levels(tmp_path, noisy, {name: x[::-1] for name, x in noisy.items()})
    assert said.count("no other can be distinguished from it, a difference of ") == 2
    assert "That source dropout changes the area cannot be shown for any method, any difference of " in said


def test_the_verdict_leaves_out_a_method_that_lacks_a_seed(workshop):
    plan = compared(workshop, {"mfb": 0.3, "memf": 0.6, "late": 0.7})
    shutil.rmtree(workshop.store.root / plan.rows[0].runs[1])
    said = verdict(plan, workshop.store)
    assert f"With {FULL}, memf has" in said
    assert f"With {DROPOUT}, mfb has" in said
    assert len(by_source(plan, workshop.store)) == 6 * len(FALLS), "its other seeds are still shown"


def test_one_seed_has_no_verdict(tmp_path):
    workshop = Workshop(tmp_path, seeds=1)
    assert verdict(compared(workshop, {"mfb": 0.3, "memf": 0.6}), workshop.store) == ONE_SEED


# --- what a run records -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(stream_folder, tmp_path_factory) -> Path:
    """The experiment from end to end."""
    out = tmp_path_factory.mktemp("missing")
    options = [
        "run", "--experiment", "missing", "--data", stream_folder, "--out", out, "--fusion", "concat,late",
        "--seeds", "2", "--backbone", "resnet18", "--text", "hashing", "--weights", "random",
        "--executor", "inline",
        "--device", "cpu", "--save-models", "--set", "encoders.image_size=32", "--set", "training.epochs=2",
        "--set", "model.dim=16",
    ]  # fmt: skip
    result = CliRunner().invoke(main, [str(option) for option in options])
    assert result.exit_code == 0, result.output
    assert "8 runs executed" in result.output
    return out


def spec_of(store: RunStore, run: str) -> RunSpec:
    return RunSpec.model_validate_json((store.root / run / "config.json").read_text(encoding="utf-8"))


def planned(out: Path) -> Plan:
    (plan,) = load_plans(out)
    return plan


def test_the_experiment_leaves_its_files(done):
    files = {
        str(path.relative_to(done)) for kind in ("tables", "figures") for path in (done / kind).iterdir()
    }
    tables = {f"tables/missing{end}" for end in (".md", ".csv", ".tex", "-seeds.csv", "-sources.csv")}
    assert files == tables | {"figures/missing.png", "figures/missing.svg"}
    assert pd.read_csv(done / "tables" / "missing.csv")[["area_MSE", "area_R2_score"]].notna().all(axis=None)


def test_curves_begin_at_the_runs_metrics_and_end_without_the_source(done, features):
    store = RunStore(done)
    for row in planned(done).rows:
        for run in row.runs:
            spec, table = spec_of(store, run), store.predictions(run)
            curves = curves_of_record(
                spec.target, store.record(run, "missing.parquet"), table, of_task("regression")
            )
            metrics = score(answers(spec.target, table))
            method = Network.load(store.root / run / "model", spec, features.layout, CPU)
            rows, target = parts_of(spec, features).test, features.samples["target"]
            assert list(dict.fromkeys(curves["source"])) == [str(source) for source in features.folders]
            for source in features.folders:
                curve = curves[curves["source"] == str(source)].set_index("share")
                assert curve.index.tolist() == [0, 0.25, 0.5, 0.75, 1]
                assert curve.loc[0, list(METRICS)].to_dict() == pytest.approx(
                    {name: metrics[name] for name in METRICS}, rel=1e-12, nan_ok=True
                )
                hidden = features.hiding({source: np.ones(len(target), dtype=bool)})
                without = score(Answers(features.target, target[rows], method.predict(hidden, rows)))
                assert curve.loc[1, list(METRICS)].to_dict() == pytest.approx(without, rel=1e-12, nan_ok=True)


def test_training_with_source_dropout_gives_another_model(done):
    store, plan = RunStore(done), planned(done)
    runs = {(row.method, row.variant): row.runs for row in plan.rows}
    assert runs.keys() == {(method, arm) for method in ("concat", "late") for arm in (FULL, DROPOUT)}
    for method in ("concat", "late"):
        for full, dropout in zip(runs[method, FULL], runs[method, DROPOUT], strict=True):
            assert (spec_of(store, full).training.source_dropout, spec_of(store, full).seed) == (
                0, spec_of(store, dropout).seed,
            )  # fmt: skip
            assert spec_of(store, dropout).training.source_dropout > 0
            both = [store.predictions(run) for run in (full, dropout)]
            assert both[0]["id"].tolist() == both[1]["id"].tolist()
            assert np.abs(both[0]["y_pred"] - both[1]["y_pred"]).max() > 1e-3


def test_curves_are_the_same_alone_and_with_other_observations(done, features):
    store = RunStore(done)
    run = planned(done).rows[0].runs[0]
    for more in ((), ("test-history", "attention", "model")):
        again = execute(spec_of(store, run), features, CPU, frozenset({"missing", *more}))
        pd.testing.assert_frame_equal(
            again.records["missing.parquet"], store.record(run, "missing.parquet"), check_exact=True
        )


@pytest.mark.parametrize("name", ["memf", "mean", "late", "vtfsa"])
def test_a_source_that_no_sample_has_is_absent_like_any_other(features, name):
    """An entity of many items whose texts are all hidden still has its items."""
    model = build_model(features.layout, name, {}, ModelConfig(dim=16, heads=2), seed=0)
    n = len(features.samples["target"])
    everyone, alone = np.ones(n, dtype=bool), np.arange(n) == 7
    for source in features.folders:
        none = predict(model, features.hiding({source: everyone}), np.arange(n), CPU)
        one = predict(model, features.hiding({source: alone}), np.arange(n), CPU)
        assert none[7] == pytest.approx(one[7], abs=1e-6)


@pytest.mark.parametrize("name", SEVEN)
def test_hiding_a_source_from_some_leaves_the_others_as_they_are(features, name):
    model = build_model(features.layout, name, {}, ModelConfig(dim=16, heads=2), seed=0)
    n = len(features.samples["target"])
    model.fit_scales(features.batches(np.arange(n), 64), features.samples["target"])
    whole = predict(model, features, np.arange(n), CPU)
    hidden = np.arange(n) % 3 == 0
    for source in features.folders:
        some = predict(model, features.hiding({source: hidden}), np.arange(n), CPU)
        np.testing.assert_allclose(some[~hidden], whole[~hidden], rtol=0, atol=1e-6)
    every = predict(model, features.hiding(dict.fromkeys(features.folders, hidden)), np.arange(n), CPU)
    np.testing.assert_allclose(every[~hidden], whole[~hidden], rtol=0, atol=1e-6)
    assert np.abs(every[hidden] - whole[hidden]).max() > 1e-3
