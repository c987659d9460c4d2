"""How many seeds, or samples, it takes to find a difference: from the variances of what is stored.

A difference's variance at J seeds and c times as many samples, from what was seen at J0 (`components`):

    (V + within (1 / J - 1 / J0)) / c  +  g (1 / J + n_test / n_train),   g = spread - within

More seeds leave two parts as they are, a floor: what the finite samples of the dataset say (the rest of V),
and the overlap of training parts. Where every seed has data of its own there is neither. More samples do not
make g smaller here, which is on the safe side: training on more of them varies less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.compare.components import Components
from bench.compare.simultaneous import Simultaneous

MOST = 10_000
"""Seeds, and times as many samples, that are tried; there is no more to be had from any further ones."""


@dataclass(frozen=True)
class Detectable:
    """The smallest difference that is found in four cases of five.

    Attributes:
        pair: of two methods that were chosen beforehand.
        all_pairs: among all pairs at once.
    """

    pair: float
    all_pairs: float


@dataclass(frozen=True)
class Needed:
    """How many it takes at least, by the same two questions; None where no number is enough."""

    pair: int | None
    all_pairs: int | None


def projected(parts: Components, seeds: int, times: float = 1.0) -> Components:
    """What the components would be with other numbers of seeds and of samples, for a typical pair.

    All pairs get the mean of the sampling parts.
    """
    k, held = parts.means.shape
    apart = ~np.eye(k, dtype=bool)
    typical, own = float(parts.sampling[apart].mean()), max(0.0, parts.spread - parts.within)
    # what stays with the samples over splits is no less than nothing
    within = min(parts.within, held * typical)
    # more random splits, and more data, test more samples
    fresh = seeds / held if parts.overlap or parts.anew else 1.0
    return Components(
        means=np.broadcast_to(parts.means.mean(1, keepdims=True), (k, seeds)),
        sampling=(typical + within * (1 / seeds - 1 / held)) / times * apart,
        within=within / times,
        spread=within / times + own,
        samples=round(parts.samples * times * fresh),
        overlap=parts.overlap,
        anew=parts.anew,
    )


def detectable(parts: Components, seeds: int, times: float = 1.0) -> Detectable:
    """What would be found with so many seeds, and so many times as many samples."""
    names = tuple(map(str, range(len(parts.means))))
    found = Simultaneous(names, projected(parts, seeds, times), lower_is_better=True)
    pair = found.planned({"pair": ("0", "1")})["pair"]
    return Detectable(pair.detectable, found.gap("0", "1").detectable)


def seeds_needed(parts: Components, delta: float) -> Needed:
    """Seeds of the same dataset that it takes to find a difference of `delta`."""
    return _needed(lambda n: detectable(parts, n), delta, 2, MOST)


def samples_needed(parts: Components, delta: float, tested: int) -> Needed:
    """Samples in each test part that it takes with as many seeds as there are, where `tested` are there now.

    The dataset grows with its test part.
    """
    seeds = parts.means.shape[1]
    return _needed(lambda n: detectable(parts, seeds, n / tested), delta, 2, tested * MOST)


def _needed(reach: Callable[[int], Detectable], delta: float, low: int, high: int) -> Needed:
    return Needed(
        _smallest(lambda n: reach(n).pair <= delta, low, high),
        _smallest(lambda n: reach(n).all_pairs <= delta, low, high),
    )


def _smallest(enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """The smallest number from `low` to `high` that is enough, where more are never worse; or None."""
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high
