"""Incomplete data: what the generator leaves empty, what counts as complete, keeping and dropping it."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import ENCODERS, STREAMS
from workshop import Row, Workshop, verdict

import encoders
import fusions
from bench.cli import main
from bench.data.dataset import read_dataset
from bench.data.synthetic import livestream
from bench.data.synthetic.livestream.folder import NEVER_EMPTY
from bench.features.encode import encode
from bench.features.store import FeatureSet
from bench.metrics import score
from bench.plan import load_plans
from bench.predictions import answers
from bench.store import RunStore
from fusions import Source

REMOVED = 0.3
TABLES = ("samples.csv", "anchors.csv", "commodities.csv")
OPTIONS = [
    "--backbone", "resnet18", "--weights", "random", "--device", "cpu", "--seeds", "1",
    "--executor", "inline",
    "--set", "encoders.image_size=32", "--set", "training.epochs=1", "--set", "model.dim=8",
    "--set", "model.heads=2", "--set", "training.test=0.4", "--set", "training.validation=0.4",
]  # fmt: skip
ARMS = ("keep", "keep, on complete samples", "drop, on complete samples")


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def done(*arguments: object) -> str:
    result = bench(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def gaps(tmp_path_factory) -> Path:
    """The embedded dataset with many values removed."""
    folder = tmp_path_factory.mktemp("gaps") / "data"
    done("data", "make", "livestream", folder, "--streams", 64, "--removed", REMOVED)
    return folder


@pytest.fixture(scope="module")
def some(gaps) -> FeatureSet:
    chosen = {
        m: encoders.get(m, n, weights="random", **({"size": 32} if m == "image" else {}))
        for m, n in ENCODERS.items()
    }
    return encode(read_dataset(gaps), chosen)[0]


# --- the generator ----------------------------------------------------------------------------------------


def test_a_share_of_the_attributes_is_empty_and_ids_keys_and_target_are_whole(gaps):
    for name in TABLES:
        table = pd.read_csv(gaps / name, dtype="string")
        whole = [column for column in table if column in NEVER_EMPTY]
        cells = table.drop(columns=whole).isna()
        assert "id" in whole
        assert table[whole].notna().all(axis=None)
        spread = 4 * np.sqrt(REMOVED * (1 - REMOVED) / cells.size)
        assert cells.to_numpy().mean() == pytest.approx(REMOVED, abs=spread)
        each = cells.mean()
        assert (abs(each - REMOVED) < 4 * np.sqrt(REMOVED * (1 - REMOVED) / len(cells))).all()


def test_what_is_not_removed_is_what_it_was(stream_folder, tmp_path):
    livestream.generate(tmp_path / "gaps", streams=STREAMS, removed=REMOVED)
    for name in TABLES:
        with_gaps, whole = (pd.read_csv(f / name, dtype="string") for f in (tmp_path / "gaps", stream_folder))
        numeric = [c for c in whole if pd.to_numeric(whole[c], errors="coerce").notna().all()]
        for column in whole:
            kept = with_gaps[column].notna()
            one, other = with_gaps[column][kept], whole[column][kept]
            if column in numeric:  # 3 may be written as 3.0 beside empty cells
                one, other = one.astype(float), other.astype(float)
            assert one.tolist() == other.tolist()


def test_nothing_removed_gives_the_same_bytes_as_not_saying_so(stream_folder, tmp_path):
    done("data", "make", "livestream", tmp_path / "said", "--streams", STREAMS, "--removed", 0)
    one, other = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (stream_folder, tmp_path / "said")
    )
    assert one == other


# --- what is there ----------------------------------------------------------------------------------------


def test_present_and_complete_agree_with_a_count_from_batches(some):
    n = len(some.samples["ids"])
    batches = list(some.batches(np.arange(n), 7))
    counted = {
        source: np.concatenate([batch[source].mask.flatten(1).any(1).numpy() for batch in batches])
        for source in some.folders
    }
    for source, there in counted.items():
        assert some.sources[source].present.tolist() == there.tolist()
    whole = np.logical_and.reduce(list(counted.values()))
    assert some.complete.tolist() == whole.tolist()
    assert 0 < whole.sum() < n


def test_a_sample_is_complete_or_not_whoever_looks(some):
    """One that sees only some entities is dropped from, and scored on, the same samples."""
    part = some.only(("anchor",))
    assert part.complete.tolist() == some.complete.tolist()
    assert part.only(("anchor",)).complete.tolist() == some.complete.tolist()
    assert {s.entity for s in part.sources} == {"anchor"}
    assert part.fingerprint != some.fingerprint


def test_hidden_sources_are_gone_from_those_samples_and_nothing_else_changes(some):
    rows = np.array([5, 2, 9, 0, 30])
    hidden = np.zeros(len(some.samples["ids"]), dtype=bool)
    hidden[[2, 0]] = True
    gone = Source("commodity", "text"), Source("anchor", "numeric")
    before, after = some.batch(rows), some.hiding(dict.fromkeys(gone, hidden)).batch(rows)
    keep = ~hidden[rows]
    for source in some.folders:
        one, other = before[source], after[source]
        if source not in gone:
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
            continue
        assert not other.mask[~keep].any()
        rest = some.batch(rows[keep])[source]
        width = rest.mask.shape[1:]
        trimmed = other.mask[keep][:, : width[0], : width[1]]
        assert torch.equal(trimmed, rest.mask)
        assert other.mask.sum() == rest.mask.sum()
        if one.values.dim() == 3:
            assert torch.equal(other.values[keep], one.values[keep])
            assert not other.values[~keep].any()
        else:
            assert torch.equal(other.values, rest.values)
            assert torch.equal(other.slots, rest.slots)
    assert before.keys() == some.batch(rows).keys()
    again = some.batch(rows)
    assert all(torch.equal(before[s].mask, again[s].mask) for s in some.folders)


def test_pickles_stay_small_after_use(some):
    fresh = len(pickle.dumps(FeatureSet(**some.__getstate__())))
    some.batch(np.arange(3))
    assert some.complete.any()
    assert len(pickle.dumps(some)) == fresh < 10_000
    hidden = np.arange(len(some.samples["ids"])) % 2 == 0
    hiding = some.hiding({Source("room", "text"): hidden})
    hiding.batch(np.arange(3))
    back = pickle.loads(pickle.dumps(hiding))
    assert len(pickle.dumps(hiding)) < fresh + 2_000
    one, other = (f.batch(np.arange(9))[Source("room", "text")] for f in (hiding, back))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# --- keeping and dropping ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(gaps, tmp_path_factory, none_drawn) -> Path:
    """All fusions under both ways of handling missing values."""
    out = tmp_path_factory.mktemp("compared")
    done("run", "--data", gaps, "--fusion", "all", "--missing", "keep,drop", "--out", out, *OPTIONS)
    return out


def rows_by_method(out: Path) -> dict[str, pd.DataFrame]:
    table = pd.read_csv(out / "tables" / "fusion.csv")
    return {name: rows.set_index("variant") for name, rows in table.groupby("method")}


def test_every_method_has_three_rows_that_are_finite(compared):
    found = rows_by_method(compared)
    assert set(fusions.names()) | {"ridge", "predict-mean", "boosted-trees"} <= found.keys()
    for rows in found.values():
        assert tuple(rows.index) == ARMS
        assert np.isfinite(rows[["MAE", "MSE", "MAPE", "R2_score", "EVS", "RMSE"]]).all(axis=None)


def test_all_methods_are_scored_on_the_same_complete_samples(compared):
    """Also the one that predicts the mean, which looks at no encoder's features."""
    counts = {name: tuple(rows.loc[list(ARMS), "n_test"]) for name, rows in rows_by_method(compared).items()}
    assert len(set(counts.values())) == 1
    kept, complete, dropped = counts["concat"]
    assert complete == dropped < kept


