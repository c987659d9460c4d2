"""What other libraries compute too is the same here, to 1e-8: scipy, statsmodels, scikit-posthocs, baycomp.

Dunnett's test is the exception: scipy draws its probabilities by quasi-Monte Carlo, to about 1e-4, so that it
is held to integrals of its distribution too, which are exact.
"""

import numpy as np
import pandas as pd
import pytest
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import integrate, stats
from scipy.special import ndtr
from statsmodels.formula.api import ols
from statsmodels.stats.multicomp import pairwise_tukeyhsd
from statsmodels.stats.multitest import multipletests
from test_bayes import scores

from bench.compare.across import Across
from bench.compare.components import Components, from_losses, from_values
from bench.compare.extremes import Inner, above_one, against_one, all_pairs, critical, p_value
from bench.compare.simultaneous import LEVEL, Simultaneous
from bench.compare.tests import interval
from bench.metrics import METRICS

EXACT = 1e-8
QUASI_MONTE_CARLO = 1e-3
"""What scipy's probabilities of Dunnett's test may be off by, and vary by from seed to seed."""


def named(parts: Components) -> Simultaneous:
    return Simultaneous(tuple(f"m{i}" for i in range(len(parts.means))), parts, lower_is_better=True)


def independent(groups: np.ndarray) -> Simultaneous:
    """Methods (k, n) of which each was measured on samples of its own, with one variance for all."""
    k, n = groups.shape
    each = 2 * groups.var(1, ddof=1).mean() / n
    sampling = each * ~np.eye(k, dtype=bool)
    return named(Components(groups.mean(1)[:, None].repeat(2, 1), sampling, 0.0, 0.0, k * (n - 1) + 1, 0.0))


@pytest.fixture
def groups(rng) -> np.ndarray:
    return rng.normal(size=(5, 12)) + np.array([0, 0.4, 0.9, 1.4, 2.2])[:, None]


# -- all pairs ---------------------------------------------------------------------------------------------


def test_all_pairs_are_tukeys_test_of_scipy_and_statsmodels(groups):
    found, k = independent(groups), len(groups)
    scipys = stats.tukey_hsd(*groups)
    ends = scipys.confidence_interval(0.95)
    theirs = pairwise_tukeyhsd(groups.ravel(), np.repeat(found.names, groups.shape[1]))
    of_statsmodels = dict(zip(zip(*np.triu_indices(k, 1), strict=True), theirs.pvalues, strict=True))
    for i in range(k):
        for j in range(k):
            if i == j:
                continue
            gap = found.gap(f"m{i}", f"m{j}")
            assert gap.p == pytest.approx(scipys.pvalue[i, j], abs=EXACT)
            assert (gap.low, gap.high) == pytest.approx((ends.low[i, j], ends.high[i, j]), abs=EXACT)
            assert gap.p == pytest.approx(of_statsmodels[min(i, j), max(i, j)], abs=EXACT)
            assert gap.found == bool(theirs.reject[list(of_statsmodels).index((min(i, j), max(i, j)))])
    assert 0 < sum(theirs.reject) < len(theirs.reject)


def test_values_per_split_are_tukeys_test_in_blocks(rng):
    """Every split is a block that all methods share: the residual variance is statsmodels'."""
    values = rng.normal(size=(4, 7)) + rng.normal(size=7) + np.array([0, 0.3, 1.0, 2.0])[:, None]
    table = pd.DataFrame(values, index=list("abcd")).reset_index().melt("index", var_name="split")
    fitted = ols("value ~ C(index) + C(split)", table.rename(columns={"index": "index"})).fit()
    found = named(from_values(values))
    assert found.parts.df[0, 1] == fitted.df_resid == 18
    error = np.sqrt(fitted.mse_resid / values.shape[1])
    for i, j in zip(*np.triu_indices(4, 1), strict=True):
        gap = found.gap(f"m{i}", f"m{j}")
        statistic = abs(values[i].mean() - values[j].mean()) / error
        assert gap.p == pytest.approx(stats.studentized_range.sf(statistic, 4, fitted.df_resid), abs=EXACT)
        reach = stats.studentized_range.ppf(0.95, 4, fitted.df_resid) * error
        assert gap.high - gap.value == pytest.approx(reach, abs=EXACT)


