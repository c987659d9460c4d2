"""Tables in every format say what they are: encoders with their weights, spreads only where there are any."""

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from workshop import (
    Row,
    Workshop,
    caption_of,
    figures_and_page,
    headline_of,
    rows_of,
    sheet_of,
    values_of,
    verdict,
    write_page,
    write_tables,
)

from bench.compare.tests import interval
from bench.labels import short
from bench.metrics import METRICS, of_task
from bench.publish import read
from bench.report.beside import beside_paper
from bench.report.sheet import digits, interval_text
from bench.report.tables import at_a_glance

NUMBERS = [metric.name for metric in of_task("regression")]

FOLDER = "/home/someone/with a long name/models/downloaded-last-year/bert-of-ours"


def written(workshop: Workshop, plan) -> dict[str, str]:
    """What `write_tables` writes, by the end of the file's name."""
    paths = write_tables(plan, workshop.store, workshop.out)
    return {path.name.removeprefix(plan.name): path.read_text(encoding="utf-8") for path in paths}


def pipe_rows(text: str) -> list[list[str]]:
    return [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    return Workshop(tmp_path)


# --- names of rows ----------------------------------------------------------------------------------------


def test_every_row_says_that_weights_are_random_in_every_format(workshop):
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("mult", 0.7), Row("ridge", 0.6, reference=True)])
    table, files = rows_of(plan, workshop.store), written(workshop, plan)
    assert at_a_glance(plan, table, METRICS)["weights"].tolist() == ["resnet50 (random)"] * 3
    assert [row[1] for row in pipe_rows(files[".md"])[2:5]] == ["resnet50 (random)"] * 3
    assert files[".tex"].count("resnet50 (random) & ") == 3
    sheet = sheet_of(plan, workshop.store)
    index = [column.name for column in sheet.columns].index("weights")
    assert {line.cells[index].text for line in sheet.lines} == {"resnet50 (random)"}
    csv = pd.read_csv(workshop.out / "tables" / "fusion.csv")
    assert csv[["backbone", "weights"]].drop_duplicates().to_numpy().tolist() == [
        ["resnet50", "resnet50 (random)"]
    ]


def test_all_stamps_of_a_row_stand_together(workshop):
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("mult", 0.7)])
    plan.rows[0].stamps |= {"video": "videomae (random)", "audio": "wav2vec2 (random)"}
    table = at_a_glance(plan, rows_of(plan, workshop.store), METRICS)
    both = "resnet50 (random), wav2vec2 (random), videomae (random)"
    assert table["weights"].tolist() == [both, "resnet50 (random)"]


@pytest.mark.parametrize("differs", ["text", "image", "variant"])
def test_the_terminal_shows_every_column_in_which_rows_differ(workshop, differs):
    rows = [Row("memf", 0.5, **{differs: name}) for name in ("one", "other")]
    shown = at_a_glance(plan := workshop.plan("fusion", rows), rows_of(plan, workshop.store), METRICS)
    column = shown[{"image": "weights"}.get(differs, differs)]
    assert {name.partition(" ")[0] for name in column} == {"one", "other"}
    assert not shown[[c for c in shown if c not in ("MSE", "R2_score", "seconds")]].duplicated().any()


def test_a_folder_is_called_by_its_last_part(workshop):
    rows = [Row("memf", 0.5, text=FOLDER), Row("memf", 0.6, text="hashing")]
    plan = workshop.plan("fusion", rows)
    plan.rows[0].stamps["text"] = "bert-of-ours (random)"
    glance = at_a_glance(plan, rows_of(plan, workshop.store), METRICS)
    assert glance["text"].tolist() == ["bert-of-ours", "hashing"]
    assert "memf (bert-of-ours)" in verdict(plan, workshop.store)
    figures, page = figures_and_page(plan, workshop.store, workshop.out)
    assert "someone" not in page + figures["fusion"].caption


def test_folders_of_one_name_are_shown_by_what_sets_them_apart():
    names = ["/a/x/bert", "/b/x/bert", "owner/model", "hashing"]
    assert list(short(names).values()) == ["a/x/bert", "b/x/bert", "owner/model", "hashing"]
    assert short(["/only"]) == {"/only": "only"}


# --- spreads, intervals, bold -----------------------------------------------------------------------------


def test_one_row_has_no_best_value(workshop):
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("ridge", 0.8, reference=True)])
    files = written(workshop, plan)
    assert "**" not in files[".md"]
    assert "Bold" not in files[".md"]
    assert "textbf" not in files[".tex"]
    assert not any(c.best for line in sheet_of(plan, workshop.store).lines for c in line.cells)


