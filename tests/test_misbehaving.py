"""Whatever a method does is one run that failed: the others are kept, and nothing ends or hangs the bench."""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from operator import call
from pathlib import Path

import misbehaving
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from bench import environment, executors
from bench.cli import main
from bench.errors import BenchError
from bench.executors import inline, local
from bench.failure import DETAIL, REASON, Failure
from bench.isolation import undisturbed
from bench.request import Request
from bench.workflow import run

PLUGIN = Path(misbehaving.__file__)
METHODS = (*misbehaving.FAILING, *misbehaving.ENDING, *misbehaving.ALLOWED, *misbehaving.RETURNING)
REASONS = {name: reason for name, (_, reason) in (misbehaving.FAILING | misbehaving.ENDING).items()}


def request(folder: Path, out: Path, methods: str, **more) -> Request:
    return Request(
        fusions=methods, data=str(folder), out=out, encoders={"image": "resnet18"}, weights="random", seeds=1,
        settings=("encoders.image_size=32", "training.epochs=1", "model.dim=16"), device="cpu", **more,
    )  # fmt: skip


def predictions(out: Path, method: str) -> list[float]:
    """Of the stored run of a method."""
    for path in (out / "runs").glob("*/config.json"):
        if path.parent.suffix != ".failed" and f'"method": "{method}"' in path.read_text(encoding="utf-8"):
            return pd.read_parquet(path.parent / "predictions.parquet")["y_pred"].tolist()
    return []


@pytest.fixture(scope="module")
def alone(stream_folder, features, tmp_path_factory) -> Path:
    """Where concat was run by itself, in this process."""
    out = tmp_path_factory.mktemp("alone")
    run(request(stream_folder, out, "concat", executor="inline"))
    return out


