"""Simultaneous intervals of correlated estimates, by the largest |t|."""

import numpy as np
import pytest
from scipy import stats

from bench.compare.contrasts import Contrasts
from bench.compare.extremes import against_one, critical


def contrasts(correlation: np.ndarray, df: float = 20.0) -> Contrasts:
    k = len(correlation)
    return Contrasts(tuple("abcdefgh"[:k]), np.arange(k, dtype=float), 4 * correlation, df)


def test_one_estimate_is_students_t():
    one = contrasts(np.eye(1))
    assert one.critical == pytest.approx(stats.t.ppf(0.975, 20), abs=0.02)
    row = one.table().iloc[0]
    assert (row.low_own, row.high_own) == pytest.approx(stats.t.interval(0.95, 20, 0, 2))


@pytest.mark.parametrize("k", [3, 6])
def test_equal_correlations_of_a_half_are_dunnetts(k):
    found = contrasts(np.full((k, k), 0.5) + 0.5 * np.eye(k)).critical
    assert found == pytest.approx(critical(against_one, k + 1, 20.0), abs=0.02)


def test_independent_estimates_are_the_studentised_maximum_modulus(rng):
    normal = np.abs(rng.standard_normal((200_000, 4))).max(1) / np.sqrt(rng.chisquare(20, 200_000) / 20)
    assert contrasts(np.eye(4)).critical == pytest.approx(np.quantile(normal, 0.95), abs=0.02)


def test_estimates_that_say_the_same_cost_nothing():
    assert contrasts(np.ones((4, 4))).critical == pytest.approx(contrasts(np.eye(1)).critical, abs=0.02)


def test_intervals_and_p_values_agree():
    values, identity = np.linspace(0, 8, 40), np.eye(40)
    found = Contrasts(tuple(map(str, range(40))), values, identity, 15).table()
    assert ((found["p"] < 0.05) == (found["low"] > 0)).all()
    assert found["p"].is_monotonic_decreasing
    assert (found["low"] < found["low_own"]).all()


def test_some_of_them_are_a_family_of_their_own():
    whole = contrasts(np.eye(5))
    some = whole.of(["d", "b"])
    assert some.values.tolist() == [3, 1]
    assert some.critical < whole.critical
