"""Workers as forks of a template: as a new process would be, and gone when they should be."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from operator import call
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import template
from bench.executors import local
from bench.failure import Failure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are new processes")


def asked(*questions):
    """What a worker answers to each question."""
    return [answer for _, answer in local(call, questions, 1)]


def gone(process: int) -> bool:
    """Whether a process ends within a minute; its parent may not have asked for its status yet."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_workers_are_forks_of_one_template_that_is_not_this_process():
    (first,), (second,) = asked(os.getppid), asked(os.getppid)
    assert first == second != os.getpid()


def test_a_worker_has_what_this_process_has_now(monkeypatch, tmp_path):
    (before,) = asked(os.getppid)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    after, folder, settings = asked(os.getppid, os.getcwd, partial(eval, "dict(os.environ)", {"os": os}))
    assert (after, folder, settings) == (before, str(tmp_path), dict(os.environ))


@pytest.mark.parametrize("what", ["environment", "path", "source"])
def test_what_decides_imports_needs_another_template(monkeypatch, tmp_path, what):
    for top in template.OURS:
        (tmp_path / top).mkdir()
        (tmp_path / top / "module.py").touch()
    monkeypatch.setattr(template, "ROOT", tmp_path)
    (before,) = asked(os.getppid)
    if what == "environment":
        monkeypatch.setenv("ANY", "1")
    elif what == "path":
        monkeypatch.syspath_prepend(tmp_path / "bench")
    else:
        (tmp_path / "fusions" / "module.py").write_text("EDITED = 1\n", encoding="utf-8")
    assert asked(os.getppid) != [before]
    assert gone(before)


def test_a_template_that_was_killed_is_replaced():
    (before,) = asked(os.getppid)
    os.kill(before, signal.SIGKILL)
    assert gone(before)
    assert asked(os.getppid) != [before]


def test_workers_end_with_their_template():
    answers = local(call, [os.getpid, os.getppid, partial(time.sleep, 1000)], 1)
    worker, parent = next(answers)[1], next(answers)[1]
    os.kill(parent, signal.SIGKILL)
    (last,) = [answer for _, answer in answers]
    assert isinstance(last, Failure)
    assert last.crashed
    assert gone(worker)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_no_template_outlives_its_parent(end):
    program = (
        "import os, sys; from operator import call; from bench.executors import local; "
        "print(next(iter(local(call, [os.getppid], 1)))[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        process = int(parent.stdout.readline())
        if end:
            parent.send_signal(end)
    assert process != parent.pid
    assert gone(process)


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_worker_begins_with_its_own_thread_and_its_watch_over_the_parent():
    from bench.runner import run_job

    work = partial(call)
    work.__module__ = run_job.__module__  # the template imports torch, pandas and all that runs need
    ((_, count),) = local(work, [threads], 1)
    assert count == 2


def test_what_a_worker_changes_is_not_in_the_next(monkeypatch):
    plant = partial(exec, "import sys, torch; sys.planted = 1; torch.set_default_dtype(torch.float64)")
    look = partial(
        eval, "(getattr(sys, 'planted', 0), str(torch.get_default_dtype()))", {"sys": sys, "torch": torch}
    )
    assert asked(plant, look)[1] == (1, "torch.float64")
    assert asked(look) == [(0, "torch.float32")]


def multiply(seed: int) -> bytes:
    a, b = np.random.default_rng(seed).normal(size=(2, 300, 300))
    return (a @ b).tobytes() + (torch.from_numpy(a) @ torch.from_numpy(b)).numpy().tobytes()


def test_libraries_with_threads_compute_the_same_bits_in_a_fork():
    assert asked(partial(multiply, 5)) == [multiply(5)]
