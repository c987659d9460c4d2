"""Many comparisons at once: critical values, components of variance, letters, candidates, rates of error."""

import numpy as np
import pytest
from scipy import stats

from bench.compare.calibration import SHAPES, Case, World, draw, rates
from bench.compare.components import Components, from_losses, from_values
from bench.compare.extremes import above_one, against_one, all_pairs, bonferroni, critical, p_value
from bench.compare.simultaneous import LEVEL, Simultaneous, letter


def named(parts: Components, **more: object) -> Simultaneous:
    return Simultaneous(tuple(f"m{i}" for i in range(len(parts.means))), parts, True, **more)


def known(means: list[float], error: float, df: float = np.inf) -> Simultaneous:
    """Methods whose differences have one standard error."""
    k = len(means)
    sampling = np.full((k, k), error**2) * ~np.eye(k, dtype=bool)
    samples = 10**9 if np.isinf(df) else int(df) + 1
    return named(Components(np.tile(np.array(means)[:, None], 4), sampling, 0.0, 0.0, samples, 0.0))


# --- critical values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "df"), [(2, 2.0), (3, 4.0), (16, 30.0), (32, 8.0), (50, 500.0)])
def test_the_range_is_scipys(k, df):
    for q in (1.0, 2.5, 3.5, 5.0, 8.0):
        assert p_value(all_pairs, q, k, df) == pytest.approx(stats.studentized_range.sf(q, k, df), abs=1e-8)
    assert critical(all_pairs, k, df) == pytest.approx(stats.studentized_range.ppf(0.95, k, df), abs=1e-8)


@pytest.mark.parametrize(
    ("inner", "k", "df"), [(against_one, 4, 20), (against_one, 9, 60), (above_one, 4, 20)]
)
def test_dunnetts_critical_value_is_a_quantile_of_scipys_multivariate_t(inner, k, df):
    c, shape = critical(inner, k, float(df)), np.full((k - 1, k - 1), 0.5) + 0.5 * np.eye(k - 1)
    lower = -c if inner is against_one else -np.inf
    inside = stats.multivariate_t(shape=shape, df=df, seed=0).cdf(
        np.full(k - 1, c), lower_limit=np.full(k - 1, lower), maxpts=200_000
    )
    assert inside == pytest.approx(0.95, abs=5e-4)


def test_two_means_and_planned_pairs_are_students_t():
    for inner, scale in ((all_pairs, np.sqrt(2)), (against_one, 1.0), (bonferroni, 1.0)):
        assert p_value(inner, 2.3 * scale, 2, 7.0) == pytest.approx(2 * stats.t.sf(2.3, 7), abs=1e-8)
    assert p_value(bonferroni, 2.3, 6, 7.0) == pytest.approx(min(1, 5 * 2 * stats.t.sf(2.3, 7)), abs=1e-8)
    assert p_value(bonferroni, 0.1, 6, 7.0) == 1
    assert p_value(all_pairs, np.inf, 5, 7.0) == 0


# --- components -------------------------------------------------------------------------------------------


def test_two_methods_by_values_per_split_are_the_corrected_paired_test(rng):
    """Known: d = 1, 2, 3 has mean 2 and variance 1; t = 2 / sqrt(1/3 + 1/4) with 2 degrees of freedom."""
    gap = named(from_values(np.array([[1.0, 2, 3], [0, 0, 0]]), overlap=0.25)).gap("m0", "m1")
    assert gap.p == pytest.approx(2 * stats.t.sf(2 / np.sqrt(7 / 12), 2), abs=1e-8)


def test_without_an_effect_of_splits_it_is_the_paired_test_over_samples(rng):
    """All samples once, each in one split: the mean difference has the variance of its samples."""
    losses, n = rng.normal(size=(2, 4000)), 1000
    units = np.arange(4000)
    parts = from_losses([losses[:, i : i + n] for i in range(0, 4000, n)], np.split(units, 4))
    expected = (losses[0] - losses[1]).var(ddof=1) / 4000
    assert parts.sampling[0, 1] == pytest.approx(expected, rel=0.01)
    assert parts.variance[0, 1] < 1.5 * expected


def test_what_differs_from_split_to_split_is_told_from_samples(rng):
    """A shift of every method in every split, beside the noise of its samples."""
    found = []
    for _ in range(40):
        shift = rng.normal(0, 0.3, (4, 8))
        losses = [rng.normal(size=(4, 200)) + shift[:, [s]] for s in range(8)]
        parts = from_losses(losses, [rng.permutation(200) for _ in losses])
        found.append(parts.spread - parts.within)
    assert np.mean(found) == pytest.approx(2 * 0.3**2, rel=0.1)


def test_noisy_methods_hide_no_difference_of_others(rng):
    """The part of splits is pooled in units of each pair's own noise."""
    noise = np.array([0.05, 0.05, 1.0, 1.0, 1.0])
    losses = [noise[:, None] * rng.normal(size=(5, 64)) + [[0.0], [0.05], [1], [1], [1]] for _ in range(5)]
    units = [rng.permutation(320)[:64] for _ in losses]
    gap = named(from_losses(losses, units, 0.25)).gap("m1", "m0")
    assert gap.found
    assert gap.high < 0.1


