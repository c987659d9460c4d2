"""The videos of a dataset as sequences of music and motion on one clock, by the suite's own encoders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import encoders
from bench.data.dataset import Dataset
from bench.data.schema import Schema
from bench.errors import DataError
from bench.features.encode import encode
from bench.features.store import FeatureSet
from bench.sync.score import SHORTEST
from bench.sync.train import Video
from fusions import Source

ENCODERS = {"video": "flow", "audio": "music"}
"""What sees and what hears."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Sequenced:
    """A dataset of which sound and picture are encoded; light enough to send to another process.

    Attributes:
        features: of both sources.
        motion, music: the sources.
        encoded: how many items had to be encoded.
    """

    features: FeatureSet
    motion: Source
    music: Source
    encoded: int

    @property
    def ids(self) -> list[str]:
        """Of the samples, in their order."""
        return [str(name) for name in self.features.samples["ids"]]

    @property
    def groups(self) -> np.ndarray:
        """(N,) whose videos belong together; each its own where nobody says."""
        groups = self.features.samples.get("groups")
        return np.asarray(self.ids if groups is None else groups).astype(str)

    @property
    def fingerprint(self) -> str:
        """A hash of all that is heard and seen; never of engagement."""
        return "/".join([*(self.features.folders[s].name for s in (self.motion, self.music)), *self.groups])

    def videos(self) -> list[Video | None]:
        """Every sample's sequences, cut to a common length; None without sound, picture or enough of both."""
        found: list[Video | None] = []
        for row in range(len(self.ids)):
            one = np.array([row])
            motion, music = (
                self.features.sources[source].batch(one).values.numpy()
                for source in (self.motion, self.music)
            )
            length = min(len(motion), len(music))
            found.append(Video(music[:length], motion[:length]) if length >= SHORTEST else None)
        return found


def sequenced(
    dataset: Dataset,
    jobs: int = 1,
    executor: str = "inline",
    progress: Progress = lambda what, done, total: None,
) -> Sequenced:
    """Encode sound and picture of every sample. Raises DataError for data without one of them."""
    motion, music = source_of(dataset.schema, "video"), source_of(dataset.schema, "audio")
    made = {modality: encoders.get(modality, name) for modality, name in ENCODERS.items()}
    features, encoded = encode(dataset, made, jobs=jobs, executor=executor, progress=progress)
    return Sequenced(features, motion, music, encoded)


def source_of(schema: Schema, modality: str) -> Source:
    """The source of a dataset that is seen or heard: one file a sample."""
    for source in schema.sources:
        alone = source.entity not in schema.many and not schema.precomputed(source)
        if (
            source.modality == modality
            and alone
            and len(schema.entities[source.entity].columns(modality)) == 1
        ):
            return source
    raise DataError(
        f"{schema.name} has no {modality} of one file per sample; synchronicity needs picture and sound "
        "(a video with its own track will do for both)."
    )


def of_file(path: Path, sound: Path | None = None) -> Video:
    """The sequences of a video file with its own track, or with the sound of another file.

    Raises encoders.CannotDecode where a file is broken or lacks picture or sound.
    """
    motion = encoders.get("video", ENCODERS["video"]).prepare(path).values
    music = encoders.get("audio", ENCODERS["audio"]).prepare(sound or path).values
    length = min(len(motion), len(music))
    return Video(music[:length], motion[:length])


@dataclass(frozen=True)
class Columns:
    """Which columns of a dataset's table take part in regressions.

    Attributes:
        outcomes: counts of engagement, the target first.
        logged, numeric, categories: controls, as `bench.sync.terms.Terms` has them.
        cluster: whose videos depend on each other; "" where nobody says.
    """

    outcomes: tuple[str, ...]
    logged: tuple[str, ...]
    numeric: tuple[str, ...]
    categories: tuple[str, ...]
    cluster: str


COUNTS = ("likes", "comments", "shares", "plays")
"""Columns of these names are engagement, whether or not they are the target."""
MOST_LEVELS = 20


def columns_of(dataset: Dataset) -> tuple[Columns, pd.DataFrame]:
    """The columns of a dataset that say something of engagement, and its table, numbers as numbers."""
    schema = dataset.schema
    file = schema.samples.table
    raw = dataset.tables.table(file)
    numbers = [raw[name].to_numpy(dtype=object, na_value=None) for name in raw]
    table = pd.DataFrame(
        {
            name: pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").astype(float)
            for name, cells in zip(raw, numbers, strict=True)
        }
    )
    entities = [entity for entity in schema.entities.values() if entity.table is None]
    numeric = [c for entity in entities for c in entity.columns("numeric")]
    logged = {c for entity in entities for c in entity.log}
    texts = [c for entity in entities for c in entity.columns("text")]
    kept = raw.assign(**{c: table[c] for c in [*numeric, *_outcomes(schema, table)]})
    return Columns(
        outcomes=tuple(_outcomes(schema, table)),
        logged=tuple(c for c in numeric if c in logged),
        numeric=tuple(c for c in numeric if c not in logged and c not in _outcomes(schema, table)),
        categories=tuple(c for c in dict.fromkeys(texts) if 1 < raw[c].nunique() <= MOST_LEVELS),
        cluster=schema.samples.group or "",
    ), kept


def _outcomes(schema: Schema, table: pd.DataFrame) -> list[str]:
    names = dict.fromkeys([schema.target.column, *COUNTS])
    return [c for c in names if c in table and table[c].notna().any() and (table[c].dropna() >= 0).all()]
