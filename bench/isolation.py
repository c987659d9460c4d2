"""What a method changes in its process is put back, so that the next run starts as if it were the first."""

from __future__ import annotations

import locale
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _set_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]  # typed as read-only, but a list


STATE: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (os.getcwd, os.chdir),
    (lambda: dict(os.environ), _set_environment),
    (lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    _attribute(sys, "stdout"),
    _attribute(sys, "stderr"),
    (lambda: list(warnings.filters), _set_filters),
    (np.geterr, lambda handling: np.seterr(**handling)),
    (torch.get_default_dtype, torch.set_default_dtype),
    (
        torch.get_default_device,
        lambda device: torch.set_default_device(None if device.type == "cpu" else device),
    ),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    _attribute(torch.backends.cudnn, "benchmark"),
    _attribute(torch.backends.cudnn, "deterministic"),
)
"""What is global to a process: how to ask for it, how to set it."""

RANDOM: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_rng_state, torch.set_rng_state),
)
"""The global random states; every run has its own seeds, but a notebook's own must not change either."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put back, after the block, whatever it changed of the process's state.

    Not `sys.path` and imported modules, and no function of another library that was replaced.
    """
    before = [(ask, put, ask()) for ask, put in STATE]
    states = [(put, ask()) for ask, put in RANDOM]
    streams = [(number, os.dup(number)) for number in (0, 1, 2) if _is_open(number)]
    try:
        yield
    finally:
        for number, copy in streams:  # closed ones too: the next file that is opened would take their place
            os.dup2(copy, number)
            os.close(copy)
        torch.set_flush_denormal(False)
        for ask, put, value in before:
            if not _holds(ask, value):
                put(value)
        for put, state in states:
            put(state)
        _reopen()


@contextmanager
def one_thread() -> Iterator[None]:
    """`undisturbed`, with one thread: the same bits whatever the number of processes.

    Where every core has a process, more threads wait for each other: training took four times as long.
    """
    with undisturbed(), _libraries(len(sys.modules)).limit(limits=1):
        torch.set_num_threads(1)
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The libraries with threads of their own, looked for again where modules were imported since.

    To look for them takes as long as to encode a short video.
    """
    return ThreadpoolController()


def _holds(ask: Callable[[], Any], value: Any) -> bool:
    try:
        return bool(ask() == value)
    except Exception:  # the folder it went to is gone
        return False


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _reopen() -> None:
    """Standard output and error again, where a method closed the objects themselves."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not None and stream.closed:
            again = open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, again)
