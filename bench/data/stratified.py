"""Drawing a part at random so that every class keeps its share in it, as nearly as whole units allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.errors import DataError


def carve(
    units: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator, *, leave: int
) -> np.ndarray:
    """Which rows to take, (N,) bool; a unit is taken whole or not at all.

    Units come in an order of chance, and each is taken that brings the classes closer to their shares (least
    squares, relative to the share: a rare class counts as much as a frequent one). A class of which nothing
    was taken then gets the unit that does least harm.

    Args:
        units: (N,) the unit of every row.
        labels: (N,) the class of every row, from 0.
        share: of every class that is wanted.
        rng: the source of chance.
        leave: of every class, as many units stay untaken, if it has them.
    """
    present, unit = np.unique(units, return_inverse=True)
    classes = int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(unit * classes + labels, return_counts=True)
    content: list[list[tuple[int, int]]] = [[] for _ in present]
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        content[pair // classes].append((pair % classes, count))
    wanted = (share * np.bincount(labels, minlength=classes)).tolist()
    left = np.bincount(pairs % classes, minlength=classes).tolist()
    got, taken = [0] * classes, np.zeros(len(present), dtype=bool)

    def harm(u: int) -> float:
        return float(sum(n * (2 * (got[c] - wanted[c]) + n) / wanted[c] for c, n in content[u]))

    def spare(u: int) -> bool:
        return not taken[u] and all(left[c] > leave for c, _ in content[u])

    def take(u: int) -> None:
        taken[u] = True
        for c, n in content[u]:
            got[c] += n
            left[c] -= 1

    order = rng.permutation(len(present)).tolist()
    for u in order:
        if harm(u) < 0 and spare(u):
            take(u)
    for c in range(classes):
        if not got[c] and (some := [u for u in order if any(c == k for k, _ in content[u]) and spare(u)]):
            take(min(some, key=harm))
    return taken[unit]


def refuse_rare(
    classes: Sequence[str], labels: np.ndarray, units: np.ndarray, *, parts: int, where: str = ""
) -> None:
    """Raise DataError for a class that cannot be in every one of `parts` parts: it has too few units."""
    for number, name in enumerate(classes):
        own = labels == number
        n, groups = int(own.sum()), len(np.unique(units[own]))
        if groups < parts:
            within = f" in {groups} group{'s' * (groups != 1)}" if groups < n else ""
            raise DataError(
                f"class {name!r} has {n} sample{'s' * (n != 1)}{within}{where}; each part needs one: "
                "add samples, merge classes or take it out."
            )
