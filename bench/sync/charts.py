"""Figures of scores: recovery, shifted music, where a video looks in its music, many videos at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.style import GREY, MAP, ONE_COLUMN, TWO_COLUMNS, canvas, colour_bar, look, shown
from bench.sync.network import CONTEXT, LAGS, SynchronyNetwork
from bench.sync.recovery import SCORE
from bench.sync.train import Video, evidence
from encoders.clock import RATE
from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC

WORDS = {SCORE: "the score"}
MOST_MEASURES = 12
TELLING = 6
"""Moments of a video that are marked."""
APART = 5
"""Steps between two of them, at least."""
STRIP = 60
"""Videos that fit under each other."""
GRID = 100
"""Columns of the strip."""


def recovery_figure(table: pd.DataFrame, seeds: int) -> Drawing:
    """Rank correlation of every measure with what was planted."""
    kept = table.head(MOST_MEASURES)
    lanes = {
        WORDS.get(row.measure, str(row.measure)): [
            Mark(
                np.array([row.spearman]), row.spearman, row.low, row.high, 0, row.measure != SCORE,
                str(row.measure),
            )
        ]
        for row in kept.itertuples()
    }  # fmt: skip
    figure = canvas(TWO_COLUMNS, 0.6 + height(len(lanes), 2))
    ax = figure.subplots()
    forest(ax, lanes, 1, (-1.0, 1.0), include=[0.0, 1.0], whole=True)
    ax.set_xlabel("Spearman correlation with planted synchronicity")
    first = kept.iloc[0]
    caption = (
        f"Videos scored by networks that have seen neither them nor their influencer; {seeds} seeds, 95 "
        f"% intervals by bootstrap of influencers. The best {len(kept)} of {len(table)} measures; yardsticks "
        "see motion as speed or as bursts."
    )
    finding = f"Highest: {first['measure']}, {first['spearman']:.2f}."
    return Drawing("sync-recovery", "Is planted synchronicity recovered?", caption, figure, finding)


def shift_figure(shifts: pd.DataFrame) -> Drawing:
    """The mean score by how far the music is moved, beside music of another tempo or another video."""
    moved = shifts[shifts["kind"] == "moved"].sort_values("seconds")
    figure = canvas(ONE_COLUMN, 2.4)
    ax = figure.subplots()
    colour, marker = look(0)
    ax.fill_between(moved["seconds"], moved["low"], moved["high"], color=colour, alpha=0.2, linewidth=0)
    ax.plot(moved["seconds"], moved["score"], color=colour, marker=marker, markersize=3)
    for i, kind in enumerate(("swapped", "tempo"), 1):
        level = float(shifts.loc[shifts["kind"] == kind, "score"].iloc[0])
        name = {"swapped": "another video's music", "tempo": "another tempo"}[kind]
        ax.axhline(level, color=look(i)[0], linestyle="--", linewidth=0.8, label=name)
    ax.set_ylim(0, 1)
    ax.set_xlabel("music moved by (s)")
    ax.set_ylabel("mean score")
    ax.grid(axis="y")
    ax.legend(loc="upper right")
    text = (
        "Mean score of all videos, out of fold, where the music comes later (positive) or earlier; band: "
        "95 % over videos."
    )
    at_zero = float(moved.loc[moved["seconds"] == 0, "score"].iloc[0])
    return Drawing(
        "sync-shift", "The score where music is moved", text, figure, f"Highest at 0 s: {at_zero:.2f}."
    )


def attention_figure(name: str, video: Video, network: SynchronyNetwork, score: float) -> Drawing:
    """Where the motion of one video looks in its music, with both curves and the moments that matter."""
    found = evidence(network, [video.music], [video.motion])[0]
    values, known = found.values[0].numpy(), found.known[0].numpy()
    weights = softmax(np.where(known, values, -np.inf), axis=1)
    length = len(video.music)
    picture = np.zeros((length, length))
    for step in range(length - 2 * CONTEXT):
        keys = step + np.arange(-LAGS, LAGS + 1)
        inside = (keys >= 0) & (keys < length - 2 * CONTEXT) & known[step]
        picture[step + CONTEXT, keys[inside] + CONTEXT] = weights[step, inside]
    figure = canvas(ONE_COLUMN * 1.4, ONE_COLUMN * 1.4)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 4), height_ratios=(1, 4))
    ax = figure.add_subplot(grid[1, 1])
    top, left = figure.add_subplot(grid[0, 1], sharex=ax), figure.add_subplot(grid[1, 0], sharey=ax)
    end = length / RATE
    drawn = ax.imshow(picture, origin="lower", extent=(0, end, 0, end), cmap=MAP, aspect="auto")
    ax.plot([0, end], [0, end], color="white", linewidth=0.4, alpha=0.6)
    at = (np.arange(length) + 0.5) / RATE
    onset, burst = video.music[:, MUSIC.index("onset")], video.motion[:, MOTION.index("acceleration")]
    top.plot(at, onset, color=look(0)[0], linewidth=0.8)
    left.plot(burst, at, color=look(1)[0], linewidth=0.8)
    left.invert_xaxis()
    telling = telling_moments(values, known)
    ax.plot(at[telling], at[telling], "o", mfc="none", mec=look(3)[0], markersize=6)
    for moment in at[telling]:
        top.axvline(moment, color=GREY, linewidth=0.5, linestyle=":")
        left.axhline(moment, color=GREY, linewidth=0.5, linestyle=":")
    ax.set_xlabel("music (s)")
    left.set_ylabel("motion (s)")
    top.set_title(f"{shown(name)}: score {score:.2f}", loc="left")
    top.set_ylabel("onset strength")
    left.set_xlabel("acceleration")
    for axis in (top, left):
        axis.tick_params(labelbottom=axis is left, labelleft=axis is left)
    colour_bar(figure, drawn, [ax], "attention")
    text = (
        f"Where each moment of motion looks in the music, within {LAGS / RATE:.1f} s (crossmodal attention; "
        "a row sums to 1), and the curves of both. On the white line both are at the same time. Circles: "
        "moments that speak most for music and motion belonging together."
    )
    times = ", ".join(f"{moment:.1f}" for moment in np.sort(at[telling]))
    finding = f"Telling moments: {times} s."
    return Drawing("sync-attention", "Where motion looks in music", text, figure, finding)


def telling_moments(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Steps with the most evidence at lag 0 over the mean of all lags, apart from each other; (K,) steps."""
    usual = (values * known).sum(1) / np.maximum(known.sum(1), 1)
    gain = values[:, LAGS] - usual
    chosen: list[int] = []
    for step in np.argsort(-gain):
        if gain[step] > 0 and all(abs(int(step) - other) >= APART for other in chosen):
            chosen.append(int(step))
        if len(chosen) == TELLING:
            break
    return np.array(chosen, dtype=int) + CONTEXT


