"""Several targets in one description: a run each, one table, and nothing else differs from one target."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from workshop import Row, Workshop, rows_of

from bench.cli import main
from bench.compare.verdict import default_verdict
from bench.data.dataset import Dataset, read_dataset
from bench.data.schema import Target
from bench.data.splits import split
from bench.errors import DataError, UsageError
from bench.experiments.scatter import DRAWN
from bench.labels import for_files
from bench.plan import Plan, load_plans
from bench.predict import load
from bench.publish import read, read_all
from bench.report.tables import results_sheet
from bench.request import Request
from bench.store import RunStore
from bench.workflow import run

N = 40
TARGETS = ("likes", "shares")
BOTH = 'columns = ["likes", "shares"]\ntransform = "log10"'
SMALL = ("training.epochs=2", "model.dim=16", "model.heads=2", "encoders.hashing_width=16")


def posts() -> pd.DataFrame:
    """Likes follow the number, shares the word."""
    rng = np.random.default_rng(0)
    x, word = rng.normal(size=N), rng.integers(3, size=N)
    return pd.DataFrame({
        "id": [f"s{i}" for i in range(N)], "title": [f"word{k} and" for k in word], "x": x,
        "likes": np.round(100 * np.exp(x + 0.5 * rng.normal(size=N))) + 1,
        "shares": np.round(10 * np.exp(word + 0.5 * rng.normal(size=N))) + 1,
        "liked": np.where(x > 0, "yes", "no"), "kind": np.array(["a", "b", "c"])[word],
    })  # fmt: skip


def folder(path: Path, target: str = BOTH, table: pd.DataFrame | None = None) -> Path:
    path.mkdir()
    (posts() if table is None else table).to_csv(path / "samples.csv", index=False)
    (path / "dataset.toml").write_text(
        f'name = "posts"\n[target]\n{target}\n[entities.post]\ntext = ["title"]\n'
        '[entities.author]\nnumeric = ["x"]\n'
    )
    return path


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def carry_out(data: Path, out: Path, experiments: tuple[str, ...] = ("fusion",)) -> list[Plan]:
    request = Request(
        experiments, data=str(data), fusions="concat,memf", seeds=2, out=out, device="cpu",
        executor="inline", settings=SMALL, observe=frozenset({"model"}),
    )  # fmt: skip
    report = run(request)
    assert not report.summary.failures
    return report.plans


@pytest.fixture(scope="module")
def family(tmp_path_factory) -> Path:
    """An output folder of both targets; `data` lies beside it."""
    home = tmp_path_factory.mktemp("family")
    carry_out(folder(home / "data"), home / "out", ("fusion", "data"))
    return home / "out"


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> Path:
    """The same of the second target alone."""
    home = tmp_path_factory.mktemp("single")
    carry_out(folder(home / "data", 'column = "shares"\ntransform = "log10"'), home / "out")
    return home / "out"


def plan_of(out: Path, experiment: str = "fusion") -> Plan:
    return next(plan for plan in load_plans(out) if plan.experiment == experiment)


# -- description


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ('column = ["likes", "shares"]', "target has several names in `column`; write them in `columns`"),
        ('columns = "likes"', "target has one name in `columns`; write it in `column`"),
        ("columns = []", "target.column is missing"),
        ('columns = ["likes", "likes"]', "target.columns names likes more than once"),
        ('column = "likes"\ncolumns = ["shares"]', "target has `column` and `columns`; keep one"),
        ('columns = ["likes", "title"]', "row 2 column 'title': .* is not a finite number"),
        ('columns = ["likes", "saves"]', "no column 'saves'"),
    ],
)
def test_what_names_no_targets_of_one_kind_is_refused(target, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_dataset(folder(tmp_path / "data", target))


def test_a_missing_target_column_is_one_problem_and_not_an_empty_cell_in_every_row(tmp_path):
    told = bench("data", "check", folder(tmp_path / "data", 'columns = ["likes", "saves"]')).output
    assert "no column 'saves'" in told
    assert "empty" not in told


def test_each_is_the_dataset_that_one_column_makes(tmp_path):
    both = read_dataset(folder(tmp_path / "both"))
    ones = [
        read_dataset(folder(tmp_path / name, f'column = "{name}"\ntransform = "log10"')) for name in TARGETS
    ]
    assert [one.schema for one in both.each] == [one.schema for one in ones]
    assert [one.target.tolist() for one in both.each] == [one.target.tolist() for one in ones]
    shares = both.each[1]
    assert shares.each == (shares,)
    assert {one.fingerprint for one in both.each} == {ones[0].fingerprint}


def test_one_name_in_columns_is_one_target(tmp_path):
    data = read_dataset(folder(tmp_path / "data", 'columns = ["likes"]'))
    assert data.each == (data,)
    assert data.schema.target == Target(column="likes")


def test_classes_are_each_columns_own_and_its_splits_keep_their_shares():
    data = Dataset.from_frames(
        posts(), target={"columns": ["liked", "kind"], "task": "multiclass"},
        entities={"author": {"numeric": ["x"]}}, id="id",
    )  # fmt: skip
    assert [one.schema.target.classes for one in data.each] == [("no", "yes"), ("a", "b", "c")]
    for one in data.each:
        classes = one.schema.target.classes
        parts = split(one.samples, 0, test=0.2, validation=0.15, classes=classes)
        in_test = np.bincount(one.target[parts.test].astype(int), minlength=len(classes))
        assert (np.abs(in_test - 0.2 * np.bincount(one.target.astype(int))) <= 0.5).all()


def test_an_empty_cell_is_refused_with_the_target_it_is_of(tmp_path):
    table = posts()
    table.loc[3, "shares"] = np.nan
    data = folder(tmp_path / "data", table=table)
    with pytest.raises(DataError, match="row 5 column 'shares': the target is empty"):
        read_dataset(data)
    told = bench("data", "check", data)
    assert told.exit_code == 1
    assert "row 5 column 'shares': the target is empty" in told.output


def test_check_says_which_target_an_input_or_a_rare_class_is_about(tmp_path):
    table = posts()
    table["title"] = pd.cut(np.log(table["shares"]), 4, labels=[*"abcd"]).astype(str)
    table["x"] = np.log(table["likes"])
    told = bench("data", "check", folder(tmp_path / "leaks", table=table)).output
    assert "(target likes)" in next(line for line in told.splitlines() if "column 'x'" in line)
    assert "(target likes, shares)" not in told
    table["kind"] = ["a", "b"] + ["c"] * (N - 2)
    classes = 'columns = ["liked", "kind"]\ntask = "multiclass"'
    told = bench("data", "check", folder(tmp_path / "rare", classes, table)).output
    assert "target kind: class 'a' has 1 sample" in told


def test_stats_tells_of_every_target(tmp_path):
    told = bench("data", "stats", folder(tmp_path / "data")).output
    assert "targets log10(likes), log10(shares)" in told
    rows = [line.split()[:2] for line in told.splitlines()]
    for name in TARGETS:
        assert [name, "training"] in rows
        assert [name, "test"] in rows
        assert [name] in rows  # above its histogram


# -- runs


def test_every_target_has_the_runs_that_it_has_alone(family, single):
    plan, alone = plan_of(family), plan_of(single)
    assert {row.target for row in plan.rows} == {*TARGETS}
    own = [row for row in plan.rows if row.target == "shares"]
    assert [row.runs for row in own] == [row.runs for row in alone.rows]
    for run_id in (run_id for row in own for run_id in row.runs):
        one, other = RunStore(family).predictions(run_id), RunStore(single).predictions(run_id)
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert len({run_id for row in plan.rows for run_id in row.runs}) == 2 * len(plan.rows)


def test_targets_share_their_splits(family):
    plan, store = plan_of(family), RunStore(family)
    for seed in range(2):
        tested = {tuple(store.predictions(row.runs[seed])["id"]) for row in plan.rows}
        assert len(tested) == 1


# -- reading


def test_one_table_names_the_target_and_ranks_within_it(family, single):
    reading = read(plan_of(family), RunStore(family))
    reading.write_tables(family)
    table = pd.read_csv(family / "tables" / "fusion.csv", keep_default_na=False)
    assert list(table)[:6] == ["method", "backbone", "text", "weights", "target", "MAE"]
    assert table["target"].tolist() == sorted(table["target"])
    for _, part in table.groupby("target"):
        assert part["MSE"].is_monotonic_increasing
    seeds = pd.read_csv(family / "tables" / "fusion-seeds.csv")
    assert seeds.groupby("target").size().to_dict() == dict.fromkeys(TARGETS, 2 * len(table) // 2)
    read(plan_of(single), RunStore(single)).write_tables(single)
    alone = pd.read_csv(single / "tables" / "fusion.csv", keep_default_na=False)
    own = table[table["target"] == "shares"].drop(columns="target").reset_index(drop=True)
    pd.testing.assert_frame_equal(own.drop(columns="seconds"), alone.drop(columns="seconds"))


def test_targets_with_test_parts_of_other_sizes_are_ranked_all_the_same(family):
    reading = read(plan_of(family), RunStore(family))
    table = reading.table.assign(n_test=np.where(reading.table["target"] == "likes", 8, 7))
    sheet = results_sheet(reading.plan, table, reading.results.metrics).only(["target", "MSE"])
    values = [tuple(cell.value for cell in line.cells) for line in sheet.lines]
    assert values == sorted(values)


def test_verdicts_and_best_values_are_of_one_target(family, single):
    reading = read(plan_of(family), RunStore(family))
    alone = read(plan_of(single), RunStore(single))
    assert len(reading.verdicts) == 2
    assert (
        reading.verdicts[1] == f"shares: {alone.verdicts[0]}" == f"shares: {default_verdict(alone.results)}"
    )
    reading.write_tables(family)
    text = (family / "tables" / "fusion.md").read_text(encoding="utf-8")
    assert "targets log10(likes) and log10(shares), each by itself" in text
    assert all(verdict in text for verdict in reading.verdicts)
    for name in TARGETS:
        rows = [line for line in text.splitlines() if f"| {name} |" in line]
        # MSE is the third column; one fusion of each target is the best
        assert sum(line.split("|")[3].strip().startswith("**") for line in rows) == 1


def test_facts_name_their_target_where_they_depend_on_it(family):
    plan = plan_of(family, "data")
    assert {row["target"] for row in plan.facts["statistics"]} == {*TARGETS}
    likes, shares = plan.each
    assert [row["part"] for row in likes.facts["statistics"]] == ["training", "test"]
    assert likes.facts["statistics"][0]["mean"] != shares.facts["statistics"][0]["mean"]


def test_figures_and_the_page_show_every_target(family):
    assert bench("report", "--out", family).exit_code == 0
    drawn = {path.stem for path in (family / "figures").glob("*.png")}
    assert {f"{name}-{target}" for name in ("fusion", "data") for target in TARGETS} <= drawn
    page = (family / "report.html").read_text(encoding="utf-8")
    start = page.index('<section id="headline"')
    head = page[start : page.index("</section>", start)]
    for target in TARGETS:
        assert f"<h3>{target}</h3>" in head
        assert f'id="figure-fusion-{target}"' in head
        assert page.count(f'id="figure-fusion-{target}"') == 1
    assert head.count("Does fusion help?") == 2
    assert page.count('id="table-fusion"') == 1


def test_stored_predictions_say_their_target(family):
    table = pd.read_csv(io.StringIO(bench("results", family, "--csv", "-").stdout))
    assert list(table)[:3] == ["experiment", "target", "method"]
    assert table["seed"].dtype == int  # though an experiment without runs has none
    truth = posts().set_index("id")
    for target, part in table.groupby("target"):
        expected = np.log10(truth.loc[part["sample"], target]).to_numpy()
        np.testing.assert_allclose(part["y_true"], expected, rtol=1e-12)


def test_new_rows_are_predicted_for_every_target_or_one(family, tmp_path):
    new = folder(tmp_path / "new", table=posts().drop(columns=[*TARGETS]).head(5))
    told = bench("predict", family, "--method", "concat", "--data", new, "--csv", "-", "--device", "cpu")
    table = pd.read_csv(io.StringIO(told.stdout))
    assert list(table)[:3] == ["id", "target", "mean"]
    assert table["target"].tolist() == ["likes"] * 5 + ["shares"] * 5
    for target in TARGETS:
        own = load(family, "concat", target=target, device="cpu").predict(new)
        found = table[table["target"] == target].reset_index(drop=True)
        np.testing.assert_allclose(found["mean"], own["mean"])
    with pytest.raises(UsageError, match=r"--target 'likes'; .*--target 'shares'"):
        load(family, "concat")


def test_rows_are_named_by_their_target_where_there_are_several(tmp_path):
    workshop = Workshop(tmp_path, seeds=1)
    plan = workshop.plan("fusion", [Row("memf", 0.6), Row("concat", 0.7)])
    rows = [
        row.model_copy(update={"target": target, "runs": row.runs if target == "likes" else ["0" * 16]})
        for target in TARGETS
        for row in plan.rows
    ]
    targets = [Target(column=name, transform="log10") for name in TARGETS]
    plan.model_copy(update={"rows": rows, "targets": targets}).save(tmp_path)
    store = RunStore(tmp_path)
    (reading,) = read_all(tmp_path)
    assert [len(one.results.rows) for one in reading.each] == [2, 0]
    assert len(reading.verdicts) == 1
    label = reading.plan.labels()
    assert [label(row) for row in rows[:2]] == ["memf (likes)", "concat (likes)"]
    assert [reading.each[0].plan.labels()(row) for row in rows[:2]] == ["memf", "concat"]
    assert read(reading.plan, store).write_figures(tmp_path)[0].name == "fusion-likes"


def test_parts_of_file_names_are_distinct():
    assert for_files(["likes", "per day", "per-day", "Likes", "点赞", "/"]) == [
        "likes-1", "per-day-2", "per-day-3", "likes-4", "点赞", "6"
    ]  # fmt: skip


# -- tables and figures of classes


def classified(out: Path) -> tuple[Workshop, Plan]:
    """Two methods that the paper has numbers for, on the mood of 64 samples; nobody predicts b."""
    workshop = Workshop(out, seeds=1, target=Target(column="mood", task="binary", classes=("a", "b")))
    plan = workshop.plan("fusion", [Row("memf", 0.6), Row("mfb", 0.7)])
    for row in plan.rows:
        workshop.predict(row.runs[0], "a", y_true=["a"] * 48 + ["b"] * 16, p_a=0.6, p_b=0.4)
    return workshop, plan


def test_classes_stand_beside_no_number_of_the_paper(tmp_path):
    workshop, plan = classified(tmp_path)
    table = rows_of(plan, workshop.store)
    assert table["accuracy"].tolist() == [0.75, 0.75]
    assert table["paper_accuracy"].isna().all()


def test_a_confusion_matrix_says_which_class_is_never_predicted(tmp_path):
    workshop, plan = classified(tmp_path)
    row = read(plan, workshop.store).results.rows[0]
    figure, said = DRAWN["binary"](row.first)
    assert "Never predicted: b." in said
    assert [label.get_rotation() for label in figure.axes[0].get_xticklabels()] == [0, 0]
