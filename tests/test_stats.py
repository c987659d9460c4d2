import numpy as np
import pytest
from scipy import stats

from bench.compare.tests import corrected_paired_test, interval, varies


def test_without_overlap_the_correction_is_the_plain_t_test(rng):
    x = rng.normal(0.3, 1, size=12)
    assert corrected_paired_test(x, n_train=10**12, n_test=1) == pytest.approx(stats.ttest_1samp(x, 0).pvalue)
    low, high = interval(x, n_train=10**12, n_test=1)
    assert (low, high) == pytest.approx(stats.ttest_1samp(x, 0).confidence_interval())


def test_known_value_of_the_corrected_test():
    # d = 1, 2, 3: mean 2, s^2 = 1; variance 1/3 + 1/4; t = 2 / sqrt(7/12) with 2 degrees of freedom
    expected = 2 * stats.t.sf(2 / np.sqrt(7 / 12), 2)
    assert corrected_paired_test([1, 2, 3], n_train=80, n_test=20) == pytest.approx(expected)


def test_the_test_keeps_its_level_on_overlapping_splits(rng):
    """Two equally good predictors on resampled splits of one dataset: 5 % false alarms, not 30 %."""
    corrected, plain, repeats, n, n_test = 0, 0, 300, 60, 12
    for _ in range(repeats):
        difference = rng.normal(size=n)  # of the two losses on every sample; their expectation is equal
        d = [difference[rng.permutation(n)[:n_test]].mean() for _ in range(15)]
        corrected += corrected_paired_test(d, n - n_test, n_test) < 0.05
        plain += stats.ttest_1samp(d, 0).pvalue < 0.05
    assert corrected / repeats < 0.1 < 0.3 < plain / repeats


def test_one_run_gives_no_interval_and_no_verdict():
    assert np.isnan(interval([0.4], 80, 20)).all()
    assert np.isnan(corrected_paired_test([0.4], 80, 20))


@pytest.mark.parametrize("values", [[2.3194] * 5, [0.1 + 0.2, 0.3, 0.3], [1e-17, -1e-17, 0.0], [0.4, np.nan]])
def test_what_does_not_vary_has_no_interval(values):
    """A deterministic method on a fixed split: an interval of width 0 would promise certainty."""
    assert not varies(values)
    assert np.isnan(interval(values, 80, 0)).all()


def test_on_a_fixed_split_it_is_the_plain_t_interval(rng):
    x = rng.normal(0.3, 1, size=5)
    plain = stats.ttest_1samp(x, 0).confidence_interval()
    assert interval(x, n_train=80, n_test=0) == pytest.approx(plain)


def test_identical_runs_are_never_distinguished():
    assert corrected_paired_test([0.0, 0.0, 0.0], 80, 20) == 1.0