def strip_figure(steps: Mapping[str, np.ndarray], scores: pd.Series) -> Drawing:
    """Many videos at a glance: the score of every step, videos from the highest score to the lowest."""
    order = list(scores.sort_values(ascending=False).index)
    chosen = [order[i] for i in np.unique(np.linspace(0, len(order) - 1, min(STRIP, len(order))).astype(int))]
    rows = np.stack([_on_grid(steps[name]) for name in chosen])
    figure = canvas(TWO_COLUMNS, 0.8 + 0.045 * len(chosen))
    ax = figure.subplots()
    drawn = ax.imshow(rows, cmap=MAP, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    every = max(1, len(chosen) // 12)
    names = [f"{shown(name, 18)}  {scores[name]:.2f}" for name in chosen[::every]]
    ax.set_yticks(range(0, len(chosen), every), names, fontsize=5.5)
    ax.set_xticks([0, GRID // 2, GRID - 1], ["start", "middle", "end"])
    ax.set_xlabel("time in the video")
    colour_bar(figure, drawn, ax, "score of the moment")
    whose = "All" if len(chosen) == len(order) else f"{len(chosen)} of {len(order)}"
    text = f"{whose} videos, the highest score at the top; both directions averaged, out of fold, first seed."
    low, high = float(scores.min()), float(scores.max())
    return Drawing(
        "sync-strip", "Many videos at a glance", text, figure, f"Scores from {low:.2f} to {high:.2f}."
    )


def _on_grid(steps: np.ndarray) -> np.ndarray:
    """Both directions' steps (2, T) averaged, at GRID moments from start to end."""
    mean = steps.mean(0)
    known = np.flatnonzero(np.isfinite(mean))
    return np.asarray(np.interp(np.linspace(known[0], known[-1], GRID), known, mean[known]))


def drivers_figure(table: pd.DataFrame) -> Drawing:
    """What the score follows from."""
    figure = canvas(ONE_COLUMN, 0.6 + 0.22 * len(table))
    ax = figure.subplots()
    rows = table.iloc[::-1]
    ax.barh(rows["group"], rows["shapley"], color=look(0)[0], height=0.6)
    ax.set_xlabel("mean absolute Shapley value (score)")
    ax.grid(axis="x")
    r2 = float(table["r2"].iloc[0])
    text = (
        f"Boosted trees that predict the score from groups of features (R2 on other influencers' videos: "
        f"{r2:.2f}); exact Shapley values over the groups. What the model uses, not what a change would do."
    )
    first: Sequence[str] = table.sort_values("shapley", ascending=False)["group"].tolist()
    return Drawing("sync-drivers", "What drives the score", text, figure, f"Most: {first[0]}.")
