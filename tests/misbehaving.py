"""A plugin of methods that do what no method should: each a registered name, with what its run ends in."""

import ctypes
import os
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np
import torch

import fusions


class Odd(BaseException):
    """Not even an Exception."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text either")


def throw(error: BaseException) -> None:
    raise error


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def hold_the_lock() -> None:
    ctypes.PyDLL(None).sleep(1000)  # a PyDLL call keeps the interpreter's lock


def leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(1000,), daemon=False).start()


def make_noise() -> None:
    print("noise [/red] \x1b[31m" * 100)
    os.write(1, b"\xff noise\n" * 100)
    sys.stderr.write("noise\n" * 100)


def close_output() -> None:
    sys.stdout.close()
    sys.stderr.close()
    os.close(0)


def disturb() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    sys.setrecursionlimit(10_000)
    os.environ["BENCH_CACHE"] = "/nowhere"
    os.chdir("/")
    torch.set_grad_enabled(True)


FAILING = {
    "exits-0": (lambda: sys.exit(0), "SystemExit: 0"),
    "exits-text": (lambda: sys.exit("goodbye"), "SystemExit: goodbye"),
    "interrupts": (lambda: throw(KeyboardInterrupt()), "KeyboardInterrupt"),
    "is-odd": (lambda: throw(Odd("odd")), "Odd: odd"),
    "generator-exit": (lambda: throw(GeneratorExit()), "GeneratorExit"),
    "marks-up": (lambda: throw(ValueError("[/red] [bold")), "ValueError: [/red] [bold"),
    "surrogate": (lambda: throw(ValueError("a \ud800 b")), r"ValueError: a \ud800 b"),
    "controls": (lambda: throw(ValueError("a\x1b[2J\r\nb")), r"ValueError: a\x1b[2J b"),
    "long": (lambda: throw(ValueError("x" * 1_000_000)), "ValueError: xxx"),
    "unprintable": (lambda: throw(Unprintable()), "Unprintable: (it has no text"),
    "recursion": (recurse, "RecursionError: maximum recursion depth exceeded"),
    "memory": (lambda: bytearray(1 << 60), "MemoryError"),
}
"""Name -> what it does when built, and how the reason begins."""

ENDING = {
    "os-exit-0": (lambda: os._exit(0), "exit code 0"),
    "os-exit-3": (lambda: os._exit(3), "exit code 3"),
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by signal 9, SIGKILL"),
    "segfault": (lambda: ctypes.string_at(0), "killed by signal 11, SIGSEGV"),
}
"""Name -> what it does when built, and how its process ended."""

ALLOWED = {
    "leaves-a-thread": leave_a_thread,
    "noise": make_noise,
    "closes-output": close_output,
    "disturbs": disturb,
}
"""Name -> what it does when built; its own run has a result, and so do those after it."""

RETURNING = {
    "returns-none": lambda vectors: None,
    "returns-text": lambda vectors: "vector",
    "returns-nan": lambda vectors: fusions.Fused(vectors.mean(1) * torch.nan),
    "returns-narrow": lambda vectors: fusions.Fused(vectors.mean(1)[:, :3]),
    "returns-one-row": lambda vectors: fusions.Fused(vectors.mean((0, 1))[None]),
}
"""Name -> what it returns, which is no fused vector."""

DO = {name: do for name, (do, _) in (FAILING | ENDING).items()} | ALLOWED | {"hangs-in-C": hold_the_lock}


def method(name: str) -> type[fusions.Fusion]:
    class Misbehaving(fusions.VectorFusion):
        def __init__(self, inputs: fusions.base.Inputs) -> None:
            super().__init__(inputs)
            DO.get(name, lambda: None)()

        def fuse_vectors(self, vectors: torch.Tensor) -> fusions.Fused:
            return RETURNING.get(name, lambda v: fusions.Fused(v.mean(1)))(vectors)

    return Misbehaving


if __name__.startswith("bench_plugin"):  # not where the tests import what to expect
    for name in (*DO, *RETURNING):
        fusions.register(name, paper="none")(method(name))
