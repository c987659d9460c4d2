"""The same samples with entities of other samples in the place of their own, other targets, other ids.

For looking into methods and for finding those that look where they may not; nothing else reads altered data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.data.ragged import Ragged
from bench.features.store import FeatureSet


def exchanged(features: FeatureSet, orders: Mapping[str, np.ndarray]) -> FeatureSet:
    """The same in memory, where sample i has what sample order[i] has of an entity.

    Args:
        features: of N samples.
        orders: entity -> (N,) row numbers; all its sources go together. Other entities stay.
    """
    seen = replace(features)
    seen.__dict__["sources"] = {
        source: replace(own, items=_taken(own.items, orders[source.entity]))
        if source.entity in orders
        else own
        for source, own in features.sources.items()
    }
    return seen


def written(
    features: FeatureSet, folder: Path, order: np.ndarray, samples: Mapping[str, np.ndarray]
) -> FeatureSet:
    """The same on disk, where whoever reads the files sees it, too.

    Args:
        features: of N samples.
        folder: a new one.
        order: (M,) row numbers: sample i has all entities of sample order[i].
        samples: arrays over the M samples in place of the stored ones.
    """
    entities = {source.entity for source in features.folders}
    folders = {source: folder / str(source) for source in features.folders}
    for source, own in exchanged(features, dict.fromkeys(entities, order)).sources.items():
        folders[source].mkdir(parents=True)
        own.save(folders[source])
    (folder / "samples").mkdir()
    for name, array in samples.items():
        np.save(folder / "samples" / f"{name}.npy", array)
    return replace(features, dataset=folder / "samples", folders=folders)


def _taken(items: Ragged, order: np.ndarray) -> Ragged:
    """The rows `order` (M,) of `items`."""
    padded = items.padded(order)
    return Ragged.from_lengths(padded[padded >= 0], (padded >= 0).sum(1))
