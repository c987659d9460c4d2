"""Data drawn anew for every seed: the same runs as on each dataset by itself, read without any overlap."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import without_figures
from scipy import stats
from workshop import Row, Workshop, caption_of, headline_of, rows_of, verdict, write_page, write_tables

from bench.cli import main
from bench.compare.components import from_losses, from_values
from bench.compare.power import MOST, detectable
from bench.compare.simultaneous import Simultaneous
from bench.compare.verdict import compared
from bench.data import catalog
from bench.data.dataset import Dataset
from bench.errors import UsageError
from bench.plan import FRESH, load_plans
from bench.publish import read, read_one
from bench.request import Request
from bench.store import RunStore
from bench.workflow import run

STREAMS = 24
OPTIONS = [
    "--fusion", "concat", "--backbone", "resnet18", "--weights", "random", "--device", "cpu", "--jobs", "1",
    "--executor", "inline", "--set", "encoders.image_size=32", "--set", "training.epochs=2",
    "--set", "model.dim=16",
]  # fmt: skip
ROWS = 5
"""One fusion, four references."""


def bench(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["run", *map(str, arguments), *OPTIONS])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Two seeds, each with data of its own."""
    out = tmp_path_factory.mktemp("fresh")
    with without_figures():
        said = bench("--fresh", "--seeds", 2, "--streams", STREAMS, "--out", out)
    assert f"{2 * ROWS} runs executed" in said
    return out


def runs(out: Path) -> dict[str, list[str]]:
    (plan,) = load_plans(out)
    return {row.method: row.runs for row in plan.rows}


# -- runs --------------------------------------------------------------------------------------------------


def test_a_run_is_that_of_the_dataset_of_its_seed_bit_for_bit(drawn, tmp_path, undrawn):
    folder = catalog.make("livestream", tmp_path / "data", streams=STREAMS, seed=1)
    bench("--data", folder, "--seeds", 2, "--out", tmp_path / "ordinary")
    fresh, ordinary = runs(drawn), runs(tmp_path / "ordinary")
    for method in fresh:
        assert fresh[method][1] == ordinary[method][1]
        assert fresh[method][0] != ordinary[method][0], "the first seed has other data"
        files = [out / "runs" / fresh[method][1] for out in (drawn, tmp_path / "ordinary")]
        one, other = (folder / "predictions.parquet" for folder in files)
        assert one.read_bytes() == other.read_bytes()


def test_the_same_command_executes_nothing_and_more_seeds_only_theirs(drawn, undrawn):
    command = ["--fresh", "--streams", STREAMS, "--out", drawn]
    again = bench(*command, "--seeds", 2)
    assert f"0 runs executed, {2 * ROWS} already stored, 0 failed; 0 items encoded." in again
    before = runs(drawn)
    assert f"{ROWS} runs executed, {2 * ROWS} already stored" in bench(*command, "--seeds", 3)
    assert all(runs(drawn)[method][:2] == ids for method, ids in before.items())
    assert f"0 runs executed, {2 * ROWS} already stored" in bench(*command, "--seeds", 2)
    assert all(len(ids) == 3 for ids in runs(drawn).values()), "the longer plan stays"


def test_ordinary_runs_beside_them_are_neither_repeated_nor_taken_for_them(tmp_path, undrawn):
    command = ["--streams", STREAMS, "--out", tmp_path, "--seeds", 2]
    bench(*command)
    # the first seed is that of the one dataset
    assert f"{ROWS} runs executed, {ROWS} already stored" in bench(*command, "--fresh")
    current, archived = load_plans(tmp_path)
    assert (current.split, archived.split) == (FRESH, "random")
    assert not current.archived
    assert archived.archived
    assert current.rows[0].runs[0] == archived.rows[0].runs[0]
    assert current.rows[0].runs[1] != archived.rows[0].runs[1]
    assert f"0 runs executed, {2 * ROWS} already stored" in bench(*command)


def test_every_seed_has_other_samples(drawn):
    store, ids = RunStore(drawn), runs(drawn)["concat"][:2]
    first, second = (store.predictions(run).set_index("id")["y_true"] for run in ids)
    both = first.index.intersection(second.index)
    assert not np.isin(first[both], second[both]).any()
    fingerprints = [store.spec(run).features for run in ids]
    assert len(set(fingerprints)) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "FOLDER"], "--fresh draws a new dataset for every seed, which takes a generator (livest"),
        (["--split", "kfold"], "every seed has data of its own, split at random; leave out --split kfold."),
        (["--data", "livestrem"], "livestrem is none. Leave --fresh out."),
    ],
)
def test_what_cannot_be_drawn_anew_is_refused_in_a_sentence(stream_folder, tmp_path, options, said):
    options = [stream_folder if option == "FOLDER" else option for option in options]
    output = bench("--fresh", "--streams", STREAMS, "--out", tmp_path, "--seeds", 2, *options, code=2)
    assert said in output
    assert "Traceback" not in output


def test_a_dataset_in_hand_is_as_it_is(tmp_path):
    table = pd.DataFrame({"y": np.arange(30.0), "x": np.arange(30.0)})
    data = Dataset.from_frames(table, target="y", entities={"e": {"numeric": ["x"]}})
    with pytest.raises(UsageError, match=r"a dataset in hand \(frames\) is none"):
        run(Request(data=data, fresh=True, out=tmp_path))


# -- what is said of them ----------------------------------------------------------------------------------


