import numpy as np
import pytest
from scipy import stats

from bench.compare.components import from_values
from bench.compare.simultaneous import Simultaneous
from bench.compare.tests import interval, varies


def p_of(differences: np.ndarray, overlap: float) -> float:
    values = np.stack([differences, np.zeros(len(differences))])
    return Simultaneous(("one", "other"), from_values(values, overlap), True).gap("one", "other").p


def test_without_overlap_the_correction_is_the_plain_t_test(rng):
    x = rng.normal(0.3, 1, size=12)
    plain = stats.ttest_1samp(x, 0)
    assert p_of(x, 0.0) == pytest.approx(plain.pvalue, abs=1e-8)
    assert interval(x, n_train=10**12, n_test=0) == pytest.approx(plain.confidence_interval(), abs=1e-8)


def test_the_test_keeps_its_level_on_overlapping_splits(rng):
    """Two equally good predictors on resampled splits of one dataset: 5 % false alarms, not 30 %."""
    corrected, plain, repeats, n, n_test = 0, 0, 300, 60, 12
    for _ in range(repeats):
        difference = rng.normal(size=n)  # of the two losses on every sample; their expectation is equal
        d = np.array([difference[rng.permutation(n)[:n_test]].mean() for _ in range(15)])
        corrected += p_of(d, n_test / (n - n_test)) < 0.05
        plain += stats.ttest_1samp(d, 0).pvalue < 0.05
    assert corrected / repeats < 0.1 < 0.3 < plain / repeats


def test_one_run_gives_no_interval():
    assert np.isnan(interval([0.4], 80, 20)).all()


@pytest.mark.parametrize("values", [[2.3194] * 5, [0.1 + 0.2, 0.3, 0.3], [1e-17, -1e-17, 0.0], [0.4, np.nan]])
def test_what_does_not_vary_has_no_interval(values):
    """A deterministic method on a fixed split: an interval of width 0 would promise certainty."""
    assert not varies(values)
    assert np.isnan(interval(values, 80, 0)).all()


def test_on_a_fixed_split_it_is_the_plain_t_interval(rng):
    x = rng.normal(0.3, 1, size=5)
    plain = stats.ttest_1samp(x, 0).confidence_interval()
    assert interval(x, n_train=80, n_test=0) == pytest.approx(plain, abs=1e-8)


def test_identical_runs_are_never_distinguished():
    assert p_of(np.zeros(3), 0.25) == 1.0
