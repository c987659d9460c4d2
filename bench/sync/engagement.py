"""A dataset with a score beside: the same description, sound and picture as entities of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench.data.dataset import Dataset
from bench.data.schema import Entity, Schema
from bench.experiments.synchronicity import MOTION, MUSIC, SYNC
from bench.sync.sequences import ENCODERS, source_of

SCORE_COLUMN = "synchronicity score"


def with_score(dataset: Dataset, scores: Mapping[str, float]) -> Dataset:
    """The dataset whose samples have a score, as the experiment `synchronicity` wants it.

    Entities MOTION and MUSIC have picture and sound, SYNC the score by sample, and the others all else.
    """
    file = dataset.schema.samples.table
    table = dataset.tables.table(file).copy()
    found = pd.Series(dataset.ids).map(dict(scores)).to_numpy(dtype=float)
    table[SCORE_COLUMN] = pd.Series(
        [repr(float(value)) if np.isfinite(value) else None for value in found],
        index=table.index,
        dtype="string",
    )
    frames = {**dataset.frames, file: table}
    return Dataset(dataset.root, arranged(dataset.schema), frames, allow_links=dataset.tables.allow_links)


def arranged(schema: Schema) -> Schema:
    """The description with the entities MOTION, MUSIC, SYNC, and all else as it was."""
    sources = {name: source_of(schema, modality) for name, modality in ((MOTION, "video"), (MUSIC, "audio"))}
    entities: dict[str, Entity] = {}
    for name, modality in ((MOTION, "video"), (MUSIC, "audio")):
        entity = schema.entities[sources[name].entity]
        entities[name] = Entity.model_validate(
            {"table": entity.table, "key": entity.key, "id": entity.id, modality: entity.columns(modality)}
        )
    for name, entity in schema.entities.items():
        taken = [source.modality for source in sources.values() if source.entity == name]
        rest = entity.model_copy(update={modality: [] for modality in taken})
        if rest.modalities:
            entities[f"{name}-more" if name in (MOTION, MUSIC, SYNC) else name] = rest
    entities[SYNC] = Entity(numeric=[SCORE_COLUMN])
    encoders: dict[str, str] = {**{str(k): v for k, v in schema.encoders.items()}, **ENCODERS}
    return schema.model_copy(update={"entities": entities, "encoders": encoders})