@pytest.mark.parametrize(("k", "df"), [(2, 3.0), (5, 12.0), (16, 40.0), (40, 8.0), (16, np.inf)])
def test_critical_values_of_all_pairs_are_scipys(k, df):
    assert critical(all_pairs, k, df) == pytest.approx(stats.studentized_range.ppf(0.95, k, df), abs=EXACT)


# -- against one -------------------------------------------------------------------------------------------


def dunnett(others: int, df: float, c: float, *, both_sides: bool) -> float:
    """P(some of the others is beyond c), by integrating over the control's mean and the variance.

    The trapezoidal rule is exact to rounding for what is smooth and vanishes at both ends.
    """
    z = np.linspace(-10, 10, 801)

    def at(s: float) -> float:
        reach = np.sqrt(2) * c * s
        inside = ndtr(z + reach) - (ndtr(z - reach) if both_sides else 0.0)
        within = np.trapezoid(inside**others * stats.norm.pdf(z), z)
        return float(within * stats.chi.pdf(s * np.sqrt(df), df) * np.sqrt(df))

    return 1 - integrate.quad(at, 0, 6, epsabs=1e-11, limit=200)[0]


@pytest.mark.parametrize(("others", "df"), [(1, 9.0), (2, 6.0), (5, 20.0)])
@pytest.mark.parametrize(("inner", "both_sides"), [(against_one, True), (above_one, False)])
def test_dunnetts_probabilities_are_its_integrals(inner: Inner, both_sides, others, df):
    for c in (1.2, 2.4):
        expected = dunnett(others, df, c, both_sides=both_sides)
        assert p_value(inner, c, others + 1, df) == pytest.approx(expected, abs=EXACT)
    reach = critical(inner, others + 1, df)
    assert dunnett(others, df, reach, both_sides=both_sides) == pytest.approx(LEVEL, abs=EXACT)


def test_against_one_of_one_is_students_t():
    for df in (3.0, 30.0, 3000.0):
        assert critical(against_one, 2, df) == pytest.approx(stats.t.ppf(0.975, df), abs=EXACT)
        assert critical(above_one, 2, df) == pytest.approx(stats.t.ppf(0.95, df), abs=EXACT)


@pytest.mark.parametrize(
    ("inner", "printed"), [(against_one, (2.09, 2.38, 2.54, 2.65)), (above_one, (1.72, 2.03, 2.19, 2.30))]
)
def test_dunnetts_critical_values_are_those_of_his_tables(inner, printed):
    """Two-sided (Biometrics 20, 1964) and one-sided (JASA 50, 1955), 5 %, 20 degrees of freedom."""
    for others, expected in enumerate(printed, start=1):
        assert critical(inner, others + 1, 20.0) == pytest.approx(expected, abs=0.0051)


def test_a_control_is_dunnetts_test_of_scipy(groups):
    found = independent(groups)
    theirs = stats.dunnett(*groups[1:], control=groups[0], random_state=0)
    ends = theirs.confidence_interval(0.95)
    gaps = found.against("m0", found.names[1:])
    for i, name in enumerate(found.names[1:]):
        assert gaps[name].p == pytest.approx(theirs.pvalue[i], abs=QUASI_MONTE_CARLO)
        assert gaps[name].low == pytest.approx(ends.low[i], abs=0.02)
        assert gaps[name].high == pytest.approx(ends.high[i], abs=0.02)
    assert {gap.found for gap in gaps.values()} == {True, False}


def test_candidates_for_the_best_are_those_that_scipys_one_sided_dunnett_leaves(groups):
    """A method is out where some other is lower by more than Dunnett's one-sided test allows."""
    found, candidates = independent(groups), set()
    for i, name in enumerate(found.names):
        others = np.delete(groups, i, axis=0)
        theirs = stats.dunnett(*others, control=groups[i], alternative="less", random_state=0)
        assert all(abs(p - LEVEL) > QUASI_MONTE_CARLO for p in theirs.pvalue), "decided by chance"
        candidates |= {name} if (theirs.pvalue >= LEVEL).all() else set()
    assert set(found.candidates()) == candidates
    assert 1 < len(candidates) < len(groups)


# -- pairs that were chosen beforehand ---------------------------------------------------------------------


