"""Methods trained on more and more of the training part: parts, runs, what is read of them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from workshop import Row, Workshop, verdict

from bench.cli import main
from bench.data.splits import split
from bench.errors import DataError
from bench.experiments.size import SHARES, curves_of
from bench.plan import Plan, load_plans
from bench.publish import read
from bench.store import RunStore

OPTIONS = [
    "--fusion", "concat", "--backbone", "resnet18", "--weights", "random", "--device", "cpu", "--jobs", "1",
    "--executor", "inline", "--seeds", "2", "--set", "encoders.image_size=32", "--set", "training.epochs=2",
    "--set", "model.dim=16",
]  # fmt: skip


# -- parts -------------------------------------------------------------------------------------------------


def parts_of(share: float, **more: object):
    samples = {"target": np.arange(160.0), **more.pop("samples", {})}
    return split(samples, 3, test=0.2, validation=0.15, share=share, **more)


def test_less_of_the_training_part_leaves_the_other_parts_and_is_within_more_of_it(rng):
    groups = rng.integers(0, 70, size=160).astype(str)
    for samples in ({}, {"groups": groups}):
        parts = [parts_of(share, samples=samples) for share in SHARES]
        whole = parts[-1].train
        for share, less, more in zip(SHARES, parts, [*parts[1:], parts[-1]], strict=False):
            assert len(less.train) == pytest.approx(share * len(whole), abs=4 if samples else 1)
            assert set(less.train) <= set(more.train)
            for one in (less, more):
                np.testing.assert_array_equal(one.validation, parts[-1].validation)
                np.testing.assert_array_equal(one.test, parts[-1].test)
            if samples:
                left = np.setdiff1d(whole, less.train)
                assert not set(groups[less.train]) & set(groups[left])


def test_less_of_it_keeps_the_shares_of_classes_and_a_class_that_is_lost_is_refused(rng):
    target = rng.permutation(np.repeat([0.0, 1.0], [112, 48]))
    classes = ("a", "b")
    whole, half = (parts_of(share, samples={"target": target}, classes=classes).train for share in (1.0, 0.5))
    assert target[half].mean() == pytest.approx(target[whole].mean(), abs=0.02)
    rare = np.repeat([0.0, 1.0], [155, 5])
    parts_of(1.0, samples={"target": rare}, classes=classes)
    assert 1.0 in rare[parts_of(0.125, samples={"target": rare}, classes=classes).train]
    with pytest.raises(DataError, match="too small to split so"):
        split({"target": np.arange(3.0)}, 0, test=0.3, validation=0.3, share=0.5)


# -- runs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(stream_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("size")
    command = ["run", "--experiment", "size,fusion", "--data", stream_folder, "--out", out, *OPTIONS]
    result = CliRunner().invoke(main, list(map(str, command)))
    assert result.exit_code == 0, result.output
    # concat, ridge and boosted trees on four sizes; of fusion the best entity and the mean are left
    assert "28 runs executed" in " ".join(result.output.split())
    return out


def plan_of(out: Path, name: str) -> Plan:
    return next(plan for plan in load_plans(out) if plan.experiment == name)


def test_all_sizes_are_tested_on_the_same_samples_and_the_whole_is_that_of_fusion(trained):
    store, plan = RunStore(trained), plan_of(trained, "size")
    known = {row.method: row.runs for row in plan_of(trained, "fusion").rows}
    for method in ("concat", "ridge", "boosted-trees"):
        rows = [row for row in plan.rows if row.method == method]
        assert [row.share for row in rows] == list(SHARES)
        assert rows[-1].runs == known[method]
        for ids in zip(*(row.runs for row in rows), strict=True):
            tables = [store.predictions(run) for run in ids]
            assert all(table["id"].tolist() == tables[0]["id"].tolist() for table in tables)
            sizes = [store.measured(run)["n_fitted"] for run in ids]
            assert sizes == sorted(set(sizes))
            left = {store.measured(run)["n_train"] - store.measured(run)["n_fitted"] for run in ids}
            assert len(left) == 1, "the validation part is the same"


def test_tables_and_figure_have_every_method_and_size(trained):
    curve = pd.read_csv(trained / "tables" / "size-curve.csv")
    assert len(curve) == 3 * len(SHARES)
    table = pd.read_csv(trained / "tables" / "size.csv")
    assert curve["MSE"].tolist() == pytest.approx(table["MSE"].tolist())
    assert set(table["variant"].fillna("")) == {
        "", *(f"1/{n} of the training samples" for n in (8, 4, 2))
    }  # fmt: skip
    assert "| concat |" in (trained / "tables" / "size.md").read_text(encoding="utf-8").split("## By the")[1]
    assert (trained / "figures" / "size.svg").stat().st_size > 5000


# -- reading -----------------------------------------------------------------------------------------------


def stored(tmp_path: Path, noise: dict[str, list[float]], seeds: int = 4, **more: object):
    """A plan of methods whose error has these deviations at the four sizes."""
    workshop = Workshop(tmp_path, seeds=seeds)
    rows = [
        Row(name, deviation, f"{share}", reference=name == "ridge")
        for name, deviations in noise.items()
        for share, deviation in zip(SHARES, deviations, strict=True)
    ]
    plan = workshop.plan("size", rows, **more)
    stored = [
        row.model_copy(update={"arm": "", "share": SHARES[i % len(SHARES)]})
        for i, row in enumerate(plan.rows)
    ]
    for row in stored:
        for run in row.runs:
            workshop.measure(run, n_fitted=round(240 * row.share))
    return workshop, plan.model_copy(update={"rows": stored})


NOISE = {"concat": [1.2, 0.9, 0.9, 0.3], "memf": [1.3, 1.0, 0.70, 0.69], "ridge": [0.8, 0.8, 0.8, 0.8]}


def test_the_verdict_says_whom_more_samples_help_and_who_leads_where(tmp_path):
    workshop, plan = stored(tmp_path, NOISE)
    said = verdict(plan, workshop.store)
    assert said.startswith("Change of MSE with 240 training samples in place of 120, with simultaneous 95 %")
    changes = re.findall(r"(\w+) ([-+]\d\.\d{3}) \[([-+]\d\.\d{3}), ([-+]\d\.\d{3})\]", said)
    assert [name for name, *_ in changes] == list(NOISE)
    apart = {name for name, _, low, high in changes if float(high) < 0 or float(low) > 0}
    assert apart == {"concat"}
    assert "; shown for concat. (3 planned comparisons at once, 5 %; 4 random splits" in said
    assert said.endswith(
        "Lowest mean MSE by training samples: "
        "with 30, ridge; with 60, ridge; with 120, memf; with 240, concat."
    )
    curves = curves_of(read(plan, workshop.store).results)
    assert {name: list(rows) for name, rows in curves.items()} == {name: list(SHARES) for name in NOISE}


def test_where_nothing_can_be_shown_it_says_what_could_have_been(tmp_path):
    workshop, plan = stored(tmp_path, {"memf": [0.9, 0.9, 0.7, 0.7], "ridge": [0.8] * 4})
    assert re.search(
        r"shown for none: any difference of \d\.\d{3} or more would", verdict(plan, workshop.store)
    )
    workshop, plan = stored(tmp_path / "one", NOISE, seeds=1)
    assert verdict(plan, workshop.store).startswith("One seed: no spread")


def test_the_figure_has_the_ceiling_where_it_is_known_and_says_so(tmp_path):
    for ceiling in ({}, {"MSE": 0.17, "R2_score": 0.85}):
        workshop, plan = stored(tmp_path / str(len(ceiling)), NOISE, ceiling=ceiling)
        (drawing,) = workshop.drawings(plan)
        left, right = drawing.canvas.axes
        lines = {ax: [line for line in ax.lines if line.get_color() == "tab:green"] for ax in (left, right)}
        assert [len(found) for found in lines.values()] == [len(ceiling) // 2] * 2
        labels = [text.get_text() for legend in drawing.canvas.legends for text in legend.get_texts()]
        assert ("best reachable: 0.17" in labels) == bool(ceiling)
        assert (
            "best that any method can reach on average (MSE 0.17, R2_score 0.85)" in drawing.caption
        ) == bool(ceiling)
        assert drawing.finding.endswith("with 240, concat.")
        ticks = [text.get_text() for text in left.get_xticklabels()]
        assert ticks == ["30", "60", "120", "240"]
        assert all("tip:" in line.get_gid() for line in left.lines if line.get_gid())