def test_one_seed_promises_no_intervals(tmp_path):
    for seeds in (1, 2):
        workshop = Workshop(tmp_path / str(seeds), seeds=seeds)
        text = written(workshop, workshop.plan("fusion", [Row("memf", 0.5), Row("mult", 0.7)]))[".md"]
        assert ("95 % intervals" in text) == (seeds == 2)
        assert "(reference)" not in text, "there is none"


@pytest.mark.parametrize("overlap", [(256, 64), (256, 0)])
@pytest.mark.parametrize("name", METRICS)
def test_intervals_stay_in_the_range_of_their_metric(name, overlap):
    low, high = METRICS[name].bounds
    edge = low if np.isfinite(low) else high
    wide = edge + (0.1 if edge == low else -0.1)
    start, end = interval([edge, wide, wide], *overlap, bounds=(low, high))
    assert low <= start < end <= high
    assert edge in (start, end), "it would have gone beyond"


def test_a_method_that_does_not_vary_has_no_interval_and_the_caption_says_so(workshop):
    rows = [Row("memf", 0.5), Row("mult", 0.6), Row("ridge", 0.7, reference=True)]
    plan = workshop.plan("fusion", rows, split="official")
    first, *others = plan.rows[2].runs
    whole = workshop.store.predictions(first)
    for run in others:  # one test part, and every seed predicts the same
        workshop.predict(run, whole["y_pred"], y_true=whole["y_true"])
    first = values_of(workshop.store, plan, 2)[0]
    table = rows_of(plan, workshop.store)
    ridge = table.iloc[2]
    assert ridge[["MSE_low", "MSE_high", "MSE_sd"]].isna().all()
    assert "The same for every seed: ridge." in caption_of(plan, workshop.store)
    (line,) = [row for row in pipe_rows(written(workshop, plan)[".md"]) if row[0] == "ridge (reference)"]
    assert f"{first['MSE']:.3g}" in line


def test_on_a_fixed_split_nothing_is_corrected_and_captions_say_what_intervals_speak_of(workshop):
    rows = [Row("memf", 0.5), Row("mult", 0.7), Row("ridge", 0.6, reference=True)]
    plan = workshop.plan("fusion", rows, split="official")
    table = rows_of(plan, workshop.store).iloc[0]
    values = [values["R2_score"] for values in values_of(workshop.store, plan, 0)]
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert (table["R2_score_low"], table["R2_score_high"]) == pytest.approx((low, min(high, 1)))
    text = written(workshop, plan)[".md"]
    assert "Nadeau" not in text
    assert "(t, over repeated training on one split: of training alone" in text
    assert headline_of(plan, workshop.store).entries[0].interval.endswith("of training alone")


@pytest.mark.parametrize(
    ("split", "said"), [("random", "random"), ("official", "official"), ("time", "by time")]
)
@pytest.mark.parametrize("seeds", [1, 3])
def test_captions_say_which_split(tmp_path, split, said, seeds):
    workshop = Workshop(tmp_path, seeds=seeds)
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("mult", 0.7)], split=split)
    assert said in caption_of(plan, workshop.store)
    assert said in workshop.captions(plan)["fusion"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"), (-0.5, "-0.500"), (0.9996, "1.00"), (12.34, "12.3"), (999.6, "1,000"),
        (1234.5, "1,230"), (5_081_224.2, "5,080,000"), (0.0, "0"), (1e-9, "1e-09"), (1e250, "1e+250"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert digits(value) == text


def test_what_belongs_to_a_number_has_its_places():
    assert digits(0.0312, like=0.5) == "0.031"
    assert digits(0.0312, like=5.5) == "0.03"
    assert digits(91_234.0, like=5_081_224.2) == "90,000"
    assert interval_text(-0.012, 0.3456) == "[-0.012, 0.346]"
    assert interval_text(-0.012, 0.3456, sign="+") == "[-0.012, +0.346]"


def test_a_table_begins_with_what_is_asked_first_and_has_the_rest_on_request(workshop):
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("mult", 0.7), Row("ridge", 0.6, reference=True)])
    first = [
        "method", "weights", "MSE", "gap to best", "letters", "R2_score", "gap to best reference",
        "parameters", "FLOPs", "seconds",
    ]  # fmt: skip
    rest = ["MAE", "MAPE", "EVS", "RMSE", "Pearson", "Spearman", "seeds"]
    assert pipe_rows(written(workshop, plan)[".md"])[0] == first
    assert "RMSE is" not in (workshop.out / "tables" / "fusion.md").read_text("utf-8")
    read(plan, workshop.store).write_tables(workshop.out, everything=True)
    text = (workshop.out / "tables" / "fusion.md").read_text("utf-8")
    assert pipe_rows(text)[0] == [*first, *rest]
    assert "RMSE is on the original scale" in text
    rows = {row[0]: row for row in pipe_rows(text.partition("## ")[0])[2:]}
    table = rows_of(plan, workshop.store).set_index("method")
    assert rows["memf"][3] == "0"
    assert rows["ridge (reference)"][3] == f"{table.loc['ridge', 'gap']:+.3f}"
    assert rows["ridge (reference)"][6] == "–", "it is the reference"
    assert rows["mult"][6] == f"{table.loc['mult', 'gap_reference']:+.3f}"


