"""What drives a score: the axioms of Shapley values, and importance by permutation."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.inspection import permutation_importance as of_columns
from sklearn.linear_model import LinearRegression

from bench.sync.drivers import explain, permutation_importance, shapley

GROUPS = {"tempo": [0], "beat strength": [1, 2], "motion energy": [3], "cut rate": [4]}


def by_orders(worth, players: int) -> np.ndarray:
    """The definition: the gain from joining, averaged over all orders."""
    gains = np.zeros(players)
    orders = list(permutations(range(players)))
    for order in orders:
        for place, player in enumerate(order):
            gains[player] += worth(frozenset(order[: place + 1])) - worth(frozenset(order[:place]))
    return gains / len(orders)


@pytest.fixture
def game(rng):
    """A game of six players with random worths; 4 and 5 are alike, 3 adds nothing."""
    table = {}

    def worth(members: frozenset[int]) -> float:
        counted = members - {3}
        key = (counted - {4, 5}, len(counted & {4, 5}))
        if key not in table:
            table[key] = rng.normal()
        return table[key]

    return worth


@pytest.fixture
def data(rng) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(120, 5))
    x[:, 2] += x[:, 1]
    return x, 2 * x[:, 0] + x[:, 1] * x[:, 3] + 0.1 * rng.normal(size=120)


def test_they_are_the_average_over_all_orders_of_joining(game):
    assert shapley(game, 6) == pytest.approx(by_orders(game, 6))


def test_efficiency_symmetry_and_null_player(game):
    values = shapley(game, 6)
    assert values.sum() == pytest.approx(game(frozenset(range(6))) - game(frozenset()))
    assert values[4] == pytest.approx(values[5])
    assert values[3] == pytest.approx(0, abs=1e-12)
    assert np.abs(values[:3]).min() > 1e-3


def test_values_of_a_sum_of_games_add_up(game):
    def size(members: frozenset[int]) -> float:
        return len(members) ** 2

    total = shapley(lambda s: game(s) + 3 * size(s), 6)
    assert total == pytest.approx(shapley(game, 6) + 3 * shapley(size, 6))


def test_every_set_is_asked_for_once():
    asked = []
    shapley(lambda s: asked.append(s) or 0.0, 6)
    assert len(asked) == len(set(asked)) == 64


def test_predictions_divide_without_a_rest(data):
    x, y = data
    model = HistGradientBoostingRegressor(max_iter=30, random_state=0).fit(x, y)
    found = explain(model, x[:20], x[40:70], GROUPS)
    assert found.values.shape == (20, 4)
    assert found.base == pytest.approx(model.predict(x[40:70]).mean())
    assert found.base + found.values.sum(1) == pytest.approx(model.predict(x[:20]))
    assert list(found.importance.index[:1]) == ["tempo"]


def test_a_linear_model_divides_by_its_coefficients(data):
    x, y = data
    model = LinearRegression().fit(x, y)
    expected = model.coef_ * (x[:10] - x[50:].mean(0))
    grouped = [expected[:, 0], expected[:, 1] + expected[:, 2], expected[:, 3], expected[:, 4]]
    assert explain(model, x[:10], x[50:], GROUPS).values == pytest.approx(np.column_stack(grouped))


def test_a_group_that_the_model_does_not_use_gets_nothing(data):
    x, y = data
    model = LinearRegression().fit(x, y)
    model.coef_[[1, 2]] = 0
    assert np.abs(explain(model, x[:10], x, GROUPS).values[:, 1]).max() < 1e-12
    found = permutation_importance(model, x, y, GROUPS).set_index("group")
    assert found.loc["beat strength", "increase"] == pytest.approx(0, abs=1e-12)


def test_importance_of_single_columns_is_scikit_learns(data):
    x, y = data
    model = LinearRegression().fit(x, y)
    found = permutation_importance(model, x, y, {str(i): [i] for i in range(5)}, repeats=300).set_index(
        "group"
    )
    known = of_columns(model, x, y, scoring="neg_mean_squared_error", n_repeats=300, random_state=1)
    mine = found.loc[[str(i) for i in range(5)]]
    error = 4 * np.hypot(mine["sd"], known.importances_std) / np.sqrt(300) + 1e-9
    assert (np.abs(mine["increase"] - known.importances_mean) < error).all()


def test_columns_of_a_group_stay_together(data):
    """Two copies of one feature that cancel: dealt out together they still do."""
    x, _ = data
    x = np.column_stack([x, x[:, 4]])
    model = LinearRegression().fit(x[:, :], x[:, 0])
    model.coef_ = np.array([1.0, 0, 0, 0, 5, -5])
    target = x[:, 0]
    together = permutation_importance(model, x, target, {**GROUPS, "cut rate": [4, 5]}).set_index("group")
    assert together.loc["cut rate", "increase"] == pytest.approx(0, abs=1e-9)
    assert together.loc["tempo", "share"] == pytest.approx(
        2, rel=0.2
    )  # of uncorrelated values: twice the variance


@pytest.mark.parametrize("groups", [{"a": [0, 1]}, {"a": [0, 1, 2], "b": [2, 3, 4]}, {"a": list(range(6))}])
def test_a_column_in_no_group_or_in_two_is_refused(data, groups):
    x, y = data
    model = LinearRegression().fit(x, y)
    with pytest.raises(ValueError, match="exactly one group"):
        explain(model, x[:2], x, groups)


def test_too_many_groups_are_refused():
    with pytest.raises(ValueError, match="at most 12"):
        shapley(lambda s: 0.0, 20)
