"""Scores out of fold: every video's comes from a network that has seen neither it nor its influencer.

sync/models/<key>/  model.safetensors margins.parquet moved.parquet steps.npz checksums.json

A folder is written aside, sealed and renamed; its name is a hash of all that decides what is in it. What is
there and intact is not made again. Folders hold margins; the curves that make probabilities of the margins of
one fold are fitted to the other folds', so that a score depends on no video of its influencer but its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.errors import BenchError, DataError
from bench.executors import find
from bench.failure import Failure
from bench.files import damage, sweep, written_aside
from bench.isolation import one_thread
from bench.seeds import derive
from bench.sourcecode import PROJECT, digest
from bench.store import own_table
from bench.sync.network import LAGS
from bench.sync.score import BOTH, DIRECTIONS, WRONG, Curve, curves_of, measured, shifted, wrong_pairs
from bench.sync.scorer import MODELS, save_network
from bench.sync.sequences import Progress, Sequenced
from bench.sync.train import Video, train

FOLDS = 4
MOVED = (-1.0, -0.8, -0.6, -0.4, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Seconds by which the music is moved to see what becomes of the score."""
LAG_COLUMNS = [f"lag_{lag}" for lag in range(-LAGS, LAGS + 1)]
COLUMNS = [*DIRECTIONS, BOTH]


@dataclass(frozen=True)
class Fold:
    """One network to be trained.

    Attributes:
        data: of which videos.
        rows: the samples that can be scored.
        seed: of the folds and the network.
        fold: which of FOLDS is held out.
        folder: where its result lies, named by all that decides it.
    """

    data: Sequenced
    rows: tuple[int, ...]
    seed: int
    fold: int
    folder: Path

    @classmethod
    def of(cls, data: Sequenced, rows: tuple[int, ...], seed: int, fold: int, out: Path) -> Fold:
        """A fold with its folder under an output folder."""
        code = digest([PROJECT], ["bench.sync.folds"])
        parts = [code, data.fingerprint, *map(str, rows), str(seed), str(fold)]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return cls(data, rows, seed, fold, out / MODELS / key)

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on, and to score; no group is in both."""
        rows, groups = np.array(self.rows), self.data.groups[list(self.rows)]
        rng = np.random.default_rng(derive(self.seed, "sync", "folds"))
        held = np.isin(groups, rng.permutation(np.unique(groups))[self.fold :: FOLDS])
        return rows[~held], rows[held]


@one_thread()
def fit(fold: Fold) -> None:
    """Train, measure what was held out, and store all of it."""
    videos = fold.data.videos()
    train_rows, held_rows = fold.parts
    network = train(_known(videos, train_rows), derive(fold.seed, "sync", str(fold.fold)))
    ids = [fold.data.ids[row] for row in held_rows]
    held = dict(zip(ids, _known(videos, held_rows), strict=True))
    rows, steps = [], {}
    for name, video in held.items():
        found = measured(network, video)
        rows.append([name, *found.now, *found.lags])
        steps[name] = found.steps
    margins = pd.DataFrame(rows, columns=["id", *COLUMNS, *LAG_COLUMNS])
    changed = [
        [name, kind, seconds, *measured(network, pair).now]
        for kind, seconds, pairs in _changed(list(held.values()), fold.seed)
        for name, pair in zip(held, pairs, strict=True)
    ]
    moved = pd.DataFrame(changed, columns=["id", "kind", "seconds", *COLUMNS])
    with written_aside(fold.folder, replace=True) as folder:
        save_network(network, folder)
        margins.assign(seed=fold.seed, fold=fold.fold).to_parquet(folder / "margins.parquet", index=False)
        moved.assign(seed=fold.seed, fold=fold.fold).to_parquet(folder / "moved.parquet", index=False)
        np.savez_compressed(folder / "steps.npz", allow_pickle=False, **steps)


def _known(videos: Sequence[Video | None], rows: np.ndarray) -> list[Video]:
    return [video for row in rows if (video := videos[row]) is not None]


def _changed(videos: Sequence[Video], seed: int) -> list[tuple[str, float, list[Video]]]:
    """Kind, seconds, and the videos with their music moved, in another tempo, or another's."""
    moved = [("moved", seconds, [shifted(video, seconds) for video in videos]) for seconds in MOVED]
    return [*moved, *((kind, np.nan, pairs) for kind, pairs in wrong_pairs(videos, seed).items())]


