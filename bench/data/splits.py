"""Splitting a dataset: a test part, and a validation part carved from the training part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.errors import DataError
from bench.seeds import derive

OFFICIAL = ("train", "validation", "test")


class Parts(NamedTuple):
    """Row numbers of each part, sorted. The learning set of a reference model is train + validation."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(
    n: int,
    seed: int,
    *,
    test: float,
    validation: float,
    groups: np.ndarray | None = None,
    official: np.ndarray | None = None,
) -> Parts:
    """Split `n` samples.

    Args:
        n: number of samples.
        seed: the run's seed; every method of one seed gets the same parts.
        test: share of all samples in the test part; ignored where `official` names a test part.
        validation: share of the rest in the validation part, unless `official` names one.
        groups: (n,) labels; rows with one label stay together.
        official: (n,) of "train", "validation" or "test".

    Raises:
        DataError: if a part would be empty.
    """
    units = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    rng = np.random.default_rng(derive(seed, "split"))
    if official is None:
        rest, test_rows = _carve(np.arange(n), units, test, rng)
    else:
        rest, test_rows = np.flatnonzero(official != "test"), np.flatnonzero(official == "test")
    if official is not None and (official == "validation").any():
        train, validation_rows = np.flatnonzero(official == "train"), np.flatnonzero(official == "validation")
    else:
        train, validation_rows = _carve(rest, units, validation, rng)
    parts = Parts(train, validation_rows, test_rows)
    for name, rows in zip(OFFICIAL, parts, strict=True):
        if len(rows) == 0:
            raise DataError(f"the {name} part of {n} samples is empty; the dataset is too small to split.")
    return parts


def _carve(
    rows: np.ndarray, units: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Take whole units at random until `share` of the rows is reached: (the others, the taken)."""
    present = np.unique(units[rows])
    order = rng.permutation(len(present))
    sizes = np.bincount(np.searchsorted(present, units[rows]))[order]
    before = np.cumsum(sizes) - sizes
    # a unit is taken while that brings the part closer to its share; always one, never all
    take = before + sizes / 2 <= share * len(rows)
    take[:1], take[-1:] = True, False
    taken = np.isin(units[rows], present[order[take]])
    return rows[~taken], rows[taken]