def test_samples_of_one_group_count_as_one(rng):
    losses = [rng.normal(size=(3, 40)) for _ in range(3)]
    units = [rng.permutation(100)[:40] for _ in losses]
    once = from_losses(losses, units)
    twice = from_losses([np.repeat(x, 5, axis=1) for x in losses], [np.repeat(u, 5) for u in units])
    assert twice.samples == once.samples
    np.testing.assert_allclose(twice.variance, once.variance, rtol=1e-12)
    np.testing.assert_allclose(twice.df, once.df)


def test_the_names_of_samples_and_the_order_of_splits_do_not_matter(rng):
    losses = [rng.normal(size=(3, n)) for n in (30, 31, 29)]
    units = [rng.permutation(60)[: x.shape[1]] for x in losses]
    renamed = [np.array([f"sample-{u}" for u in unit]) for unit in units]
    one, other = from_losses(losses, units), from_losses(losses[::-1], renamed[::-1])
    np.testing.assert_allclose(one.variance, other.variance)


def test_methods_that_are_the_same_have_no_difference_and_no_doubt(rng):
    one = [np.tile(rng.normal(size=50), (2, 1)) for _ in range(3)]
    found = named(from_losses(one, [np.arange(50)] * 3))
    assert found.gap("m0", "m1").value == 0
    assert not found.gap("m0", "m1").found
    assert set(found.letters().values()) == {"a"}
    assert len(found.candidates()) == 2


# --- what is said -----------------------------------------------------------------------------------------


def test_one_model_under_two_names_differs_by_nothing_whatever_else_is_compared(rng):
    losses = [rng.gamma(2, 1, (4, 60)) for _ in range(3)]
    twice = [np.vstack([part, part[:1]]) for part in losses]
    units = [np.arange(60)] * 3
    for parts in (from_losses(twice, units, 0.25), from_values(np.stack([p.mean(1) for p in twice], 1))):
        found = named(parts)
        gap = found.gap("m0", "m4")
        assert (gap.value, gap.low, gap.high, gap.p, gap.detectable) == (0.0, 0.0, 0.0, 1.0, 0.0)
        assert found.gap("m0", "m1").detectable > 0


def test_letters_of_a_known_case():
    """Steps of 2 standard errors of five methods, where 2.73 are needed."""
    found = known([0.0, 2.0, 4.0, 6.0, 20.0], 1.0)
    assert found.letters() == {"m0": "a", "m1": "ab", "m2": "bc", "m3": "c", "m4": "d"}
    assert found.best == "m0"
    assert found.order == ["m0", "m1", "m2", "m3", "m4"]
    assert found.candidates() == ["m0", "m1"]


@pytest.mark.parametrize("seed", range(5))
def test_letters_intervals_and_p_values_agree(seed):
    rng = np.random.default_rng(seed)
    losses = [rng.normal(size=(9, 40)) + np.linspace(0, 1.2, 9)[:, None] for _ in range(4)]
    found = named(from_losses(losses, [rng.permutation(90)[:40] for _ in losses], 0.25))
    letters = found.letters()
    for one in found.names:
        for other in found.names:
            if one == other:
                continue
            gap = found.gap(one, other)
            assert gap.found == (gap.low > 0 or gap.high < 0) == (not {*letters[one]} & {*letters[other]})
            assert gap.low <= gap.value <= gap.high
            assert gap.value == -found.gap(other, one).value
    assert all(letters.values())
    assert found.best in found.candidates()


def test_higher_is_better_for_other_metrics():
    parts = known([0.0, 10.0], 1.0).parts
    found = Simultaneous(("m0", "m1"), parts, lower_is_better=False, bounds=(0.0, 1.0))
    assert found.best == "m1"
    assert found.candidates() == ["m1"]
    assert found.gap("m1", "m0").high == 1, "the interval ends where the metric does"


def test_a_control_and_planned_pairs_need_less_than_all_pairs():
    found = known([0.0, 3.0, 3.0, 3.0, 3.0, 3.0], 1.0)
    every = found.gap("m1", "m0")
    control = found.against("m0", ["m1", "m2", "m3", "m4", "m5"])["m1"]
    planned = found.planned({"pair": ("m1", "m0")})["pair"]
    assert planned.p < control.p < every.p
    assert planned.p == pytest.approx(2 * stats.norm.sf(3), abs=1e-8)
    assert planned.detectable < control.detectable < every.detectable


def test_what_could_have_been_found_is_found_in_four_cases_of_five(rng):
    reach = known([0.0, 1.0], 1.0).gap("m0", "m1").detectable
    found = [known([0.0, float(x)], 1.0).gap("m0", "m1").found for x in reach + rng.normal(size=400)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_letters_go_on_after_z():
    assert [letter(n) for n in (0, 25, 26, 53)] == ["a", "z", "a1", "b2"]


# --- rates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_false_findings_are_rare_and_intervals_cover(shape):
    """5 % of comparisons of equal methods, with 2 standard errors of so few of them."""
    repeats, world, rng = 150, World(methods=8, shape=shape), np.random.default_rng(1)
    false, out = 0, 0
    for _ in range(repeats):
        found = named(draw(world, 3, np.zeros(8), rng).components)
        false += len(set(found.letters().values())) > 1
        out += "m0" not in found.candidates()
    allowed = LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / repeats)
    assert false / repeats <= allowed
    assert out / repeats <= allowed


def test_at_the_same_false_rate_the_verdict_finds_no_less_than_the_plainest_procedure():
    found = rates(Case("normal", 3, 150, seed=1))
    assert found["simple_false"] > found["false"], "which is why it is not ours"
    assert found["found_at_5"] > 0.9 * found["simple_found_at_5"]