@dataclass(frozen=True)
class OutOfFold:
    """Scores of all videos by networks that have not seen them.

    Attributes:
        scores: a row per seed and video: id, score, one per direction, margin, LAG_COLUMNS (margins), seed,
            fold.
        moved: a row per seed, video and change of its music: id, kind, seconds, score, seed, fold.
        folders: where the networks lie, those of the first seed first.
        curves: of new videos.
        by_fold: of the first seed's folds.
        executed: how many had to be trained.
        left_out: videos that cannot be scored.
    """

    scores: pd.DataFrame
    moved: pd.DataFrame
    folders: list[Path]
    curves: Mapping[str, Curve]
    by_fold: Sequence[Mapping[str, Curve]]
    executed: int
    left_out: list[str]

    @property
    def mean(self) -> pd.Series:
        """Each video's score, averaged over seeds."""
        return self.scores.groupby("id")["score"].mean()

    def steps(self) -> dict[str, np.ndarray]:
        """Id -> (2, T) the score of every step, each direction, by the first seed."""
        found = {}
        for folder, curves in zip(self.folders, self.by_fold, strict=False):
            with np.load(folder / "steps.npz", allow_pickle=False) as stored:
                for name in stored.files:
                    pairs = zip(DIRECTIONS, stored[name], strict=True)
                    found[name] = np.stack([curves[direction](values) for direction, values in pairs])
        return found


def out_of_fold(
    data: Sequenced,
    seeds: int,
    out: Path,
    jobs: int = 1,
    executor: str = "inline",
    progress: Progress = lambda what, done, total: None,
) -> OutOfFold:
    """Train what is not stored yet, and read all of it.

    Raises:
        DataError: too few videos can be scored. BenchError: a training fails.
    """
    videos = data.videos()
    rows = tuple(row for row, video in enumerate(videos) if video is not None)
    left_out = [name for name, video in zip(data.ids, videos, strict=True) if video is None]
    if (known := len(set(data.groups[list(rows)]))) < 2 * FOLDS:
        raise DataError(
            f"{len(rows)} videos of {known} groups have picture and sound; {2 * FOLDS} groups are needed."
        )
    folds = [Fold.of(data, rows, seed, fold, out) for seed in range(seeds) for fold in range(FOLDS)]
    sweep(out / MODELS)
    absent = [fold for fold in folds if damage(fold.folder)]
    progress("training networks of synchronicity", 0, len(absent))
    for done, (fold, result) in enumerate(find(executor)(fit, absent, jobs), 1):
        if isinstance(result, Failure):
            raise BenchError(f"training of seed {fold.seed}, fold {fold.fold} failed: {result}")
        progress("training networks of synchronicity", done, len(absent))
    return _read([fold.folder for fold in folds], len(absent), left_out)


def _read(folders: list[Path], executed: int, left_out: list[str]) -> OutOfFold:
    """Make scores of stored margins."""
    margins = [own_table(folder / "margins.parquet") for folder in folders]
    moved = [own_table(folder / "moved.parquet") for folder in folders]
    places = [(int(table["seed"].iloc[0]), int(table["fold"].iloc[0])) for table in margins]
    curves = []
    for seed, fold in places:
        others = [i for i, place in enumerate(places) if place[0] == seed and place[1] != fold]
        curves.append(_curves([margins[i] for i in others], [moved[i] for i in others]))
    scores = pd.concat([_scored(t, c, rename=True) for t, c in zip(margins, curves, strict=True)])
    changed = pd.concat([_scored(t, c, rename=False) for t, c in zip(moved, curves, strict=True)])
    return OutOfFold(
        scores=scores.reset_index(drop=True),
        moved=changed.drop(columns=COLUMNS).reset_index(drop=True),
        folders=folders,
        curves=_curves(margins[:FOLDS], moved[:FOLDS]),
        by_fold=curves[:FOLDS],
        executed=executed,
        left_out=left_out,
    )


def _curves(margins: Sequence[pd.DataFrame], moved: Sequence[pd.DataFrame]) -> dict[str, Curve]:
    true, changed = pd.concat(margins), pd.concat(moved)
    wrong = changed[changed["kind"].isin(WRONG)]
    return curves_of(true[COLUMNS].to_numpy(), wrong[COLUMNS].to_numpy())


def _scored(table: pd.DataFrame, curves: Mapping[str, Curve], *, rename: bool) -> pd.DataFrame:
    """A table of margins with the score; with `rename` each direction's too, and the margin by its name."""
    score = curves[BOTH](table[BOTH].to_numpy())
    if not rename:
        return table.assign(score=score)
    own = {name: curves[name](table[name].to_numpy()) for name in DIRECTIONS}
    return table.rename(columns={BOTH: "margin"}).assign(score=score, **own)
