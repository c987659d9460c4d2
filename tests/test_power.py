"""The numbers of seeds and samples that `bench power` gives find a difference in four cases of five."""

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from workshop import Row, Workshop

from bench.cli import main
from bench.compare.calibration import World, draw
from bench.compare.components import Components, from_values
from bench.compare.power import MOST, detectable, projected, samples_needed, seeds_needed
from bench.compare.simultaneous import Simultaneous

WORLD = World(methods=5)
DRAWS = 250


def true_parts(world: World, seeds: int) -> Components:
    """The components that a world's variances imply, with nothing estimated."""
    stays = 2 * world.kept / world.samples
    within = 2 * (world.kept + world.fresh) / world.tested - stays
    k = world.methods
    sampling = (stays + within / seeds) * ~np.eye(k, dtype=bool)
    spread = within + 2 * world.training
    return Components(np.zeros((k, seeds)), sampling, within, spread, world.samples, world.overlap)


def power(world: World, seeds: int, delta: float, *, pair: bool) -> float:
    """How often a difference is found between the first two methods of simulated comparisons."""
    rng, found = np.random.default_rng(0), 0
    truth = np.zeros(world.methods)
    truth[0] = delta
    names = tuple(map(str, range(world.methods)))
    for _ in range(DRAWS):
        compared = Simultaneous(names, draw(world, seeds, truth, rng).components, lower_is_better=True)
        gap = compared.planned({"it": ("0", "1")})["it"] if pair else compared.gap("0", "1")
        found += gap.found
    return found / DRAWS


def test_what_is_projected_to_as_many_as_there_are_is_what_there_is():
    parts = true_parts(WORLD, 4)
    np.testing.assert_allclose(projected(parts, 4).variance, parts.variance)
    np.testing.assert_allclose(projected(parts, 9).variance, true_parts(WORLD, 9).variance)


@pytest.mark.parametrize(("pair", "delta"), [(True, 0.2), (False, 0.24)], ids=["pair", "all-pairs"])
def test_so_many_seeds_find_it_in_four_cases_of_five(pair, delta):
    needed = seeds_needed(true_parts(WORLD, 3), delta)
    seeds = needed.pair if pair else needed.all_pairs
    assert 5 <= seeds <= 20
    assert power(WORLD, seeds, delta, pair=pair) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize(("pair", "delta"), [(True, 0.2), (False, 0.28)], ids=["pair", "all-pairs"])
def test_so_many_samples_find_it_in_four_cases_of_five(pair, delta):
    needed = samples_needed(true_parts(WORLD, 5), delta, WORLD.tested)
    tested = needed.pair if pair else needed.all_pairs
    assert tested > WORLD.tested
    larger = replace(WORLD, tested=tested, samples=round(WORLD.samples * tested / WORLD.tested))
    assert power(larger, 5, delta, pair=pair) == pytest.approx(0.8, abs=0.07)


def test_more_seeds_reach_no_lower_than_finite_samples_and_overlap_allow():
    parts = true_parts(WORLD, 3)
    floor = 2 * WORLD.kept / WORLD.samples + 2 * WORLD.training * WORLD.overlap
    # 1.96 + .84 standard errors
    assert detectable(parts, MOST).pair == pytest.approx(2.80 * np.sqrt(floor), rel=0.02)
    assert seeds_needed(parts, 0.1).pair is None
    assert seeds_needed(parts, 0.5).pair < 5


def test_each_is_the_smallest_number_that_is_enough():
    parts = true_parts(WORLD, 3)
    n = seeds_needed(parts, 0.25).all_pairs
    assert detectable(parts, n).all_pairs <= 0.25 < detectable(parts, n - 1).all_pairs
    n = samples_needed(parts, 0.35, 64).pair
    assert detectable(parts, 3, n / 64).pair <= 0.35 < detectable(parts, 3, (n - 1) / 64).pair


@pytest.mark.parametrize("seed", range(5))
def test_more_seeds_are_never_worse_where_hardly_anything_comes_from_training(seed):
    world = World(methods=6, training=1e-4)
    parts = draw(world, 3, np.zeros(6), np.random.default_rng(seed)).components
    reach = [detectable(parts, n).all_pairs for n in (2, 3, 5, 10, 20, 100, 1000)]
    assert reach == sorted(reach, reverse=True)


def test_values_per_seed_have_the_overlap_as_their_floor(rng):
    parts = from_values(rng.normal(size=(4, 6)), overlap=0.25)
    expected = 2.80 * np.sqrt(0.25 * parts.spread)
    assert detectable(parts, MOST).pair == pytest.approx(expected, rel=0.01)


def test_the_command_prints_tables_and_what_it_takes(tmp_path):
    workshop = Workshop(tmp_path, seeds=3)
    workshop.plan("fusion", [Row("memf", 0.6), Row("concat", 0.63), Row("fc", 0.7)])
    result = CliRunner().invoke(main, ["power", "--delta", "1.5", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert (
        "To find a difference of 1.5 in MSE in four cases of five: Seeds of this dataset: 2 for two" in said
    )
    assert re.search(r"Test samples, with 3 seeds: \d \(of \d+ in all\) for two methods", said)
    assert re.search(r"seeds +two methods +all pairs\n2 +0\.\d{3} +0\.\d{3}", result.output)
    result = CliRunner().invoke(
        main, ["power", "--delta", "1e-6", "--metric", "R2_score", "--out", str(tmp_path)]
    )
    assert "no number is enough for two methods" in " ".join(result.output.split())
    assert "R2_score is no mean over samples" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--delta", "0"], "not in the range x>0"),
        (["--delta", "1", "--metric", "MSF"], "no metric 'MSF' here; did you mean 'MSE'?"),
        (["--delta", "1", "--experiment", "order"], "holds no experiment 'order'; known: fusion."),
        (["--delta", "1", "--out", "nowhere"], "no folder nowhere."),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(tmp_path, options, said):
    workshop = Workshop(tmp_path, seeds=2)
    workshop.plan("fusion", [Row("memf", 0.6), Row("concat", 0.63)])
    result = CliRunner().invoke(main, ["power", "--out", str(tmp_path), *options])
    assert result.exit_code == 2
    assert said in result.output
