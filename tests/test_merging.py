"""One output folder, several requests: what was compared before is never lost."""

from pathlib import Path

import pandas as pd
from click.testing import CliRunner
from conftest import without_figures

from bench.cli import main
from bench.data.schema import Target
from bench.plan import Plan, PlanRow, load_plans, store_plan

QUICK = [
    "--backbone", "resnet18", "--weights", "random", "--executor", "inline", "--device", "cpu",
    "--set", "encoders.image_size=32", "--set", "training.epochs=2", "--set", "model.dim=16",
]  # fmt: skip


def row(method: str, seeds: int = 2, **more: object) -> PlanRow:
    runs = [f"{seed:04x}{method.encode().hex():0<12}"[:16] for seed in range(seeds)]
    return PlanRow(method=method, encoders={}, reference=False, runs=runs, **more)


def plan(*rows: PlanRow, settings: str = "aaaaaaaa", command: str = "bench run", **more: object) -> Plan:
    return Plan(
        experiment="fusion", settings=settings, title="Title", paper="", dataset="d", description="",
        samples=9, target=Target(column="y"), preset="quick", undecodable=0,
        seeds=max(len(r.runs) for r in rows), command=command, rows=list(rows), **more,
    )  # fmt: skip


def methods(plan: Plan) -> list[str]:
    return [row.method for row in plan.rows]


def test_fewer_methods_under_the_same_settings_add_to_the_plan(tmp_path):
    store_plan(plan(row("memf"), row("concat"), command="bench run --fusion memf,concat"), tmp_path)
    merged, displaced = store_plan(plan(row("late"), command="bench run --fusion late"), tmp_path)
    assert displaced is None
    assert methods(merged) == ["memf", "concat", "late"]
    assert merged.command == "bench run --fusion memf,concat && bench run --fusion late"
    again, _ = store_plan(plan(row("concat"), command="bench run --fusion concat"), tmp_path)
    assert again.rows == merged.rows
    assert again.command == merged.command
    whole, _ = store_plan(plan(row("late"), row("memf"), row("concat"), command="bench run"), tmp_path)
    assert (methods(whole), whole.command) == (["late", "memf", "concat"], "bench run")


def test_fewer_seeds_do_not_shorten_a_row(tmp_path):
    store_plan(plan(row("memf", seeds=5)), tmp_path)
    merged, _ = store_plan(plan(row("memf", seeds=2)), tmp_path)
    assert (len(merged.rows[0].runs), merged.seeds) == (5, 5)
    changed = row("memf", seeds=2).model_copy(update={"runs": ["0" * 16, "1" * 16]})
    merged, _ = store_plan(plan(changed), tmp_path)
    assert merged.rows == [changed], "other runs are another version of the same row"


def test_other_settings_take_the_place_and_the_earlier_plan_stays_beside_it(tmp_path):
    first, second = plan(row("memf")), plan(row("memf"), settings="bbbbbbbb")
    store_plan(first, tmp_path)
    current, displaced = store_plan(second, tmp_path)
    assert (current.name, displaced.name) == ("fusion", "fusion-aaaaaa")
    assert [p.name for p in load_plans(tmp_path)] == ["fusion", "fusion-aaaaaa"]
    back, displaced = store_plan(plan(row("late")), tmp_path)
    assert methods(back) == ["memf", "late"], "the first settings are current again, with their rows"
    assert displaced.name == "fusion-bbbbbb"
    assert [p.name for p in load_plans(tmp_path)] == ["fusion", "fusion-bbbbbb"]


def bench(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["run", *map(str, arguments), *QUICK])
    assert result.exit_code == 0, result.output
    return result.output


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / "tables" / f"{name}.csv").set_index("method")


def test_no_table_is_lost_to_a_later_run(stream_folder, tmp_path):
    common = ["--data", stream_folder, "--out", tmp_path]
    with without_figures():
        bench(*common, "--fusion", "concat,late", "--seeds", 2)
        before = table(tmp_path, "fusion")
        assert "6 runs executed" not in bench(*common, "--fusion", "late", "--seeds", 1)
    pd.testing.assert_frame_equal(table(tmp_path, "fusion").loc[before.index], before)
    output = bench(*common, "--fusion", "late", "--seeds", 2, "--set", "training.lr=0.01")
    (earlier,) = (tmp_path / "tables").glob("fusion-??????.csv")
    assert f"it is now {earlier.stem}" in output
    pd.testing.assert_frame_equal(table(tmp_path, earlier.stem).loc[before.index], before)
    assert "concat" not in table(tmp_path, "fusion").index
    assert (tmp_path / "figures" / f"{earlier.stem}.png").is_file()
    with without_figures():
        bench(*common, "--fusion", "concat,late", "--seeds", 2)
    pd.testing.assert_frame_equal(table(tmp_path, "fusion").loc[before.index], before)
