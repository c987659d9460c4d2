"""`bench tune`: what a search may see, spend and forget, and what comes of its settings."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

import fusions
from bench.budget import allowance, epoch_cost
from bench.cli import main
from bench.config import load_preset
from bench.data.dataset import Dataset
from bench.errors import UsageError
from bench.experiments.tuning import SEARCH_SPACE
from bench.features.encode import encode
from bench.methods.references import REFERENCES, Reference, reference
from bench.metrics import METRICS
from bench.plugins import carried
from bench.runner import Job
from bench.space import defaults, is_tunable, space, with_settings
from bench.spec import RunSpec
from bench.store import RunStore
from bench.trial import parts_of
from bench.tune import (
    Search,
    Trial,
    attempt,
    best_of,
    make_trial,
    read_trials,
    search_all,
    searches_of,
    tuned,
)
from fusions.base import Fused, Inputs, VectorFusion

QUICK = load_preset("quick")
CPU = torch.device("cpu")


def spec_of(method: str, features, *, preset=QUICK, seed: int = 0, **training) -> RunSpec:
    return RunSpec(
        method=method,
        options=preset.fusions.get(method, {}),
        model=preset.model,
        training=preset.training.model_copy(update={"epochs": 3, **training}),
        seed=seed,
        dataset="livestream",
        target=features.target,
        encoders=dict(features.stamps),
        features=features.fingerprint,
        code="",
    )


def search_of(spec: RunSpec, features, out: Path, number: int = 0, allowed: int = 0) -> Search:
    job = Job(spec, features, out, "cpu", entry=carried(spec.method, ()))
    return Search(job, allowed, number)


def stored(out: Path) -> dict[str, list[dict]]:
    """Search -> what its trials were and gave, without how long they took."""
    return {
        folder.name: [trial.model_dump(exclude={"seconds"}) for trial in read_trials(folder)]
        for folder in sorted((out / "tuning").iterdir())
    }


# -- spaces ------------------------------------------------------------------------------------------------


def test_in_the_preset_of_the_paper_the_shared_space_is_table_6_and_goes_on(features):
    found = space(spec_of("memf", features, preset=load_preset("paper")))
    for setting, searched in SEARCH_SPACE.items():
        assert set(searched) <= set(found[setting]), setting
        assert list(found[setting]) == sorted(found[setting])
    assert min(found["training.lr"]) < min(SEARCH_SPACE["training.lr"])
    assert 0 in found["model.dropout"]


@pytest.mark.parametrize("method", [*fusions.names(), "ridge", "boosted-trees"])
def test_every_space_holds_what_the_run_has_and_every_value_can_be_set(method, features):
    spec = spec_of(method, features)
    found = space(spec)
    assert all(value in found[key] for key, value in defaults(spec).items())
    assert with_settings(spec, defaults(spec)) == spec.model_copy(
        update={"options": with_settings(spec, defaults(spec)).options}
    )
    for key, values in found.items():
        for value in values:
            assert defaults(with_settings(spec, {key: value}))[key] == value


def test_only_settings_that_reach_a_fusion_are_searched(features):
    assert not {"model.heads", "model.layers", "model.dropout"} & set(space(spec_of("gmu", features)))
    assert {"model.heads", "model.layers", "model.dropout"} <= set(space(spec_of("memf", features)))


def test_the_space_of_a_new_fusion_is_in_its_decorator_alone(features):
    class Power(VectorFusion):
        """The mean of the groups to a power."""

        def __init__(self, inputs: Inputs, *, power: float = 1.0) -> None:
            super().__init__(inputs)
            self.power = power

        def fuse_vectors(self, vectors):
            return Fused(vectors.mean(1) * self.power)

    with pytest.raises(ValueError, match="search names no option of it: 'powers'; it has: power"):
        fusions.register("power", paper="here", search={"powers": (1.0,)})(Power)
    fusions.register("power", paper="here", search={"power": (0.5, 2.0)})(Power)
    assert space(spec_of("power", features))["power.power"] == (0.5, 1.0, 2.0)
    assert with_settings(spec_of("power", features), {"power.power": 2.0}).options == {"power": 2.0}


def test_what_has_nothing_to_search_is_not_searched(features, tmp_path):
    assert is_tunable("ridge")
    assert not is_tunable("predict-mean")
    jobs = [search_of(spec_of(name, features), features, tmp_path).job for name in ("ridge", "predict-mean")]
    assert [s.spec.method for s in searches_of([*jobs, *jobs], {}, equal=True)] == ["ridge"]


# -- what a trial sees -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["concat", "ridge", "boosted-trees"])
def test_a_trial_is_the_same_whatever_the_targets_of_the_test_part(method, features, tmp_path):
    search = search_of(spec_of(method, features), features, tmp_path)
    parts = parts_of(search.spec, features)
    make_trial(search)
    seen = attempt(replace(search, job=replace(search.job, out=tmp_path / "other")), features, parts, CPU)
    assert np.isfinite(seen.value)
    assert search.trials == [seen.model_copy(update={"seconds": search.trials[0].seconds})]


def test_what_looks_at_the_test_part_finds_nothing(features, tmp_path):
    class Peeking(Reference):
        """The mean of all targets."""

        def fit(self, features, parts, after_epoch=None):
            self.fitted = float(np.mean(features.samples["target"]))

        def predict(self, features, rows):
            return np.full(len(rows), self.fitted)

    class Testing(Peeking):
        """The mean of the test part's."""

        def fit(self, features, parts, after_epoch=None):
            assert len(parts.test) == 0
            self.fitted = 0.0

    try:
        reference("peeking", "regression", search={"nothing": (1, 2)})(Peeking)
        reference("testing", "regression", search={"nothing": (1, 2)})(Testing)
        peeking, testing = (
            search_of(spec_of(name, features), features, tmp_path) for name in ("peeking", "testing")
        )
        make_trial(peeking)
        make_trial(testing)
    finally:
        del REFERENCES["peeking"], REFERENCES["testing"]
    assert [(t.state, t.error) for t in peeking.trials] == [
        ("failed", "the MSE on the validation part is not finite.")
    ]
    assert [t.state for t in testing.trials] == ["complete"]
    assert np.isfinite(features.samples["target"]).all()  # nobody else is blind


