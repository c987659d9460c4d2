"""Simulated comparisons: how often a verdict is false, how often intervals cover, what is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.compare.components import Components, from_losses
from bench.compare.simple import simple
from bench.compare.simultaneous import LEVEL, Simultaneous

SHAPES = ("normal", "heavy tails", "blocks", "unequal noise")
SEEDS = (3, 5, 10, 20)
RATES = ("false", "excluded", "covered", "found", "ruled_out", "found_at_5",
         "simple_false", "simple_found", "simple_found_at_5")  # fmt: skip
"""What is measured (`rates`)."""
TRUTH = 0.3
"""The mean loss of the worst of the methods above that of the best where they differ; evenly spaced."""


@dataclass(frozen=True)
class World:
    """Variances of losses as they were measured on `livestream`, and the size of a comparison.

    Attributes:
        methods: how many are compared.
        samples, tested: in the dataset, and in each test part.
        kept, fresh: variance of a loss at a sample that stays with the sample, and that is new in each split.
        training: variance of a method's mean from split and training. Splits share training samples, so they
            share part of it too: n_test / n_train as much again.
        shape: of the losses: normal; heavy tails (t with 3 degrees of freedom); blocks of methods whose
            losses go together; or unequal noise, the last method's with sixteen times the variance of the
            first's.
    """

    methods: int = 16
    samples: int = 320
    tested: int = 64
    kept: float = 0.156 / 2
    fresh: float = 0.519 / 2
    training: float = 0.0066 / 2
    shape: str = "normal"

    @property
    def overlap(self) -> float:
        """n_test / n_train."""
        return self.tested / (self.samples - self.tested)


class Drawn(NamedTuple):
    """Losses (k, n) of every split, which samples they are of, and n_test / n_train."""

    losses: list[np.ndarray]
    units: list[np.ndarray]
    overlap: float

    @property
    def components(self) -> Components:
        """What verdicts are made of."""
        return from_losses(*self)


def draw(world: World, splits: int, truth: np.ndarray, rng: np.random.Generator) -> Drawn:
    """One comparison over random splits of one dataset, methods differing by `truth` (k,)."""
    k = world.methods
    kept = _noise(world, rng, world.samples) * np.sqrt(world.kept)
    scale = np.linspace(0.5, 2.0, k) if world.shape == "unequal noise" else np.ones(k)
    common = scale * rng.standard_normal(k) * np.sqrt(world.training * world.overlap)
    losses, units = [], []
    for _ in range(splits):
        rows = rng.choice(world.samples, world.tested, replace=False)
        own = scale * rng.standard_normal(k) * np.sqrt(world.training)
        fresh = _noise(world, rng, world.tested) * np.sqrt(world.fresh)
        losses.append((truth + common + own)[:, None] + scale[:, None] * (kept[:, rows] + fresh))
        units.append(rows)
    return Drawn(losses, units, world.overlap)


def _noise(world: World, rng: np.random.Generator, n: int) -> np.ndarray:
    """(k, n) of variance 1."""
    k = world.methods
    if world.shape == "heavy tails":
        return np.asarray(rng.standard_t(3, (k, n)) / np.sqrt(3))
    noise = rng.standard_normal((k, n))
    if world.shape == "blocks":
        blocks = rng.standard_normal((2, n))[np.arange(k) % 2]
        noise = np.sqrt(0.5) * noise + np.sqrt(0.5) * blocks
    return noise


class Case(NamedTuple):
    """What is simulated: the shape of losses, how many splits, how many comparisons, and the seed."""

    shape: str
    splits: int
    repeats: int
    seed: int


def cases(repeats: int, seed: int = 0) -> list[Case]:
    """Every shape of losses with every number of seeds."""
    return [Case(shape, splits, repeats, seed) for shape in SHAPES for splits in SEEDS]


def rates(case: Case) -> dict[str, Any]:
    """Rates over so many comparisons of equal methods and as many of different ones.

    `false` is the share in which any two equal methods were distinguished, `excluded` that in which the true
    best is no candidate, `covered` that in which every interval holds its true difference; `found` of the
    worse methods are distinguished from the best, `ruled_out` are no candidates.

    `simple_` is the same of the plainest procedure (`bench.compare.simple`). As it is false more often,
    `found_at_5` says what each would find with critical values by which it is false in exactly 5 %.
    """
    rng = np.random.default_rng([case.seed, SHAPES.index(case.shape), case.splits])
    drawn = list(_compared(World(shape=case.shape), case.splits, case.repeats, rng))
    table = pd.DataFrame([one.rates for one in drawn]).mean()
    found: dict[str, float] = {}
    for which, prefix in enumerate(("", "simple_")):
        null, other = (np.array([one.strengths[which][i] for one in drawn]) for i in (0, 1))
        largest = null.max(axis=1)
        found |= {f"{prefix}false": (largest > 1).mean(), f"{prefix}found": (other > 1).sum(axis=1).mean()}
        found[f"{prefix}found_at_5"] = (other > np.quantile(largest, 1 - LEVEL)).sum(axis=1).mean()
    known = {"losses": case.shape, "seeds": case.splits, "comparisons": case.repeats}
    return {**known, **{name: (found | dict(table))[name] for name in RATES}}


class _Compared(NamedTuple):
    """One comparison of equal methods and one of different ones.

    `strengths` are, by our procedure and by the simple one, those of all pairs of equal methods, and of the
    best of different ones with the others (`Simultaneous.strength`).
    """

    rates: dict[str, float]
    strengths: list[tuple[np.ndarray, np.ndarray]]


def _compared(world: World, splits: int, repeats: int, rng: np.random.Generator) -> Iterator[_Compared]:
    equal, truth = np.zeros(world.methods), np.linspace(0, TRUTH, world.methods)
    names, pairs = tuple(map(str, range(world.methods))), np.triu_indices(world.methods, 1)
    for _ in range(repeats):
        strengths, drawn = [], [draw(world, splits, true, rng) for true in (equal, truth)]
        for made in (from_losses, simple):
            null, other = (Simultaneous(names, made(*one), lower_is_better=True) for one in drawn)
            strengths.append((null.strength[pairs], other.strength[0, 1:]))
        ours = Simultaneous(names, drawn[1].components, lower_is_better=True)
        candidates = ours.candidates()
        yield _Compared(
            {
                "excluded": names[0] not in candidates,
                "covered": ours.covers(truth),
                "ruled_out": world.methods - len(candidates),
            },
            strengths,
        )
