"""Experiments as data: what they compare, which runs they share, where they do not apply."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from bench import observe
from bench.cli import main
from bench.experiments import EXPERIMENTS
from bench.experiments.tuning import CHOSEN, SEARCH_SPACE
from bench.plan import load_plans
from bench.store import RunStore
from bench.variants import Choice

DEFAULTS = {"image": "resnet50", "text": "hashing", "video": "motion", "audio": "logmel"}
OPTIONS = [
    "--backbone", "resnet18", "--text", "hashing", "--weights", "random", "--device", "cpu",
    "--executor", "inline",
    "--seeds", "2", "--set", "encoders.image_size=32", "--set", "training.epochs=2", "--set", "model.dim=16",
]  # fmt: skip


def choice(schema, **said) -> Choice:
    return Choice(schema, defaults=DEFAULTS, **{"fusions": (), "encoders": {}, **said})


def bench(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def together(stream_folder, tmp_path_factory) -> Path:
    """Several experiments in one go."""
    out = tmp_path_factory.mktemp("paper")
    names = "entity-fusion,order,entities,training,scatter,attention,data,tuning"
    output = bench(
        "run",
        "--experiment",
        names,
        "--data",
        stream_folder,
        "--backbone",
        "resnet18",
        "--out",
        out,
        *OPTIONS,
    )
    # entity-fusion 5, order + 1, entities + 10, two seeds each; the single runs are all shared
    assert "32 runs executed" in output
    return out


def test_the_registry_has_the_tables_and_figures_of_the_paper():
    found = {e.name: e.paper for e in EXPERIMENTS.values()}
    assert found == {
        "synchronicity": "",
        "fusion": "Table 9", "entity-fusion": "Table 7", "order": "Fig. 5", "entities": "Table 8",
        "backbones": "Table 10", "training": "Fig. 3", "scatter": "Fig. 4", "attention": "Fig. 6",
        "data": "Table 5", "tuning": "Table 6", "missing": "", "fusion-tuned": "", "fusion-matched": "",
        "fusion-finetuned": "", "size": "",
    }  # fmt: skip


def test_every_experiment_leaves_its_files(together):
    tables = {path.stem for path in (together / "tables").glob("*.csv")}
    tables = {name for name in tables if not name.endswith("-seeds")}
    assert tables == {path.stem for path in (together / "plans").glob("*.json")}
    figures = {path.stem for path in (together / "figures").glob("*.png")}
    assert figures == {
        "entity-fusion", "order", "entities", "training", "scatter", "attention-samples", "attention-mean",
        "data",
    }  # fmt: skip
    assert figures == {path.stem for path in (together / "figures").glob("*.svg")}


def run_alone(name: str, data: Path, out: Path) -> None:
    bench("run", "--experiment", name, "--data", data, "--backbone", "resnet18", "--out", out, *OPTIONS)


@pytest.mark.parametrize("name", ["order", "entities"])
def test_an_experiment_alone_gives_the_numbers_of_the_whole(stream_folder, together, tmp_path, name, undrawn):
    run_alone(name, stream_folder, tmp_path)
    alone, within = (
        pd.read_csv(out / "tables" / f"{name}.csv").drop(columns="seconds") for out in (tmp_path, together)
    )
    pd.testing.assert_frame_equal(alone, within, check_exact=True)


def test_observing_a_run_changes_no_bit_of_it(stream_folder, together, tmp_path, undrawn):
    """The test metrics over epochs are for drawing only."""
    run_alone("scatter", stream_folder, tmp_path)
    (plan,) = load_plans(tmp_path)
    (run,) = plan.rows[0].runs
    files = [out / "runs" / run / "predictions.parquet" for out in (tmp_path, together)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (together / "runs" / run / "test_history.parquet").is_file()
    assert not (tmp_path / "runs" / run / "test_history.parquet").exists()


def test_something_more_to_observe_runs_again_and_loses_nothing(stream_folder, tmp_path, undrawn):
    options = ["--data", stream_folder, "--out", tmp_path, *OPTIONS]
    for name, executed in {"training": 1, "attention": 1, "scatter": 0}.items():
        assert f"{executed} runs executed" in bench("run", "--experiment", name, *options)
    store = RunStore(tmp_path)
    folder = store.root / load_plans(tmp_path)[0].rows[0].runs[0]
    assert {"test_history.parquet", "attention.npz"} <= {path.name for path in folder.iterdir()}


def test_entities_come_from_the_schema(streams):
    found = [(v.arm, v.left_out) for v in EXPERIMENTS["entities"].variants(choice(streams.schema))]
    entities = ("anchor", "commodity", "room", "video", "audio")
    others = [tuple(o for o in entities if o != e) for e in entities]
    assert found == [("", ()), *(("without", (e,)) for e in entities), *(("only", o) for o in others)]


def test_backbones_are_the_papers_unless_others_are_asked_for(streams, nothing_to_be_found):
    backbones = EXPERIMENTS["backbones"]
    images = {(i, "hashing") for i in ("resnet18", "resnet50", "resnet101", "densenet121")}
    texts = {("resnet50", "bert"), ("resnet50", "xlnet")}
    # without weights, random text encoders are compared only where somebody asks for them
    for said, expected in (
        ({}, images),
        ({"weights": "random"}, images | texts),
        ({"encoders": {"text": ("bert", "xlnet")}}, {(i, "bert") for i, _ in images} | texts),
    ):
        variants = backbones.variants(choice(streams.schema, **said))
        assert {v.method for v in variants} == {"memf", "vtfsa", "cmmt"}
        assert {(v.encoders["image"], v.encoders["text"]) for v in variants} == expected
        assert ("bert, xlnet left out" in backbones.left_out(choice(streams.schema, **said))) == (not said)
    asked = EXPERIMENTS["backbones"].variants(
        choice(streams.schema, encoders={"image": ("vgg11",)}, fusions=("late",))
    )
    assert {(v.method, v.encoders["image"]) for v in asked} == {("late", "vgg11")}


def test_an_experiment_that_does_not_apply_says_why(tmp_path):
    (tmp_path / "samples.csv").write_text(
        "id,price,area\n" + "\n".join(f"{i},{i * 7 % 11 + 1},{i}" for i in range(40)), encoding="utf-8"
    )
    (tmp_path / "dataset.toml").write_text(
        'name = "flats"\n[target]\ncolumn = "price"\n[entities.flat]\nnumeric = ["area"]\n', encoding="utf-8"
    )
    options = ["--data", tmp_path, "--out", tmp_path / "out", "--fusion", "concat", "--executor", "inline"]
    output = bench("run", "--experiment", "order,backbones,attention,fusion", "--video", "motion", *options)
    for part in (
        "order does not apply: the dataset has one modality",
        "backbones does not apply",
        "--encoder video: flats has nothing of it to encode",
        "one entity (flat)",
    ):
        assert part in output.replace("\n", " ")
    assert (tmp_path / "out" / "tables" / "fusion.csv").is_file()


def test_table_6_is_the_papers():
    assert all(CHOSEN[setting] in values for setting, values in SEARCH_SPACE.items())


def test_every_observer_is_known_to_a_process_that_asks_for_observers_alone():
    """A worker does; one that an experiment alone had imported was unknown there, and all its runs failed."""
    code = "from bench.observe import OBSERVERS; print(*[o.__module__ for o in OBSERVERS.values()])"
    known = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    files = {path.stem for path in Path(observe.__file__).parent.glob("[a-z]*.py")} - {"base"}
    assert {name.rpartition(".")[2] for name in known.split()} == files
