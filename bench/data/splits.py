"""Splitting a dataset: a test part, and a validation part carved from the training part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.data.stratified import carve, refuse_rare
from bench.errors import DataError, UsageError
from bench.seeds import derive

OFFICIAL = ("train", "validation", "test")
KINDS = ("auto", "random", "kfold", "official", "time")
FREE = ("random", "kfold")
"""Splits whose test parts are drawn anew for every seed; of the others all seeds have the same."""


class Parts(NamedTuple):
    """Row numbers of each part, sorted: to fit on, to choose by, to be tested on once."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def kind_of(asked: str, samples: Mapping[str, np.ndarray], fixed: str = "") -> str:
    """Which split `asked` means for a dataset: random, kfold, official or time.

    Args:
        asked: one of KINDS; auto is official where there is such a split, else random.
        samples: arrays over samples by name, of which `official` and `times` matter.
        fixed: why only the official split may be used, or "".

    Raises:
        UsageError: the dataset has no such split, or may not be split so.
    """
    kind = ("official" if "official" in samples else "random") if asked == "auto" else asked
    needs = {"official": ("official", "split"), "time": ("times", "time")}
    if kind in needs and needs[kind][0] not in samples:
        raise UsageError(
            f"--split {kind}: the dataset has no such column; name it as `{needs[kind][1]}` under [samples]."
        )
    if fixed and kind != "official":
        raise UsageError(f"--split {kind}: only the official split may be used: {fixed.rstrip('.')}.")
    return kind


def split(
    samples: Mapping[str, np.ndarray],
    seed: int,
    *,
    kind: str = "random",
    test: float,
    validation: float,
    kept: np.ndarray | None = None,
    classes: Sequence[str] = (),
    share: float = 1.0,
) -> Parts:
    """Split samples. A group is never divided between parts; what is drawn at random keeps shares of classes.

    Args:
        samples: arrays over samples by name: `target` and maybe `groups`, `official`, `times`, each (N,).
        seed: the run's seed; every method of one seed gets the same parts.
        kind: random; kfold, the folds of repeated cross-validation one seed after the other, so that 1 / test
            seeds test every sample once; official, as the dataset's column says; or time, the latest samples
            being the test part.
        test: share of all samples in the test part; an official split has its own.
        validation: share of the rest in the validation part, unless the official split has one.
        kept: (N,) bool, the samples that are used at all; the others are left out of the parts.
        classes: names of the classes that are the target, if it is no number.
        share: of the training part that is used; more of it for the same seed has all that less of it has,
            but for classes, whose shares are kept.

    Raises:
        DataError: if a part would be empty, or one drawn at random would lack a class.
    """
    n = len(samples["target"])
    groups = samples.get("groups")
    units = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    labels = samples["target"].astype(int) if classes else None
    rng = np.random.default_rng(derive(seed, "split"))
    if kind == "time":
        times = np.asarray(samples["times"])
        rest, test_rows = _latest(np.arange(n), units, times, test)
        train, validation_rows = _latest(rest, units, times, validation)
    elif kind == "official":
        official = samples["official"]
        rest, test_rows = np.flatnonzero(official != "test"), np.flatnonzero(official == "test")
        if (official == "validation").any():
            train = np.flatnonzero(official == "train")
            validation_rows = np.flatnonzero(official == "validation")
        else:
            train, validation_rows = _carve(rest, units, labels, validation, rng)
    else:
        if labels is not None:
            refuse_rare(classes, labels, units, parts=3)
        if kind == "kfold":
            rest, test_rows = _fold(units, labels, seed, round(1 / test))
        else:
            rest, test_rows = _carve(np.arange(n), units, labels, test, rng, leave=2)
        train, validation_rows = _carve(rest, units, labels, validation, rng)
    parts = Parts(train, validation_rows, test_rows)
    if kept is not None:
        parts = Parts(*(rows[kept[rows]] for rows in parts))
    if share < 1 and len(parts.train):
        drawn = np.random.default_rng(derive(seed, "share"))
        parts = parts._replace(train=_carve(parts.train, units, labels, share, drawn)[1])
    for name, rows in zip(OFFICIAL, parts, strict=True):
        if len(rows) == 0:
            left = "" if kept is None else f", of which {int(kept.sum())} are complete"
            raise DataError(
                f"the {name} part of {n} samples{left} is empty; the dataset is too small to split so."
            )
    if labels is not None and kind in FREE:
        train = parts.train
        refuse_rare(classes, labels[train], units[train], parts=1, where=" in the training part")
    return parts


def _latest(
    rows: np.ndarray, units: np.ndarray, times: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cut at a moment, so that `share` of the rows is not before it: (before, after).

    Of a group with samples on both sides those before are left out: training must not know it.
    """
    cut = np.sort(times[rows])[-max(1, round(share * len(rows)))]
    after = rows[times[rows] >= cut]
    before = rows[(times[rows] < cut) & ~np.isin(units[rows], units[after])]
    return before, after


def _fold(
    units: np.ndarray, labels: np.ndarray | None, seed: int, folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """The fold of a seed among `folds`, shuffled anew for every round of them: (others, fold)."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # takes long to import

    turn, fold = divmod(seed, folds)
    kind = GroupKFold if labels is None else StratifiedGroupKFold
    rounds = kind(folds, shuffle=True, random_state=derive(turn, "folds") % 2**32)
    rest, test = list(rounds.split(units, labels, units))[fold]
    return np.sort(rest), np.sort(test)


def _carve(
    rows: np.ndarray,
    units: np.ndarray,
    labels: np.ndarray | None,
    share: float,
    rng: np.random.Generator,
    leave: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Take whole units at random until `share` of the rows, or of each class, is reached: (others, taken)."""
    if labels is not None:
        taken = carve(units[rows], labels[rows], share, rng, leave=leave)
        return rows[~taken], rows[taken]
    present = np.unique(units[rows])
    order = rng.permutation(len(present))
    sizes = np.bincount(np.searchsorted(present, units[rows]))[order]
    before = np.cumsum(sizes) - sizes
    # a unit is taken while that brings the part closer to its share; always one, never all
    take = before + sizes / 2 <= share * len(rows)
    take[:1], take[-1:] = True, False
    taken = np.isin(units[rows], present[order[take]])
    return rows[~taken], rows[taken]