@pytest.mark.parametrize("method", ["cmmt", "boosted-trees-best-entity"])
def test_classes_are_searched_by_the_logarithmic_loss_without_a_look_at_the_test_part(method, tmp_path, rng):
    table = pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "z"])
    table["y"] = np.where(table["x"] > 0, "yes", "no")
    entities = {"one": {"numeric": ["x"]}, "two": {"numeric": ["z"]}}
    data = Dataset.from_frames(table, target={"column": "y", "task": "binary"}, entities=entities)
    seen = encode(data, {})[0]
    search, parts = search_of(spec_of(method, seen), seen, tmp_path), parts_of(spec_of(method, seen), seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # a target that is not known, made a class
        trial = attempt(search, seen.blinded(parts.test), parts._replace(test=parts.test[:0]), CPU)
    assert (trial.state, trial.error) == ("complete", "")
    assert 0 < trial.value < 2


def test_a_trial_that_is_worse_than_the_median_is_stopped(features, tmp_path):
    search = search_of(spec_of("gmu", features, epochs=30, patience=30), features, tmp_path, number=6)
    for number in range(6):
        earlier = Trial(
            number=number, state="complete", settings=defaults(search.spec), value=1e-9, course=[1e-9] * 30,
            epochs=30,
        )  # fmt: skip
        folder = search.folder / "trials" / f"{number:04d}"
        make_stored(folder, earlier)
    make_trial(search)
    last = search.trials[-1]
    assert (last.number, last.state) == (6, "pruned")
    assert len(last.course) < 10
    assert best_of(search.trials, METRICS["MSE"]).number == 0


def make_stored(folder: Path, trial: Trial) -> None:
    from bench.files import seal

    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(trial.model_dump_json())
    seal(folder)


def test_settings_that_a_method_cannot_have_are_a_failed_trial(features, tmp_path):
    spec = spec_of("memf", features)
    broken = spec.model_copy(update={"model": spec.model.model_copy(update={"dim": 25})})
    search = search_of(broken, features, tmp_path)
    assert search_all([search], 1, processes=1, executor="inline") == 1
    assert search.trials[0].state == "failed"
    assert search.trials[0].error
    with pytest.raises(UsageError, match="memf, seed 0: no trial without a failure under"):
        tuned(broken, tmp_path)


# -- budgets -----------------------------------------------------------------------------------------------


def test_equal_budgets_are_the_same_for_all_and_spent_on_longer_training(features, tmp_path):
    specs = [spec_of(name, features, patience=1000) for name in ("concat", "memf", "mbt")]
    jobs = [search_of(spec, features, tmp_path).job for spec in specs]
    searches = searches_of(jobs, QUICK.fusions, equal=True)
    allowed = {search.allowance for search in searches}
    assert allowed == {allowance(specs[0], features, QUICK.fusions)}
    assert searches_of(jobs[:1], QUICK.fusions, equal=True)[0].allowance in allowed  # whoever is asked for
    assert {search.allowance for search in searches_of(jobs, {}, equal=False)} == {0}
    search_all(searches, 1, processes=1, executor="inline")
    trials = [search.trials[0] for search in searches]
    for search, trial in zip(searches, trials, strict=True):
        cost = epoch_cost(search.spec, features, parts_of(search.spec, features))
        assert trial.flops == cost * trial.epochs  # no early stopping here
        assert search.allowance - cost < trial.flops <= search.allowance
    concat, memf, mbt = trials
    assert concat.epochs > memf.epochs > mbt.epochs >= 3


# -- from end to end ---------------------------------------------------------------------------------------

OPTIONS = [
    "--backbone", "resnet18", "--weights", "random", "--device", "cpu", "--seeds", "2",
    "--set", "encoders.image_size=32", "--set", "training.epochs=2", "--set", "model.dim=16",
]  # fmt: skip


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def done(stream_folder, tmp_path_factory) -> Path:
    """Three trials of each, in this process."""
    out = tmp_path_factory.mktemp("tuned")
    result = bench(
        "tune", "--data", stream_folder, "--out", out, "--fusion", "concat,gmu", "--trials", "3",
        "--executor", "inline", *OPTIONS,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    # two fusions, three references, two seeds
    assert "30 trials made, 0 already stored, 0 failed" in result.output
    return out


def test_the_record_of_a_search_can_be_read(done):
    table = pd.read_csv(done / "tables" / "tune.csv")
    assert set(table["method"]) == {"concat", "gmu", "ridge", "boosted-trees", "boosted-trees-best-entity"}
    assert (table["trials"] == 3).all()
    assert (table["best MSE"] <= table["default MSE"]).all()
    fused = table[table["method"].isin(["concat", "gmu"])]
    assert (fused["spent GFLOPs"] <= fused["budget GFLOPs"]).all()
    assert fused.groupby("seed")["budget GFLOPs"].nunique().eq(1).all()
    trials = pd.read_csv(done / "tables" / "tune-trials.csv")
    assert len(trials) == 30
    assert (trials.groupby(["method", "seed"])["best_so_far"].diff().dropna() <= 0).all()
    assert {"training.lr", "ridge.penalty", "flops", "epochs"} <= set(trials)
    importance = pd.read_csv(done / "tables" / "tune-importance.csv")
    assert importance.groupby("method")["importance"].sum().to_numpy() == pytest.approx(1)
    assert (done / "figures" / "tune.png").is_file()
    assert "the test part was not read" in (done / "tables" / "tune.md").read_text()


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(stream_folder, done, tmp_path):
    arguments = ["--data", stream_folder, "--out", tmp_path, "--fusion", "gmu", *OPTIONS, "--seeds", 1]
    command = [sys.executable, "-m", "bench", "tune", *map(str, arguments), "--trials", "3", "--jobs", "1"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    ) as process:
        deadline = time.monotonic() + 240
        while len(list(tmp_path.glob("tuning/*/trials/0*"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    kept = len(list(tmp_path.glob("tuning/*/trials/0*")))
    assert 3 <= kept < 12  # of four methods
    damaged = min(tmp_path.glob("tuning/*/trials/0000/trial.json"))
    damaged.write_text(damaged.read_text()[:-9])  # a disk that lost the end
    result = bench("tune", *arguments, "--trials", "3", "--jobs", "2")
    assert result.exit_code == 0, result.output
    made = int(result.output.split(" trials made")[0].split()[-1])
    assert 12 - kept <= made <= 12 - kept + 1  # the damaged one, too; a worker may have ended its last trial
    assert stored(tmp_path).items() <= stored(done).items()  # and two processes are as good as one


def test_runs_with_tuned_settings_stand_beside_the_default_ones(stream_folder, done):
    result = bench(
        "run", "--tuned", "--data", stream_folder, "--out", done, "--fusion", "concat,gmu", "--executor",
        "inline", *OPTIONS,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_csv(done / "tables" / "fusion-tuned.csv", keep_default_na=False)
    arms = table.groupby("method")["variant"].agg(set)
    assert arms["concat"] == arms["ridge"] == {"", "tuned"}
    assert arms["predict-mean"] == {""}
    plan = json.loads((done / "plans" / "fusion-tuned.json").read_text())
    store = RunStore(done)
    for row in plan["rows"]:
        if row["arm"] != "tuned":
            continue
        default = next(r for r in plan["rows"] if r["method"] == row["method"] and not r["arm"])
        for plain, run in zip(default["runs"], row["runs"], strict=True):
            best = best_of(read_trials(done / "tuning" / plain), METRICS["MSE"])
            assert store.spec(run) == with_settings(store.spec(plain), best.recipe)
            if best.course:  # the very run that the trial was
                scale = min(best.course) / store.history(run)["validation_loss"].min()
                assert store.history(run)["validation_loss"].to_numpy() * scale == pytest.approx(best.course)
    gain = pd.read_csv(done / "tables" / "fusion-tuned-gain.csv")
    assert gain["gain"].to_numpy() == pytest.approx(gain["default"] - gain["tuned"])
    assert "Kendall's tau" in (done / "tables" / "fusion-tuned.md").read_text()
    assert (done / "figures" / "fusion-tuned.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--tuned", "--fusion", "mfb"), "mfb, seed 0: no tuned settings under"),
        (
            ("run", "--tuned", "--fusion", "concat", "--set", "training.lr=0.1"),
            "seed 0: no tuned settings under",
        ),
        (("run", "--tuned", "--experiment", "order"), "leave out --experiment"),
        (
            ("tune", "--fusion", "concat", "--budget", "trials"),
            "holds a search of concat with another --budget",
        ),
        (("tune", "--fusion", "concat", "--force"), "has no use for --force"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(stream_folder, done, arguments, message):
    result = bench(*arguments, "--data", stream_folder, "--out", done, *OPTIONS)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_unfinished_search_is_not_used(features, tmp_path):
    search = search_of(spec_of("ridge", features), features, tmp_path)
    search_all([search], 2, processes=1, executor="inline")
    assert isinstance(tuned(search.spec, tmp_path), RunSpec)
    search_all([search], 1, processes=1, executor="inline")  # fewer are asked for: as many count
    assert [trial.number for trial in search.trials] == [0]
    assert tuned(search.spec, tmp_path) == search.spec
    search_all([search], 2, processes=1, executor="inline")
    for path in (search.folder / "trials" / "0001").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match=r"ridge, seed 0: only 1 of 2 trials under .*`bench tune --fusion"):
        tuned(search.spec, tmp_path)
