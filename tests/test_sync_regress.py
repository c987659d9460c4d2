"""Does a score predict engagement beyond controls: regressions with robust errors."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import t

from bench.errors import DataError
from bench.sync.regress import LEAST_SQUARES, NEGATIVE_BINOMIAL, regressions
from bench.sync.terms import Terms, independent

TERMS = Terms("likes", logged=("followers",), numeric=("quality",), categories=("genre",), cluster="creator")


@pytest.fixture
def table(rng) -> pd.DataFrame:
    """Sixty creators; followers drive both the score and the likes, of which the score itself adds 0.8."""
    creator = np.repeat(np.arange(60), 4)
    fame, quality = rng.normal(size=60)[creator], rng.normal(size=240)
    sync = 1 / (1 + np.exp(-fame - rng.normal(size=240)))
    genre = rng.integers(0, 3, 240)
    eta = 4 + 0.8 * sync + 0.9 * fame + 0.3 * quality + 0.2 * genre + 0.2 * rng.normal(size=60)[creator]
    likes = rng.poisson(np.exp(eta) * rng.gamma(10, 0.1, 240))
    return pd.DataFrame(
        {
            "creator": creator, "followers": np.exp(8 + fame), "quality": quality, "sync": sync,
            "genre": np.array(["pop", "rock", "jazz"])[genre], "likes": likes, "comments": likes // 40,
        }
    )  # fmt: skip


def score_row(found: pd.DataFrame, model: str, controls: str) -> pd.Series:
    rows = found[(found["model"] == model) & (found["controls"] == controls) & (found["term"] == "sync")]
    assert len(rows) == 1
    return rows.iloc[0]


def test_controls_take_away_what_followers_do(table):
    found = regressions(table, ["likes"], TERMS)
    for model in (LEAST_SQUARES, NEGATIVE_BINOMIAL):
        bare, controlled = score_row(found, model, "none"), score_row(found, model, "all")
        assert bare["low"] > 1.5
        assert controlled["low"] < 0.8 < controlled["high"]
        assert controlled["n"] == 240
        assert "60 clusters" in controlled["errors"]
    squares = score_row(found, LEAST_SQUARES, "all")
    assert 0 < squares["r2"] - squares["r2_without"] < 0.05


def test_least_squares_is_the_jackknife_over_creators(table):
    row = score_row(regressions(table, ["likes"], TERMS), LEAST_SQUARES, "all")
    table["fame"] = np.log1p(table["followers"])
    formula = "np.log1p(likes) ~ sync + fame + quality + C(genre)"
    known = smf.ols(formula, table).fit()
    without = [smf.ols(formula, table[table["creator"] != c]).fit().params["sync"] for c in range(60)]
    se = np.sqrt(59 / 60 * np.sum((np.array(without) - known.params["sync"]) ** 2))
    assert row["estimate"] == pytest.approx(known.params["sync"])
    assert row["se"] == pytest.approx(se, rel=1e-6)
    assert row["high"] - row["estimate"] == pytest.approx(t.ppf(0.975, 59) * se, rel=1e-6)


def test_the_negative_binomial_is_statsmodels(table):
    row = score_row(regressions(table, ["likes"], TERMS), NEGATIVE_BINOMIAL, "all")
    table["fame"] = np.log1p(table["followers"])
    known = smf.negativebinomial("likes ~ sync + fame + quality + C(genre)", table).fit(
        disp=0, maxiter=500, cov_type="cluster", cov_kwds={"groups": table["creator"]}
    )
    assert (row["estimate"], row["se"]) == pytest.approx((known.params["sync"], known.bse["sync"]), rel=1e-3)


def test_without_creators_errors_are_those_of_single_videos(table):
    found = regressions(table, ["likes"], Terms("likes", numeric=("quality",)))
    row = score_row(found, LEAST_SQUARES, "all")
    known = smf.ols("np.log1p(likes) ~ sync + quality", table).fit(cov_type="HC3", use_t=True)
    assert (row["se"], row["p"]) == pytest.approx((known.bse["sync"], known.pvalues["sync"]))
    assert row["errors"] == "HC3"
    assert score_row(found, NEGATIVE_BINOMIAL, "all")["errors"] == "HC0"
    assert set(regressions(table, ["likes"], Terms("likes"))["controls"]) == {"none"}


def test_the_same_videos_with_and_without_controls(table):
    table.loc[:9, "quality"] = np.nan
    found = regressions(table, ["likes", "comments"], TERMS)
    assert set(found["n"]) == {230}
    assert list(found["outcome"].unique()) == ["likes", "comments"]


def test_a_control_that_others_say_already_is_left_out_and_named(table):
    table["again"] = 3 * table["quality"] - 2
    found = regressions(table, ["likes"], Terms("likes", numeric=("quality", "again")))
    assert "again" not in set(found["term"])
    assert "again" in score_row(found, LEAST_SQUARES, "all")["note"]
    assert score_row(found, LEAST_SQUARES, "none")["note"] == ""


def test_few_creators_are_said(table):
    table["creator"] %= 7
    assert "fewer than 20" in score_row(regressions(table, ["likes"], TERMS), LEAST_SQUARES, "all")["note"]


def test_a_level_by_one_creator_or_of_one_video_is_no_error(table):
    one_creator = table.assign(genre=table["genre"].where(table["creator"] > 0, "polka"))
    row = score_row(regressions(one_creator, ["likes"], TERMS), LEAST_SQUARES, "all")
    assert row["errors"] == "CV1, 60 clusters"
    one_video, terms = table.assign(genre=["yodel", *["pop"] * 239]), Terms("likes", categories=("genre",))
    row = score_row(regressions(one_video, ["likes"], terms), LEAST_SQUARES, "all")
    assert row["errors"] == "HC1"
    assert 0 < row["se"] < 1


def test_what_cannot_be_fitted_is_nan_and_says_so(table):
    table["likes"] = [10**12, *[0] * 239]
    row = score_row(regressions(table, ["likes"], TERMS), NEGATIVE_BINOMIAL, "all")
    assert np.isnan(row["estimate"])
    assert row["note"] == "no convergence"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"followers": -1}, "negative"),
        ({"quality": "good"}, "must be numbers"),
        ({"sync": 0.5}, "is the same"),
        ({"likes": 3}, "is the same"),
        ({"quality": np.nan}, "only 0 videos"),
    ],
)
def test_a_column_that_cannot_take_part_is_an_error_that_names_it(table, change, said):
    with pytest.raises(DataError, match=said) as error:
        regressions(table.assign(**change), ["likes"], TERMS)
    assert next(iter(change)) in str(error.value)


def test_a_column_that_is_not_there_is_an_error_with_a_suggestion(table):
    with pytest.raises(DataError, match=r"'Likes'.*'likes'"):
        regressions(table, ["Likes"], TERMS)


def test_a_column_that_takes_part_twice_is_an_error(table):
    with pytest.raises(DataError, match="'quality' takes part twice"):
        regressions(table, ["likes"], Terms("likes", numeric=("quality", "quality")))


def test_independent_columns_are_those_that_raise_the_rank(rng):
    whole = rng.normal(size=(50, 4))
    columns = pd.DataFrame(np.column_stack([whole, whole.sum(1), np.zeros(50), 1e9 * whole[:, 0]]))
    kept, same = independent(columns)
    assert list(kept) == [0, 1, 2, 3]
    assert same == [4, 5, 6]