def test_planned_pairs_are_bonferronis_of_statsmodels(groups):
    found, n = independent(groups), groups.shape[1]
    pairs = {"a": ("m1", "m0"), "b": ("m2", "m0"), "c": ("m4", "m3")}
    df = len(groups) * (n - 1)
    raw = [
        2 * stats.t.sf(abs(found.gap(*pair).value) / np.sqrt(found.parts.variance[0, 1]), df)
        for pair in pairs.values()
    ]
    expected = multipletests(raw, method="bonferroni")[1]
    assert [gap.p for gap in found.planned(pairs).values()] == pytest.approx(list(expected), abs=EXACT)


@pytest.mark.parametrize("n", [12, 57, 90])
def test_one_fixed_test_part_is_the_paired_test_over_samples(rng, n):
    losses = rng.normal(size=(2, n)) + np.array([[0.0], [0.3]])
    found = named(from_losses([losses] * 2, [np.arange(n)] * 2))
    planned = found.planned({"it": ("m0", "m1")})["it"]
    expected = stats.ttest_rel(*losses)
    ends = expected.confidence_interval()
    assert planned.p == pytest.approx(expected.pvalue, abs=EXACT)
    assert (planned.low, planned.high) == pytest.approx((ends.low, ends.high), abs=EXACT)


def test_groups_of_samples_are_the_paired_test_over_their_sums(rng):
    """Groups of equal size are the observations."""
    losses, groups = rng.normal(size=(2, 60)) + rng.normal(size=(2, 1)), np.repeat(np.arange(15), 4)
    found = named(from_losses([losses] * 2, [groups] * 2))
    means = losses.reshape(2, 15, 4).mean(2)
    assert found.planned({"it": ("m0", "m1")})["it"].p == pytest.approx(
        stats.ttest_rel(*means).pvalue, abs=EXACT
    )


# -- values of overlapping splits --------------------------------------------------------------------------

BAYCOMP = [
    (10, 1, 0.19695679706862923, (-0.029787641514115615, 0.06881373782026491)),
    (20, 2, 0.1957577688660459, (-0.0265077871231406, 0.06473219657814631)),
    (5, 1, 0.341732442411566, (-0.09184000686019887, 0.12631891205297538)),
    (30, 3, 0.1819153107264958, (-0.023054989667001688, 0.06094878757201611)),
]
"""n, runs, and what baycomp 1.0.3 gives: CorrelatedTTest(x, y, rope=0, runs=runs).probs()[1], and the shifts
of x at which probs()[0] is .975 and .025; x, y and why it is not installed: test_bayes."""


@pytest.mark.parametrize(("n", "runs", "worse", "ends"), BAYCOMP)
def test_the_corrected_test_and_interval_are_baycomps(n, runs, worse, ends):
    x, y = scores(n)
    overlap = 1 / (n / runs - 1)  # of cross-validation
    planned = named(from_values(np.stack([x, y]), overlap)).planned({"it": ("m0", "m1")})["it"]
    assert planned.p == pytest.approx(2 * worse, abs=EXACT)
    assert (planned.low, planned.high) == pytest.approx(ends, abs=EXACT)
    assert interval(x - y, n_train=n // runs - 1, n_test=1) == pytest.approx(ends, abs=EXACT)


# -- ranks across datasets ---------------------------------------------------------------------------------


def test_ranks_are_tested_as_scipy_and_scikit_posthocs_do(rng):
    values = pd.DataFrame(rng.normal(size=(14, 5)) + 0.7 * np.arange(5), columns=list("abcde"))
    found = Across(values, dict.fromkeys(values.index, METRICS["MSE"]))
    assert found.friedman == pytest.approx(stats.friedmanchisquare(*values.to_numpy().T).pvalue, abs=EXACT)
    expected = posthoc_nemenyi_friedman(values.to_numpy()).to_numpy()
    np.testing.assert_allclose(found.nemenyi.to_numpy(), expected, atol=EXACT)
    error = np.sqrt(5 * 6 / (6 * 14))
    for one in values:
        for other in set(values) - {one}:
            statistic = np.sqrt(2) * abs(found.average[one] - found.average[other]) / error
            ours = p_value(all_pairs, statistic, 5, np.inf)
            assert found.nemenyi.loc[one, other] == pytest.approx(ours, abs=EXACT)
    reach = stats.studentized_range.ppf(0.95, 5, np.inf) / np.sqrt(2) * error
    assert found.critical_difference == pytest.approx(reach, abs=EXACT)
