"""Do the slopes come out as planted? Many draws of the embedded short videos at feature level, without files.

Every draw has new influencers, videos and counts, from the same design as the generator's
(`bench.data.synthetic.shortvideo.factors`). Slopes are estimated from the synchronicity that was planted:
with controls, and naively without the followers and the quality that drive both. What an imperfect score
does (it flattens slopes) is not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from bench.compare.simultaneous import LEVEL
from bench.data.synthetic.shortvideo import factors
from bench.errors import BenchError
from bench.executors import EXECUTORS
from bench.failure import Failure
from bench.report.sheet import plain_sheet
from bench.report.writers import markdown
from bench.sync.heterogeneity import Name, slopes
from bench.sync.terms import Terms

Progress = Callable[[str, int, int], None]
"""Called as progress(what, done, total)."""

FACTORS = ("influencer_type", "genre")
TERMS = Terms("likes", numeric=("followers", "quality", "tempo", "evening"), cluster="influencer")
MODELS = {"naive": TERMS.bare, "controlled": TERMS}
POOLED, ALL = "controlled, pooled", "all"


CAPTION = """\
A slope is the rise of log likes from no synchronicity to all of it.
naive: without followers and quality, which drive both synchronicity and likes; controlled: with them;
pooled: the slopes of a column as draws from one distribution, pulled towards their mean: a bias by design,
for a smaller error, and intervals that hold on average over levels.
bias: the mean error, with an interval that holds for all slopes of a model at once; covered: the share of
draws in which the 95 % interval of a slope holds what was planted; all_covered: in which all simultaneous
intervals do."""


class Draw(NamedTuple):
    """Which draw."""

    videos: int
    seed: int


def planted() -> dict[Name, float]:
    """The slope of every level: of a type the mean over genres, of a genre the mean over types."""
    middle = float(np.mean(list(factors.TYPE_SLOPES.values())))
    of_types = {(FACTORS[0], name): slope for name, slope in factors.TYPE_SLOPES.items()}
    return of_types | {(FACTORS[1], name): middle + more for name, more in factors.GENRE_SLOPES.items()}


def posts(videos: int, seed: int) -> pd.DataFrame:
    """One draw, a row per video: who posted it, what it is like (numbers standardised), `sync`, counts."""
    drawn = factors.design(videos, seed)
    sync = np.array([factors.timing(drawn, video, seed).synchronicity for video in range(videos)])
    table = {
        "influencer": drawn.influencer,
        "influencer_type": np.array(factors.TYPES)[drawn.types],
        "genre": np.array(factors.GENRES)[drawn.genre],
        "followers": drawn.followers,
        "quality": drawn.quality,
        "tempo": drawn.tempo,
        "evening": np.cos(2 * np.pi * (drawn.day % 1 - 20 / 24)),
        "sync": sync,
    }
    return pd.DataFrame(table | factors.engagement(drawn, sync, seed).counts)


def estimates(draw: Draw) -> pd.DataFrame:
    """The slopes of one draw, a row per model and level: error, whether `own` and `all` intervals hold."""
    table, truth, found = posts(draw.videos, draw.seed), planted(), []
    for name, terms in MODELS.items():
        rows = slopes(table, terms, FACTORS).beside(truth)
        found.append(
            rows[["factor", "level", "planted"]].assign(
                model=name,
                error=rows["slope"] - rows["planted"],
                own=_holds(rows, "low_own", "high_own"),
                all=_holds(rows, "low", "high"),
            )
        )
        if name == "controlled":
            pooled = rows["pooled"] - rows["planted"]
            holds = _holds(rows, "pooled_low", "pooled_high")
            found.append(found[-1].assign(model=POOLED, error=pooled, own=holds, all=np.nan))
    return pd.concat(found, ignore_index=True).assign(draw=draw.seed)


def _holds(rows: pd.DataFrame, low: str, high: str) -> pd.Series:
    return (rows[low] <= rows["planted"]) & (rows["planted"] <= rows[high])


def simulate(
    draws: int, videos: int, jobs: int = 1, seed: int = 0, progress: Progress = lambda what, done, total: None
) -> pd.DataFrame:
    """`draws` draws in one table, of which `summarise` is the reading."""
    asked = [Draw(videos, seed + n) for n in range(draws)]
    found: dict[Draw, pd.DataFrame] = {}
    progress("draws of short videos", 0, draws)
    for draw, result in EXECUTORS["local" if jobs > 1 else "inline"](estimates, asked, jobs):
        if isinstance(result, Failure):
            raise BenchError(f"draw {draw.seed}: {result}")
        found[draw] = result
        progress("draws of short videos", len(found), draws)
    return pd.concat([found[draw] for draw in asked], ignore_index=True)


def summarise(found: pd.DataFrame) -> pd.DataFrame:
    """A row per model and slope, and one per model over all slopes.

    Columns: planted; bias, the mean error, with the interval that holds for all slopes of a model at once
    (normal, Bonferroni); rmse; covered, the share of single 95 % intervals that hold the planted slope;
    all_covered, the share of draws in which every simultaneous interval does (in the rows over all slopes).
    """
    rows = []
    for model, of_model in found.groupby("model", sort=False):
        levels = of_model.groupby(["factor", "level", "planted"], sort=False)
        reach = float(norm.ppf(1 - LEVEL / 2 / len(levels)))
        for (factor, level, slope), one in levels:
            named = {"model": model, "factor": factor, "level": level, "planted": slope}
            rows.append(named | _bias(one["error"], reach) | _rates(one))
        draws = of_model.groupby("draw")
        together = float(draws["all"].min().mean())  # NaN for a model without simultaneous intervals
        over_all = {"model": model, "factor": ALL, "level": ALL, "all_covered": together}
        rows.append(
            over_all | _bias(draws["error"].mean(), float(norm.ppf(1 - LEVEL / 2))) | _rates(of_model)
        )
    order = ["model", "factor", "level", "planted", "bias", "bias_low", "bias_high", "rmse", "covered"]
    return pd.DataFrame(rows)[[*order, "all_covered"]].assign(draws=found["draw"].nunique())


def _bias(errors: pd.Series, reach: float) -> dict[str, float]:
    bias, se = float(errors.mean()), float(errors.std() / np.sqrt(len(errors)))
    return {"bias": bias, "bias_low": bias - reach * se, "bias_high": bias + reach * se}


def _rates(rows: pd.DataFrame) -> dict[str, float]:
    return {"rmse": float(np.sqrt((rows["error"] ** 2).mean())), "covered": float(rows["own"].mean())}


def verdicts(summary: pd.DataFrame) -> list[str]:
    """What the table says, a sentence per model."""
    said = []
    for model, rows in summary.groupby("model", sort=False):
        single, over_all = rows[rows["level"] != ALL], rows[rows["level"] == ALL].iloc[0]
        biased = int(((single["bias_low"] > 0) | (single["bias_high"] < 0)).sum())
        which = f"{biased} of {len(single)} slopes are biased" if biased else "no slope is found to be biased"
        together = over_all["all_covered"]
        whole = "" if np.isnan(together) else f"; simultaneous ones all do in {together:.0%} of the draws"
        least, most = single["covered"].min(), single["covered"].max()
        said.append(
            f"{model}: {which} (mean {over_all['bias']:+.2f}); 95 % intervals hold what was planted in "
            f"{over_all['covered']:.0%} (by slope {least:.0%} to {most:.0%}){whole}."
        )
    return said


def write(summary: pd.DataFrame, out: Path, command: str) -> list[Path]:
    """``OUT/tables/sync-simulate.csv`` and ``.md``; the paths."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    table, page = folder / "sync-simulate.csv", folder / "sync-simulate.md"
    summary.to_csv(table, index=False)
    known = summary.astype(object).where(summary.notna(), None)
    sheet = plain_sheet("sync-simulate", "", known.to_dict("records"))
    lines = ["# Slopes of engagement on synchronicity, as planted and as found", "", CAPTION, ""]
    lines += [markdown(sheet), ""]
    lines += [*(f"- {line}" for line in verdicts(summary)), "", f"Regenerate: `{command}`", ""]
    page.write_text("\n".join(lines), encoding="utf-8")
    return [table, page]
