"""Probabilities of pairs: equal to baycomp's where it has the same test, and to counts of samples."""

import numpy as np
import pytest
from scipy.stats import t

from bench.compare.bayes import chances
from bench.compare.components import from_losses, from_values
from bench.compare.simultaneous import Simultaneous
from bench.compare.superiority import superiority

BAYCOMP = [
    (10, 1, 0.01, (0.6636227647684425, 0.2320310703320081, 0.1043461648995494)),
    (20, 2, 0.02, (0.48396740769415814, 0.47169779699786096, 0.0443347953079809)),
    (5, 1, 0.05, (0.22562808591007694, 0.6932916122606434, 0.08108030182927961)),
    (30, 3, 0.005, (0.7487789292892162, 0.12467652232066406, 0.12654454839011975)),
]
"""n, runs, rope, and what baycomp 1.0.3 gives: CorrelatedTTest(x, y, rope=rope, runs=runs).probs(), with
x and y as in `scores`. It is no dependency of the tests, as it installs a top-level package `tests`."""


def scores(n: int) -> np.ndarray:
    i = np.arange(n)
    return np.stack([0.5 + 0.05 * np.sin(3 * i + 1), 0.48 + 0.06 * np.cos(2 * i)])


@pytest.mark.parametrize(("n", "runs", "rope", "expected"), BAYCOMP)
def test_of_two_methods_by_values_per_split_it_is_the_correlated_t_test(n, runs, rope, expected):
    overlap = 1 / (n / runs - 1)  # of cross-validation
    found = Simultaneous(("x", "y"), from_values(scores(n), overlap), lower_is_better=False)
    assert chances(found, "x", "y", rope) == pytest.approx(expected, abs=1e-8)
    assert chances(found, "y", "x", rope) == pytest.approx(expected[::-1], abs=1e-8)
    as_errors = Simultaneous(("x", "y"), from_values(scores(n), overlap), lower_is_better=True)
    assert chances(as_errors, "x", "y", rope) == pytest.approx(expected[::-1], abs=1e-8)


def test_it_agrees_with_the_interval_of_a_planned_pair(rng):
    losses = [rng.normal(size=(4, 50)) + np.arange(4)[:, None] / 5 for _ in range(3)]
    units = [rng.choice(200, 50, replace=False) for _ in losses]
    found = Simultaneous(tuple("abcd"), from_losses(losses, units, 0.3), lower_is_better=True)
    planned = found.planned({"it": ("a", "d")})["it"]
    believed = chances(found, "a", "d", 0.0)
    assert planned.p == pytest.approx(2 * min(believed.better, believed.worse), abs=1e-8)
    error = np.sqrt(found.parts.variance[0, 3])
    half = t.ppf(0.975, found.parts.df[0, 3]) * error
    # a region of practical equivalence that ends where the interval does leaves 1/40 beyond it
    assert chances(found, "a", "d", half - planned.value).better == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, (0, 1, 0)), (0.5, (0, 0, 1)), (-0.5, (1, 0, 0))])
def test_without_variance_it_is_certain(shift, expected):
    values = np.array([[0.3, 0.4, 0.5], [0.3, 0.4, 0.5]]) + np.array([[shift], [0.0]])
    found = Simultaneous(("x", "y"), from_values(values), lower_is_better=True)
    assert chances(found, "x", "y", 0.01) == expected


def test_superiority_counts_samples_and_halves_ties():
    losses = [np.array([[1.0, 1, 9, 1], [2, 2, 2, 1]]), np.array([[1.0, 1], [2, 2]])]
    shares = superiority(losses, lower_is_better=True)
    # 2 1/2 of 4 samples, then both of 2: worse by its mean, yet better on most samples
    np.testing.assert_allclose(shares, [[0.5, 0.8125], [0.1875, 0.5]])
    np.testing.assert_allclose(superiority(losses, lower_is_better=False), shares.T)