@pytest.fixture(scope="module")
def beside(stream_folder, features, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """Where all methods that misbehave were run by two workers, concat last, and the failures."""
    out = tmp_path_factory.mktemp("beside")
    asked = request(stream_folder, out, ",".join([*METHODS, "concat"]), jobs=2, plugins=(PLUGIN,))
    summary = run(asked).summary
    return out, {outcome.spec.method: outcome.error for outcome in summary.failures}


@pytest.mark.parametrize("name", misbehaving.FAILING)
def test_what_a_method_raises_is_why_its_run_failed(beside, name):
    assert beside[1][name].startswith(REASONS[name])


@pytest.mark.parametrize("name", misbehaving.ENDING)
def test_how_a_process_ended_is_why_its_run_failed(beside, name):
    assert beside[1][name] == f"the process ended without a result ({REASONS[name]})"


@pytest.mark.parametrize("name", misbehaving.RETURNING)
def test_what_is_no_fused_vector_is_a_failure(beside, name):
    assert beside[1][name]


@pytest.mark.parametrize("name", [*misbehaving.ALLOWED, "concat"])
def test_the_others_are_stored(beside, name):
    assert name not in beside[1]
    assert len(predictions(beside[0], name)) == 8


def test_what_comes_after_a_method_that_misbehaves_has_the_same_bits(beside, alone):
    assert predictions(beside[0], "concat") == predictions(alone, "concat")


def test_every_failure_is_stored_as_text_of_a_line_and_a_bounded_traceback(beside):
    out, failures = beside
    assert set(failures) == set(METHODS) - set(misbehaving.ALLOWED)
    texts = [path.read_text(encoding="utf-8") for path in (out / "runs").glob("*.failed/error.txt")]
    assert len(texts) == len(failures)
    assert max(map(len, texts)) < DETAIL + 100
    for reason in failures.values():
        assert reason.isprintable()
        assert 0 < len(reason) <= REASON + 1


def test_a_single_worker_that_is_gone_is_replaced(stream_folder, features, alone, tmp_path):
    methods, out = ("killed", "returns-none", "disturbs", "late"), shutil.copytree(alone, tmp_path / "out")
    summary = run(request(stream_folder, out, ",".join(methods), plugins=(PLUGIN,))).summary
    failures = {outcome.spec.method: outcome.error for outcome in summary.failures}
    assert summary.executed == len(methods), "the references are stored"
    assert failures.keys() == {"killed", "returns-none"}
    assert failures["killed"] == f"the process ended without a result ({REASONS['killed']})"
    assert len(predictions(out, "disturbs")) == len(predictions(out, "late")) == 8


def test_a_run_over_its_time_is_one_that_failed(stream_folder, features, alone, tmp_path):
    out = shutil.copytree(alone, tmp_path / "out")
    summary = run(request(stream_folder, out, "hangs-in-C,concat", plugins=(PLUGIN,), timeout=1)).summary
    assert summary.executed == 1, "no other has to hurry"
    (outcome,) = summary.failures
    assert outcome.error == "the process ended without a result (ran longer than the timeout of 1 s)"
    assert predictions(out, "concat")


@pytest.mark.parametrize("executor", ["local", "inline"])
def test_the_command_tells_which_run_failed_and_ends_with_1(
    stream_folder, features, tmp_path, executor, undrawn
):
    options = {
        "--data": stream_folder, "--out": tmp_path, "--fusion": "exits-0,concat", "--plugin": PLUGIN,
        "--executor": executor, "--jobs": 1, "--seeds": 1, "--backbone": "resnet18", "--weights": "random",
    }  # fmt: skip
    small = ["--set", "encoders.image_size=32", "--set", "training.epochs=1", "--device", "cpu"]
    result = CliRunner().invoke(main, ["run", *(str(x) for pair in options.items() for x in pair), *small])
    assert result.exit_code == 1
    assert "exits-0, seed 0: SystemExit: 0" in result.output
    assert "1 failed" in result.output
    assert "concat" in (tmp_path / "tables" / "fusion.md").read_text(encoding="utf-8")


def test_parameters_in_a_plain_list_are_warned_of_once(stream_folder, features, tmp_path, caplog):
    plugin = tmp_path / "hides.py"
    plugin.write_text(
        """
import fusions, torch
@fusions.register("hides", paper="none")
class Hides(fusions.VectorFusion):
    def __init__(self, inputs):
        super().__init__(inputs)
        self.factors = [torch.nn.Parameter(torch.ones(inputs.dim))]
    def fuse_vectors(self, vectors):
        return fusions.Fused(vectors.mean(1) * self.factors[0])
""",
        encoding="utf-8",
    )
    asked = request(stream_folder, tmp_path / "out", "hides,concat", plugins=(plugin,), executor="inline")
    assert run(asked).summary.failures == ()
    told = [record.getMessage() for record in caplog.records if "never trained" in record.getMessage()]
    assert told == [
        "hides: parameters in a plain list are never trained (factors); "
        "use nn.ParameterList, nn.ModuleList or their Dicts"
    ]


# -- the executors by themselves


def reasons(answers) -> list:
    return [answer.reason if isinstance(answer, Failure) else answer for _, answer in answers]


def test_every_task_comes_back_once_however_many_jobs(monkeypatch):
    monkeypatch.setattr(executors, "PER_CORE", 1)
    monkeypatch.setattr(environment, "cores", lambda: 3)
    found = reasons(
        local(call, [os.getpid, partial(os._exit, 5), *[partial(str, n) for n in range(6)]], 10**30)
    )
    assert "the process ended without a result (exit code 5)" in found
    assert set("012345") < set(map(str, found))
    assert len(found) == 8
    assert os.getpid() not in found


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_over_its_time_is_ended_and_the_next_has_a_worker(jobs):
    hold_the_lock = "import ctypes; ctypes.PyDLL(None).sleep(1000)"
    tasks = [*(partial(exec, code) for code in ("while True: pass", hold_the_lock)), partial(str, "next")]
    found = reasons(local(call, tasks, jobs, timeout=2))
    late = "the process ended without a result (ran longer than the timeout of 2 s)"
    assert sorted(found) == ["next", late, late]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_ends_its_process_is_ended_alone(jobs):
    tasks = [do for do, _ in misbehaving.ENDING.values()]
    found = reasons(local(call, [*tasks, partial(str, "next")], jobs))
    ended = [f"the process ended without a result ({how})" for _, how in misbehaving.ENDING.values()]
    assert sorted(found) == sorted([*ended, "next"])


def test_what_cannot_be_sent_is_a_failure():
    forth, back = partial(next, iter(lambda: 1, 0), threading.Lock()), partial(open, os.devnull)
    found = reasons(local(call, [forth, back, partial(str, "next")], 1))
    assert found[0].startswith("cannot be sent to a worker process (TypeError: cannot pickle")
    assert found[1].startswith("TypeError: cannot pickle")
    assert found[2] == "next"


def test_no_worker_that_starts_is_an_error_in_words(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(BenchError, match=r"a worker process cannot start: .*exit code 1"):
        list(local(call, [os.getpid], 1))


def ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_kept_workers_serve_the_next_call_unless_the_environment_changed(monkeypatch, tmp_path):
    def process(keep: bool = True) -> int:
        return reasons(local(call, [os.getpid], 1, keep=keep))[0]

    first = process()
    assert process() == first
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    second = process()
    assert ended(first)
    assert process(keep=False) == second
    assert ended(second)


def test_closing_the_iterator_ends_what_is_still_at_work():
    answers = local(call, [os.getpid, partial(time.sleep, 1000)], 2)
    process = next(answers)[1]
    answers.close()
    assert ended(process)


def test_a_killed_parent_leaves_no_worker_behind():
    program = (
        "import os, time; from functools import partial; from operator import call; "
        "from bench.executors import local; "
        "answers = local(call, [os.getpid, partial(time.sleep, 1000)], 2); "
        "print(next(answers)[1], flush=True); time.sleep(1000)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 60
    while not ended(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert ended(worker)


def test_only_ctrl_c_passes_through_the_inline_executor():
    tasks = [
        partial(misbehaving.throw, error) for error in (SystemExit(0), GeneratorExit(), KeyboardInterrupt())
    ]
    assert reasons(inline(call, tasks[:2])) == ["SystemExit: 0", "GeneratorExit"]
    with pytest.raises(KeyboardInterrupt):
        list(inline(call, tasks))


STATE = {
    "dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "grad": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(2)),
    "device": (lambda: str(torch.get_default_device()), lambda: torch.set_default_device("meta")),
    "torch's seed": (lambda: torch.get_rng_state().tolist(), lambda: torch.manual_seed(5)),
    "numpy's seed": (lambda: str(np.random.get_state()), lambda: np.random.seed(5)),  # noqa: NPY002
    "python's seed": (random.getstate, lambda: random.seed(5)),
    "numpy's errors": (np.geterr, lambda: np.seterr(all="raise")),
    "folder": (os.getcwd, lambda: os.chdir("/")),
    "environment": (lambda: os.environ.get("NEW"), lambda: os.environ.update(NEW="1")),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("error")),
    "recursion": (sys.getrecursionlimit, lambda: sys.setrecursionlimit(5000)),
    "output": (lambda: id(sys.stdout), lambda: setattr(sys, "stdout", None)),
    "descriptors": (lambda: os.fstat(1).st_ino, lambda: os.close(1)),
}


@pytest.mark.parametrize("what", STATE)
def test_what_a_run_changes_is_put_back(what):
    ask, change = STATE[what]
    before = ask()
    with undisturbed():
        change()
    assert ask() == before