def test_the_middle_row_is_keep_on_complete_samples(compared, some):
    complete = set(some.samples["ids"][some.complete])
    store, table = RunStore(compared), rows_by_method(compared)
    (plan,) = load_plans(compared)
    target = some.target
    for row in plan.rows:
        if row.variant != ARMS[1]:
            continue
        predictions = store.predictions(row.runs[0])
        part = predictions[predictions["id"].isin(complete)]
        shown = table[row.method].loc[row.variant]
        expected = score(answers(target, part))
        assert shown["n_test"] == len(part)
        for name in expected:
            assert shown[name] == pytest.approx(expected[name], nan_ok=True)


def test_dropping_tests_on_a_subset_of_the_same_part(compared, some):
    (plan,) = load_plans(compared)
    store, complete = RunStore(compared), set(some.samples["ids"][some.complete])
    runs = {(row.method, row.variant): row.runs[0] for row in plan.rows}
    for method in {row.method for row in plan.rows}:
        kept, same, dropped = (store.predictions(runs[method, arm])["id"].tolist() for arm in ARMS)
        assert kept == same
        assert dropped == [name for name in kept if name in complete]


def test_drop_alone_gives_the_runs_of_the_comparison(gaps, compared, tmp_path, undrawn):
    done("run", "--data", gaps, "--fusion", "concat", "--missing", "drop", "--out", tmp_path, *OPTIONS)
    alone = {row.method: row.runs for row in load_plans(tmp_path)[0].rows}
    within = {row.method: row.runs for row in load_plans(compared)[0].rows if row.variant == ARMS[2]}
    assert alone == {method: within[method] for method in alone}
    assert {"concat", "predict-mean"} <= alone.keys()