def test_beside_the_paper_every_row_says_which_encoders_differ(workshop):
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("tfn", 0.7)])
    plan.rows[1].encoders |= {"text": "bert", "audio": "wav2vec2"}
    plan.rows[1].stamps = {
        "image": "resnet50 (IMAGENET1K_V2)",
        "text": "bert (random)",
        "audio": "wav2vec2 (v1)",
    }
    sheet = beside_paper((reading := read(plan, workshop.store)).results, reading.table)
    assert [line.cells[-1].text for line in sheet.visible().lines] == [
        "ours: hashing, resnet50 (random), logmel; paper: BERT, Resnet50, wav2vec 2.0, pretrained",
        "ours: bert (random); paper: BERT, pretrained",
    ]


# --- what each seed gave ----------------------------------------------------------------------------------


def test_the_table_can_be_computed_again_from_the_file_of_seeds(workshop):
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("mult", 0.7), Row("ridge", 0.6, reference=True)])
    written(workshop, plan)
    table, seeds = (pd.read_csv(workshop.out / "tables" / f"fusion{end}.csv") for end in ("", "-seeds"))
    assert list(seeds)[:6] == ["method", "backbone", "text", "weights", "variant", "seed"]
    assert {*NUMBERS, "n_train", "n_test", "params", "flops", "seconds", "epochs", "chosen"} <= set(seeds)
    again = seeds.groupby("method")[[*NUMBERS, "seconds"]].mean()
    for row in table.to_dict("records"):
        assert again.loc[row["method"], "MSE"] == pytest.approx(row["MSE"])
        assert again.loc[row["method"], "seconds"] == pytest.approx(row["seconds"])
    assert seeds.groupby("method")["seed"].apply(list).tolist() == [[0, 1, 2]] * 3


def test_what_the_trees_chose_is_said(workshop):
    rows = [Row("memf", 0.5), Row("mult", 0.6), Row("boosted-trees-best-entity", 0.7, reference=True)]
    plan = workshop.plan("fusion", rows)
    for run, entity in zip(plan.rows[2].runs, ("house", "bathroom", "house"), strict=True):
        workshop.measure(run, chosen=entity)
    said = "boosted-trees-best-entity chose: house (2 of 3 seeds), bathroom (1 of 3 seeds)"
    assert f"\n{said}\n" in written(workshop, plan)[".md"]
    assert said in write_page([plan], workshop.store, workshop.out).read_text("utf-8")


# --- verdicts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([Row("memf", 0.6), Row("mult", 0.601), Row("ridge", 0.1, reference=True)], "No other fusion can be"),
        ([Row("memf", 0.6, "entity-first"), Row("memf", 0.601, "modality-first")], "No other variant can be"),
    ],
)
def test_the_verdict_speaks_of_what_it_compares(workshop, rows, said):
    text = verdict(workshop.plan("fusion", rows), workshop.store)
    assert f". {said} distinguished from it: a difference of " in text
    assert f"(All pairs of {len(rows)} rows at once, 5 %; 3 random splits, 64 test samples in each.)" in text


def test_a_row_with_fewer_seeds_is_left_out_of_the_verdict(workshop):
    """Two requests of different numbers of seeds may share a plan."""
    plan = workshop.plan("fusion", [Row("lucky", 0.1), Row("memf", 0.6), Row("mult", 0.8)])
    del plan.rows[0].runs[1:]
    assert verdict(plan, workshop.store).startswith("Lowest mean MSE of a fusion: memf.")


@pytest.mark.parametrize("split", ["random", "official"])
def test_what_is_left_of_a_store_is_drawn(workshop, split):
    rows = [Row("memf", 0.5), Row("mult", 0.7), Row("tfn", 0.8), Row("ridge", 0.6, reference=True)]
    plan = workshop.plan("fusion", rows, split=split)
    shutil.rmtree(workshop.store.root / plan.rows[0].runs[1])  # missing
    for row in plan.rows[1:]:  # damaged
        (workshop.store.root / row.runs[2] / "predictions.parquet").write_bytes(b"PAR1")
    assert pipe_rows(written(workshop, plan)[".md"])[2:], "three rows with a seed less, one with two less"
    figures, page = figures_and_page(plan, workshop.store, workshop.out)
    assert figures.keys() == {"fusion", "cost", "errors"}
    assert "Missing runs: 4" in page
    assert "2 of 3 seeds" in page
