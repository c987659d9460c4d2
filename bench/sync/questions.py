"""The questions of synchronicity: is it recovered, does it pay, for whom, what drives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, cross_val_predict

from bench.data import truth
from bench.data.dataset import Dataset
from bench.errors import DataError
from bench.sync.drivers import explain, permutation_importance
from bench.sync.folds import LAG_COLUMNS, OutOfFold
from bench.sync.heterogeneity import Name, Slopes, slopes
from bench.sync.measure import moments
from bench.sync.recovery import SCORE, calibration, nearest_lag, recovery, shift_curve
from bench.sync.regress import regressions
from bench.sync.sequences import Columns, Sequenced, columns_of
from bench.sync.terms import Terms
from bench.sync.train import Video
from bench.sync.yardsticks import cross_correlation
from encoders.clock import RATE
from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC

SECOND_ARM = "MuT trained on engagement"
"""How much it looks at the same moment, out of fold."""
FACTORS = tuple(truth.SLOPES)
"""Whose slopes are planted in the embedded data."""
BACKGROUND = 16
"""Videos that lend values of absent groups."""
BOOSTED = {"max_iter": 80, "max_leaf_nodes": 8, "min_samples_leaf": 10, "l2_regularization": 1.0}
NEAREST = 0.25
"""Seconds within which the lag of a video is looked for: beyond is another beat."""
DRIVERS = {
    "tempo": ("tempo",),
    "beat strength": ("onset", "pulse"),
    "motion energy": ("local", "acceleration"),
    "cut rate": ("cuts",),
    "lag": ("lag",),
    "downbeat accent": ("accent",),
}
"""Groups of features that may drive the score."""


@dataclass(frozen=True)
class Answers:
    """What was found.

    Attributes:
        recovery: `bench.sync.recovery.recovery`; None where nothing is known to be planted.
        shifts, calibration: of the score where music is moved or wrong.
        regressions: of every count on the score; None where the table has no counts.
        slopes: for whom; None where there are no types or genres.
        planted: the true slopes, where known.
        drivers: a row per group; its `r2` says how much of the score they explain.
        verdicts: what all of it allows to be said.
    """

    recovery: pd.DataFrame | None
    shifts: pd.DataFrame
    calibration: pd.DataFrame
    regressions: pd.DataFrame | None
    slopes: Slopes | None
    planted: Mapping[Name, float]
    drivers: pd.DataFrame
    verdicts: list[str] = field(default_factory=list)


def answer(
    dataset: Dataset,
    data: Sequenced,
    found: OutOfFold,
    measures: pd.DataFrame,
    from_engagement: pd.Series | None,
) -> Answers:
    """Answer all that can be answered.

    Args:
        dataset: the data.
        data: its sequences.
        found: the scores.
        measures: the yardsticks, a row per video.
        from_engagement: id -> the score of a MuT trained on engagement, out of fold, where there is one.
    """
    planted = truth.synchronicity(dataset)
    recovered = _recovered(data, found, measures, from_engagement, planted) if planted else None
    shifts, calibrated = shift_curve(found.moved), calibration(found.scores, found.moved)
    columns, table = columns_of(dataset)
    table = table.assign(sync=pd.Series(dataset.ids, index=table.index).map(found.mean))
    said, regressed, sloped = _recovery_verdicts(recovered, shifts, found), None, None
    try:
        terms = _terms(columns)
        regressed = regressions(table, columns.outcomes, terms)
        said += _regression_verdicts(regressed, columns.outcomes)
        factors = tuple(f for f in FACTORS if f in columns.categories) or columns.categories[:2]
        sloped = slopes(table, terms, factors) if factors else None
    except DataError as error:
        said.append(f"Engagement: {error}")
    driven = drivers(data, found)
    return Answers(recovered, shifts, calibrated, regressed, sloped, truth.slopes(dataset), driven, said)


def _terms(columns: Columns) -> Terms:
    if not columns.outcomes:
        raise DataError("the table has no counts such as likes; nothing to explain.")
    return Terms(
        outcome=columns.outcomes[0],
        logged=columns.logged,
        numeric=columns.numeric,
        categories=columns.categories,
        cluster=columns.cluster,
    )


def _recovered(
    data: Sequenced,
    found: OutOfFold,
    measures: pd.DataFrame,
    from_engagement: pd.Series | None,
    planted: Mapping[str, float],
) -> pd.DataFrame:
    """Rank correlations of the score, the second arm and all yardsticks with what was planted."""
    wide = found.scores.pivot_table(index="seed", columns="id", values="score")
    ids = [name for name in wide.columns if name in planted]
    named = {SCORE: wide[ids].to_numpy()}
    if from_engagement is not None:
        named[SECOND_ARM] = from_engagement.reindex(ids).to_numpy()
    by_id = measures.set_index("id").reindex(ids)
    named |= {name: by_id[name].to_numpy(dtype=float) for name in by_id}
    groups = pd.Series(data.groups, index=data.ids).reindex(ids).to_numpy()
    return recovery(named, np.array([planted[name] for name in ids]), groups)


def _recovery_verdicts(recovered: pd.DataFrame | None, shifts: pd.DataFrame, found: OutOfFold) -> list[str]:
    said = []
    if recovered is not None:
        score = recovered[recovered["measure"] == SCORE].iloc[0]
        said.append(
            f"Rank correlation of the score with planted synchronicity: {score['spearman']:.2f} "
            f"[{score['low']:.2f}, {score['high']:.2f}]."
        )
        others = recovered[(recovered["measure"] != SCORE) & (recovered["measure"] != SECOND_ARM)]
        best = others.iloc[0]
        said[-1] += (
            f" Best yardstick: {best['measure']}, {best['spearman']:.2f}; the score is ahead by "
            f"{best['ahead']:.2f} [{best['ahead_low']:.2f}, {best['ahead_high']:.2f}]."
        )
        arm = recovered[recovered["measure"] == SECOND_ARM]
        said += [
            f"{SECOND_ARM}: {value:.2f}; the score that never saw engagement is the default."
            for value in arm["spearman"]
        ]
    moved = shifts[shifts["kind"] == "moved"].assign(away=lambda rows: rows["seconds"].abs())
    curve = moved.groupby("away")["score"].mean()
    swapped = shifts[shifts["kind"] == "swapped"].iloc[0]
    falls = "falls" if (np.diff(curve) < 0).all() else "does not fall"
    said.append(
        f"The score {falls} with every step as the music is moved by "
        f"{', '.join(f'{1000 * away:.0f}' for away in curve.index)} ms "
        f"({', '.join(f'{score:.3f}' for score in curve)}); for other videos' music it is "
        f"{swapped['score']:.3f}."
    )
    lag = nearest_lag(found.scores[LAG_COLUMNS].to_numpy(), RATE)
    middle = round(1000 * float(np.median(lag)))  # no "-0"
    said.append(f"Lag that fits best within {NEAREST} s: median {middle:+d} ms.")
    return said


def _regression_verdicts(table: pd.DataFrame, outcomes: tuple[str, ...]) -> list[str]:
    rows = table[(table["term"] == "sync") & (table["outcome"] == outcomes[0])]
    said = [
        f"{row.model}, {'no controls' if row.controls == 'none' else 'with controls'}: {row.estimate:+.2f} "
        f"[{row.low:+.2f}, {row.high:+.2f}]"
        for row in rows.itertuples()
    ]
    return [f"Slope of log {outcomes[0]} on the score: {'; '.join(said)}."] if said else []


def _features(video: Video) -> dict[str, float]:
    """What may drive a score, the columns of DRIVERS; the lag is that of the cross-correlation."""
    heard = ("tempo", "onset", "pulse", "onset_low", "beat")
    music = {name: video.music[:, MUSIC.index(name)] for name in heard}
    motion = {name: video.motion[:, MOTION.index(name)] for name in ("local", "acceleration", "cut")}
    lag = cross_correlation(music["onset"], motion["acceleration"], RATE, NEAREST).lag
    beats = (moments(music["beat"]) * RATE).astype(int)
    usual = float(music["onset_low"].mean())
    return {
        "tempo": float(np.median(music["tempo"])),
        "onset": float(music["onset"].mean()),
        "pulse": float(music["pulse"].mean()),
        "local": float(motion["local"].mean()),
        "acceleration": float(motion["acceleration"].mean()),
        "cuts": float(motion["cut"].sum()) * RATE / len(motion["cut"]),
        "lag": abs(lag) if np.isfinite(lag) else NEAREST,
        "accent": float(music["onset_low"][beats].mean()) / usual if len(beats) and usual > 0 else 1.0,
    }


def drivers(data: Sequenced, found: OutOfFold) -> pd.DataFrame:
    """What the score follows from: importance and mean absolute Shapley value of groups of features.

    Boosted trees predict the score on videos of other influencers; columns group, increase, sd, share (of the
    variance), shapley, r2 (of the whole model, the same in every row).
    """
    scores = found.mean
    videos = {n: v for n, v in zip(data.ids, data.videos(), strict=True) if v is not None and n in scores}
    table = pd.DataFrame({name: _features(video) for name, video in videos.items()}).T
    names = [name for group in DRIVERS.values() for name in group]
    x, y = table[names].to_numpy(dtype=float), scores.reindex(table.index).to_numpy()
    groups = pd.Series(data.groups, index=data.ids).reindex(table.index).to_numpy()
    places = {group: [names.index(name) for name in own] for group, own in DRIVERS.items()}
    model = HistGradientBoostingRegressor(**BOOSTED, random_state=0)
    splitter = GroupKFold(4)
    predicted = cross_val_predict(model, x, y, groups=groups, cv=splitter)
    parts, attributed = [], []
    for train, test in splitter.split(x, y, groups):
        model.fit(x[train], y[train])
        parts.append(permutation_importance(model, x[test], y[test], places, repeats=10))
        background = x[train][:: max(1, len(train) // BACKGROUND)][:BACKGROUND]
        attributed.append(explain(model, x[test], background, places).importance)
    importance = pd.concat(parts).groupby("group")[["increase", "sd", "share"]].mean()
    importance["shapley"] = pd.concat(attributed, axis=1).mean(axis=1)
    importance["r2"] = 1 - float(np.mean((y - predicted) ** 2)) / float(np.var(y))
    return importance.sort_values("increase", ascending=False).reset_index()