def test_a_dataset_of_texts_alone_runs_under_both(tmp_path, rng, undrawn):
    """Predicting the mean needs no encoder, and here no source is without one."""
    y = rng.normal(size=60)
    title = [f"word{int(3 * value)}" if i % 4 else "" for i, value in enumerate(y)]
    folder = small(tmp_path, pd.DataFrame({"y": y, "title": title}), 'text = ["title"]')
    out = tmp_path / "out"
    done("run", "--data", folder, "--fusion", "concat", "--missing", "keep,drop", "--out", out, *OPTIONS)
    counts = {tuple(rows["n_test"]) for rows in rows_by_method(out).values()}
    assert len(counts) == 1
    kept, complete, dropped = counts.pop()
    assert complete == dropped < kept


# --- splits -----------------------------------------------------------------------------------------------


def small(folder: Path, table: pd.DataFrame, entity: str = 'numeric = ["x"]', samples: str = "") -> Path:
    folder = folder / "small"
    folder.mkdir()
    table.rename_axis("id").to_csv(folder / "samples.csv")
    (folder / "dataset.toml").write_text(
        f'name = "small"\n[target]\ncolumn = "y"\n[samples]\n{samples}\n[entities.e]\n{entity}\n',
        encoding="utf-8",
    )
    return folder


def dated(rng: np.random.Generator, n: int = 60) -> pd.DataFrame:
    days = pd.date_range("2026-01-01", periods=n).strftime("%Y-%m-%d").to_numpy()
    part = np.array((["train"] * 3 + ["test"]) * (n // 4))
    table = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "day": days, "part": part})
    return table.sample(frac=1, random_state=0).reset_index(drop=True)


COLUMNS = 'time = "day"\nsplit = "part"'


@pytest.mark.parametrize("kind", ["time", "official", "auto", "random"])
def test_a_split_through_the_command_line(tmp_path, rng, kind, undrawn):
    table = dated(rng)
    folder, out = small(tmp_path, table, samples=COLUMNS), tmp_path / "out"
    done("run", "--data", folder, "--fusion", "concat", "--split", kind, "--out", out, *OPTIONS, "--seeds", 2)
    (plan,) = load_plans(out)
    assert plan.split == {"auto": "official"}.get(kind, kind)
    tested = [set(RunStore(out).predictions(run)["id"].astype(int)) for run in plan.rows[0].runs]
    latest = set(table.index[table["day"].rank() > 36])
    official = set(table.index[table["part"] == "test"])
    expected = {"time": latest, "official": official, "auto": official}
    if kind == "random":
        assert tested[0] != tested[1]
        assert not {frozenset(latest), frozenset(official)} & set(map(frozenset, tested))
    else:
        assert tested == [expected[kind]] * 2
        said = {"time": "the latest samples", "official": "the official split", "auto": "the official split"}
        assert said[kind] in (out / "tables" / "fusion.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["time", "random", "official", "auto"])
def test_a_fixed_split_is_the_only_one(tmp_path, rng, kind, undrawn):
    samples = COLUMNS + '\nfixed = "features were learned from the train part"'
    folder = small(tmp_path, dated(rng), samples=samples)
    result = bench(
        "run", "--data", folder, "--fusion", "concat", "--split", kind, "--out", tmp_path / "out", *OPTIONS
    )
    if kind in ("official", "auto"):
        assert result.exit_code == 0, result.output
        return
    assert result.exit_code == 2
    assert "only the official split may be used: features were learned" in " ".join(result.output.split())
    assert len(result.output.splitlines()) <= 2
    assert not list((tmp_path / "out" / "runs").glob("*"))


@pytest.mark.parametrize(("kind", "field"), [("time", "time"), ("official", "split")])
def test_a_split_that_the_data_have_no_column_for_is_refused(tmp_path, rng, kind, field):
    folder = small(tmp_path, dated(rng))
    result = bench(
        "run", "--data", folder, "--fusion", "concat", "--split", kind, "--out", tmp_path / "out", *OPTIONS
    )
    assert result.exit_code == 2
    assert f"name it as `{field}` under [samples]" in " ".join(result.output.split())


def test_arms_of_different_variants_are_not_mixed_up(tmp_path):
    workshop = Workshop(tmp_path, seeds=3)
    names = ("without anchor, ", "")
    rows = [Row("memf", 0.5 + i, variant=f"{name}{arm}") for name in names for i, arm in enumerate(ARMS)]
    plan = workshop.plan("entities", rows)
    arms = [
        row.model_copy(update={"scored": "complete"}) if "keep, on" in row.variant else row
        for row in plan.rows
    ]
    said = verdict(plan.model_copy(update={"rows": arms}), workshop.store)
    assert "of 2 rows" in said
    assert "Rise of" not in said
