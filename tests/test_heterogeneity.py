"""For whom synchronicity pays: slopes per level, simultaneous intervals, partial pooling, planted slopes."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from click.testing import CliRunner

from bench.cli import main
from bench.errors import DataError
from bench.report.figures.drawing import save
from bench.report.figures.style import settings
from bench.sync.figures import slopes_figure
from bench.sync.heterogeneity import slopes
from bench.sync.simulate import (
    FACTORS,
    POOLED,
    TERMS,
    Draw,
    estimates,
    planted,
    posts,
    simulate,
    summarise,
    verdicts,
)
from bench.sync.terms import Terms

BARE = Terms("likes")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return posts(240, 3)


def test_slopes_of_one_factor_without_controls_are_those_of_its_levels_alone(table):
    found = slopes(table, BARE, ["genre"]).table.set_index("level")
    for level, rows in table.groupby("genre"):
        alone = smf.ols("np.log1p(likes) ~ sync", rows).fit(cov_type="HC3")
        assert found.loc[level, "slope"] == pytest.approx(alone.params["sync"])
        assert found.loc[level, "se"] == pytest.approx(alone.bse["sync"])
        assert found.loc[level, "videos"] == len(rows)


def test_slopes_of_two_factors_are_means_over_the_levels_of_the_other(table):
    found = slopes(table, TERMS, FACTORS)
    formula = "np.log1p(likes) ~ sync * (influencer_type + genre) + followers + quality + tempo + evening"
    known = smf.ols(formula, table).fit()
    every = pd.MultiIndex.from_product([table[f].unique() for f in FACTORS], names=FACTORS).to_frame(
        index=False
    )
    every = every.assign(followers=0.0, quality=0.0, tempo=0.0, evening=0.0)
    every["slope"] = known.predict(every.assign(sync=1.0)) - known.predict(every.assign(sync=0.0))
    for factor in FACTORS:
        expected = every.groupby(factor)["slope"].mean()
        rows = found.table[found.table["factor"] == factor].set_index("level")
        assert rows["slope"].to_dict() == pytest.approx(expected.to_dict())


def test_the_order_of_factors_and_of_rows_does_not_matter(table, rng):
    one = slopes(table, TERMS, FACTORS).table.set_index(["factor", "level"])
    mixed = table.iloc[rng.permutation(len(table))]
    other = slopes(mixed, TERMS, FACTORS[::-1]).table.set_index(["factor", "level"]).loc[one.index]
    assert other[["slope", "se", "pooled"]].to_numpy() == pytest.approx(
        one[["slope", "se", "pooled"]].to_numpy(), abs=1e-3
    )


def test_intervals_hold_at_once_and_agree_with_p(table):
    found = slopes(table, TERMS, FACTORS)
    rows = found.table
    assert (rows["low"] < rows["low_own"]).all()
    assert (rows["high"] > rows["high_own"]).all()
    away = (rows["low"] > 0) | (rows["high"] < 0)
    assert (away == (rows["p"] < 0.05)).all()
    assert 0 < away.sum() < len(rows)
    assert found.errors == "CV3, 60 clusters"


def test_types_differ_and_labels_that_mean_nothing_do_not(table, rng):
    found = slopes(
        table.assign(coin=rng.permutation(["a", "b", "c"] * 80)), TERMS, ["influencer_type", "coin"]
    )
    assert found.equal["influencer_type"] < 0.001
    assert found.equal["coin"] > 0.01


def test_partial_pooling_is_statsmodels_mixed_model(table):
    found = slopes(table, BARE, ["genre"]).table.set_index("level")
    table = table.assign(y=np.log1p(table["likes"]))
    known = smf.mixedlm("y ~ genre + sync", table, groups="genre", re_formula="0 + sync").fit()
    for level, effect in known.random_effects.items():
        assert found.loc[level, "pooled"] == pytest.approx(known.fe_params["sync"] + effect["sync"], abs=0.01)


def test_pooled_slopes_lie_nearer_together_and_their_intervals_are_not_wider(table):
    rows = slopes(table, TERMS, FACTORS).table
    for _, one in rows.groupby("factor"):
        assert one["pooled"].std() < one["slope"].std()
    widths = (rows["pooled_high"] - rows["pooled_low"]) / (rows["high_own"] - rows["low_own"])
    assert widths.mean() < 1


def test_equal_slopes_are_pooled_to_one(rng):
    """The same videos in every level: nothing varies between slopes, a variance at the edge of its range."""
    sync, noise = rng.random(50), rng.normal(size=50)
    likes = np.round(np.exp(5 + sync + 0.1 * noise))
    same = pd.DataFrame(
        {"sync": np.tile(sync, 4), "likes": np.tile(likes, 4), "level": np.repeat(list("abcd"), 50)}
    )
    rows = slopes(same, BARE, ["level"]).table
    assert rows["pooled"].to_numpy() == pytest.approx(rows["slope"].to_numpy(), abs=1e-4)
    widths = (rows["pooled_high"] - rows["pooled_low"]) / (rows["high_own"] - rows["low_own"])
    assert (widths < 0.75).all()  # four times the videos


def test_two_levels_have_slopes_and_no_pooling(table):
    rows = slopes(table[table["influencer_type"].isin(["dance", "comedy"])], TERMS, ["influencer_type"]).table
    assert rows["slope"].notna().all()
    assert rows[["pooled", "pooled_low", "pooled_high"]].isna().all(axis=None)


def test_levels_with_too_few_videos_or_creators_are_left_out_and_named(table):
    changed = table.assign(genre=table["genre"].where(table.index > 4, "polka"))
    changed.loc[changed["influencer"] < 2, "influencer_type"] = "brand"
    found = slopes(changed, TERMS, FACTORS)
    assert set(found.left_out) == {"genre=polka", "influencer_type=brand"}
    assert found.videos == found.table.loc[found.table["factor"] == "genre", "videos"].sum() < 240
    assert {"polka", "brand"}.isdisjoint(found.table["level"])


def test_columns_that_say_the_same_and_columns_of_one_level_are_errors(table):
    with pytest.raises(DataError, match="cannot be separated"):
        slopes(table.assign(style=table["genre"].str.upper()), TERMS, ["genre", "style"])
    with pytest.raises(DataError, match="two levels with 8 videos or more each by 3 of 'influencer'"):
        slopes(table.assign(genre="pop"), TERMS, ["genre"])


# --- planted slopes ---------------------------------------------------------------------------------------


def test_one_type_has_no_slope_and_one_a_negative_one():
    of_types = [slope for (factor, _), slope in planted().items() if factor == "influencer_type"]
    of_genres = [slope for (factor, _), slope in planted().items() if factor == "genre"]
    assert 0 in of_types
    assert min(of_types) < 0
    assert np.mean(of_types) == pytest.approx(np.mean(of_genres))


def test_a_draw_is_the_same_again_and_another_is_not():
    pd.testing.assert_frame_equal(posts(120, 5), posts(120, 5))
    assert not posts(120, 5).equals(posts(120, 6))


def test_the_naive_slopes_are_biased_and_the_controlled_ones_are_not():
    found = pd.concat([estimates(Draw(240, seed)) for seed in range(4)])
    read = summarise(found)
    over_all = read[read["level"] == "all"].set_index("model")
    assert over_all.loc["naive", "bias_low"] > 1
    assert abs(over_all.loc["controlled", "bias"]) < 0.3
    assert over_all.loc["controlled", "covered"] > 0.8 > 0.5 > over_all.loc["naive", "covered"]
    assert "10 of 10 slopes are biased" in verdicts(read)[0]


def test_the_summary_by_hand():
    found = pd.DataFrame(
        {
            "model": "m", "factor": "f", "level": ["a", "b"] * 2, "planted": [1.0, 2.0] * 2,
            "draw": [0, 0, 1, 1], "error": [0.5, -0.1, 0.7, -0.3],
            "own": [True, True, False, True], "all": [True, True, False, True],
        }
    )  # fmt: skip
    read = summarise(found).set_index("level")
    assert read["bias"].to_dict() == pytest.approx({"a": 0.6, "b": -0.2, "all": 0.2})
    assert read["covered"].to_dict() == pytest.approx({"a": 0.5, "b": 1.0, "all": 0.75})
    assert read.loc["all", "all_covered"] == 0.5
    assert read.loc["all", "rmse"] == pytest.approx(np.sqrt((0.25 + 0.01 + 0.49 + 0.09) / 4))
    assert read.loc["a", "bias_low"] == pytest.approx(0.6 - 2.2414 * 0.1, abs=1e-4)  # Bonferroni for two


def test_the_command_writes_the_table_and_says_what_it_shows(tmp_path):
    options = ["--draws", "2", "--videos", "160", "--jobs", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, ["sync", "simulate", *options])
    assert done.exit_code == 0, done.output
    assert "naive: " in done.output
    written = pd.read_csv(tmp_path / "tables/sync-simulate.csv")
    assert list(written["model"].unique()) == ["naive", "controlled", POOLED]
    pd.testing.assert_frame_equal(written, summarise(simulate(2, 160)))
    page = (tmp_path / "tables/sync-simulate.md").read_text()
    assert "bench sync simulate --draws 2 --videos 160" in page
    assert "nan" not in page.split()


# --- figure -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factors", [FACTORS, ("genre",)])
def test_the_forest_plot_has_every_level_and_what_was_planted(table, tmp_path, factors):
    found = slopes(table, TERMS, factors)
    with matplotlib.rc_context(settings()):
        drawing = slopes_figure(found, "likes", planted())
        figure = save(drawing, tmp_path)
    names = {label.get_text() for ax in drawing.canvas.axes for label in ax.get_yticklabels()}
    assert names == set(found.table["level"])
    tips = figure.path_svg.read_text()
    assert "rock, planted: 0.7" in tips
    assert "rock, partially pooled" in tips
    assert ("other panel" in figure.caption) == (len(factors) == 2)
    away = found.table[found.table["p"] < 0.05]["level"]
    assert all(level in figure.finding for level in away)
