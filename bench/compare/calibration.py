"""Simulated comparisons: how often a verdict is false, how often a true difference is found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.compare.components import Components, from_losses

SHAPES = ("normal", "heavy", "blocks")


@dataclass(frozen=True)
class World:
    """Variances of losses as they were measured on `livestream`, and the size of a comparison.

    Attributes:
        methods: how many are compared.
        samples, tested: in the dataset, and in each test part.
        kept, fresh: variance of a loss at a sample that stays with the sample, and that is new in each split.
        training: variance of a method's mean from split and training.
        shape: of the losses: normal, heavy tails (t with 3 degrees of freedom), or blocks of methods whose
            losses go together.
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


def draw(world: World, splits: int, truth: np.ndarray, rng: np.random.Generator) -> Components:
    """One comparison over random splits of one dataset, methods differing by `truth` (k,)."""
    k = world.methods
    kept = _noise(world, rng, world.samples) * np.sqrt(world.kept)
    # training parts overlap, so part of what training adds is common to all splits
    common = rng.standard_normal(k) * np.sqrt(world.training * world.overlap)
    losses, units = [], []
    for _ in range(splits):
        rows = rng.choice(world.samples, world.tested, replace=False)
        own = rng.standard_normal(k) * np.sqrt(world.training)
        fresh = _noise(world, rng, world.tested) * np.sqrt(world.fresh)
        losses.append((truth + common + own)[:, None] + kept[:, rows] + fresh)
        units.append(rows)
    return from_losses(losses, units, world.overlap)


def _noise(world: World, rng: np.random.Generator, n: int) -> np.ndarray:
    """(k, n) of variance 1."""
    k = world.methods
    if world.shape == "heavy":
        return np.asarray(rng.standard_t(3, (k, n)) / np.sqrt(3))
    noise = rng.standard_normal((k, n))
    if world.shape == "blocks":
        blocks = rng.standard_normal((2, n))[np.arange(k) % 2]
        noise = np.sqrt(0.5) * noise + np.sqrt(0.5) * blocks
    return noise