def test_tables_say_what_the_numbers_are_about(drawn):
    text = (drawn / "tables" / "fusion.md").read_text(encoding="utf-8")
    assert "Datasets drawn anew, the first of them livestream (" in text
    assert "each its own newly generated dataset, split at random. Nothing overlaps" in text
    assert "95 % intervals (t, over datasets that have nothing in common)" in text
    assert "Nadeau" not in text
    for name in ("fusion", "fusion-seeds"):
        table = pd.read_csv(drawn / "tables" / f"{name}.csv")
        assert set(table["estimand"]) == {"mean over newly generated datasets, one per seed"}
    predictions = read_one(drawn).results.frame()
    assert predictions["sample"].str.match(r"\d/stream-").all()
    assert set(predictions["estimand"]) == {"mean over newly generated datasets, one per seed"}


def test_the_page_says_so_too(tmp_path):
    workshop = Workshop(tmp_path)
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("fc", 0.6)], split=FRESH)
    page = write_page([plan], workshop.store, tmp_path).read_text(encoding="utf-8")
    assert "1 experiment on datasets drawn anew, the first of them livestream" in page
    assert "t, over datasets that have nothing in common" in page
    assert "Nadeau" not in page


def test_other_tables_have_no_such_column(tmp_path):
    workshop = Workshop(tmp_path)
    paths = write_tables(
        workshop.plan("fusion", [Row("memf", 0.5), Row("fc", 0.6)]), workshop.store, tmp_path
    )
    assert not any("estimand" in pd.read_csv(path) for path in paths if path.suffix == ".csv")


def test_intervals_are_those_of_independent_datasets(tmp_path):
    workshop = Workshop(tmp_path, seeds=5)
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("fc", 0.6)], split=FRESH)
    seeds = read(plan, workshop.store).results.rows[0].values("MSE")
    low, high = stats.ttest_1samp(seeds, 0).confidence_interval()
    table = rows_of(plan, workshop.store)
    assert table.loc[0, ["MSE_low", "MSE_high"]].tolist() == pytest.approx([low, high], abs=1e-12)
    assert "Nothing overlaps" in caption_of(plan, workshop.store)
    assert "5 newly generated datasets, 64 test samples in each" in verdict(plan, workshop.store)
    assert "training alone" not in headline_of(plan, workshop.store).entries[0].interval


def test_two_methods_are_compared_by_the_plain_paired_test(tmp_path, rng):
    """Same ids in every dataset: they are other samples, and nothing is added for an overlap."""
    workshop = Workshop(tmp_path, seeds=6)
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("fc", 0.6)], split=FRESH)
    for row in plan.rows:
        for run_id in row.runs:
            true = workshop.store.predictions(run_id)["y_true"].to_numpy()
            # more from dataset to dataset than from sample to sample
            workshop.predict(run_id, true + rng.normal(0.8, 0.3) + rng.normal(0, 0.05, len(true)))
    results = read(plan, workshop.store).results
    named = {row.row.method: row for row in results.rows}
    found = compared(results, named)
    planned = found.planned({"it": ("memf", "fc")})["it"]
    expected = stats.ttest_rel(*(named[name].values("MSE") for name in ("memf", "fc")))
    assert planned.p == pytest.approx(expected.pvalue, abs=1e-8)
    assert (planned.low, planned.high) == pytest.approx(tuple(expected.confidence_interval()), abs=1e-8)
    assert found.parts.overlap == 0
    assert found.parts.samples == 6 * 64


# -- the procedure -----------------------------------------------------------------------------------------


def test_names_of_samples_that_recur_are_other_samples(rng):
    losses = [rng.normal(size=(3, 20)) for _ in range(4)]
    same, other = [np.arange(20)] * 4, [np.arange(20) + 100 * s for s in range(4)]
    anew, distinct = from_losses(losses, same, anew=True), from_losses(losses, other)
    np.testing.assert_allclose(anew.variance, distinct.variance)
    np.testing.assert_allclose(anew.df, distinct.df)
    assert anew.samples == 80
    assert from_losses(losses, same).samples == 20


def test_equal_methods_are_rarely_distinguished_and_the_floor_is_gone(rng):
    """A method's luck on a dataset is its own; 5 % with 2 standard errors of so few comparisons."""
    repeats, false = 200, 0
    for _ in range(repeats):
        losses = [rng.normal(size=(6, 1)) * 0.15 + rng.normal(size=(6, 40)) for _ in range(4)]
        parts = from_losses(losses, [np.arange(40)] * 4, anew=True)
        false += Simultaneous(tuple("abcdef"), parts, lower_is_better=True).any_found
    assert false / repeats <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / repeats)
    reach = [detectable(parts, n).pair for n in (4, 16, 64, MOST)]
    assert reach[2] == pytest.approx(reach[1] / 2, rel=0.2)
    assert reach[3] < reach[0] / 20
    values = from_values(rng.normal(size=(3, 4)), anew=True)
    assert detectable(values, MOST).pair < detectable(values, 4).pair / 20


def test_power_speaks_of_seeds_with_data_of_their_own(tmp_path):
    workshop = Workshop(tmp_path, seeds=3)
    workshop.plan("fusion", [Row("memf", 0.6), Row("concat", 0.63), Row("fc", 0.7)], split=FRESH)
    result = CliRunner().invoke(main, ["power", "--delta", "1e-6", "--out", str(tmp_path)])
    said = " ".join(result.output.split())
    assert "Seeds, each with data of its own: no number is enough for two methods" in said
    assert "With 10,000 of them nothing below" in said
    assert "finite" not in said
    assert "overlap" not in said
