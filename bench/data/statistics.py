"""`bench data stats`: Table 5 of the paper for any dataset, what is missing, what is there twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.config import TrainingConfig
from bench.data import splits
from bench.data.dataset import Dataset
from bench.data.duplicates import across_parts
from bench.features.ragged import Ragged
from fusions import Source

BINS = 30


def statistics(dataset: Dataset, split: str = "auto") -> dict[str, pd.DataFrame]:
    """Tables that describe a dataset.

    Args:
        dataset: the data.
        split: the kind of split whose first seed is described: auto, random, official or time.

    Returns:
        "target": size, max, min, mean, median, sd per part, on the scale that models learn;
        "histogram": part, left, right, count;
        "sources": per entity and modality what there is and what is missing;
        "duplicates": samples of the validation and test part whose attributes an earlier part has too.

    Raises:
        UsageError: the dataset has no such split. DataError: it is too small.
    """
    training = TrainingConfig(split=split)
    by_part = target_by_part(dataset, training)
    return {
        "target": pd.DataFrame(by_part["statistics"]),
        "sources": pd.DataFrame([_source(dataset, source) for source in dataset.schema.sources]),
        "duplicates": across_parts(dataset, first_parts(dataset, training)),
        "histogram": pd.DataFrame(by_part["histogram"]),
    }


def first_parts(dataset: Dataset, training: TrainingConfig) -> splits.Parts:
    """The parts of the first seed."""
    kind = splits.kind_of(training.split, dataset.samples, dataset.schema.samples.fixed)
    return splits.split(dataset.samples, 0, kind=kind, test=training.test, validation=training.validation)


def target_by_part(dataset: Dataset, training: TrainingConfig) -> dict[str, list[dict[str, Any]]]:
    """The target's `statistics` and `histogram` per part of the first seed's split (population deviation)."""
    parts = first_parts(dataset, training)
    learning = np.concatenate([parts.train, parts.validation])
    edges = np.histogram_bin_edges(dataset.target, BINS)
    statistics, histogram = [], []
    for name, rows in {"training": learning, "test": parts.test}.items():
        y = dataset.target[rows]
        columns = {"max": y.max(), "min": y.min(), "mean": y.mean(), "median": np.median(y), "sd": y.std()}
        statistics.append({"part": name, "size": len(y), **{k: float(v) for k, v in columns.items()}})
        counts = np.histogram(y, edges)[0].tolist()
        bins = zip(edges[:-1].tolist(), edges[1:].tolist(), counts, strict=True)
        histogram += [{"part": name, "left": left, "right": right, "count": n} for left, right, n in bins]
    return {"statistics": statistics, "histogram": histogram}


def as_bars(histogram: pd.DataFrame, width: int = 50) -> str:
    """The histogram of all parts together as lines of text: bin, bar of at most `width`, count."""
    bins = histogram.groupby(["left", "right"], as_index=False)["count"].sum()
    most = max(1, int(bins["count"].max()))
    return "\n".join(
        f"{row.left:10.4g} {'█' * round(width * row.count_ / most)} {row.count_}"
        for row in bins.rename(columns={"count": "count_"}).itertuples()
    )


def _source(dataset: Dataset, source: Source) -> dict[str, Any]:
    """What there is of one source; missing rates are shares of samples, and of cells of the entity's rows."""
    items = dataset.items[source.entity]
    attributes = dataset.schema.entities[source.entity].attributes(source.modality)
    cells, distinct = _tokens(dataset, source)
    per_row = np.diff(cells.offsets)
    sample = np.repeat(np.arange(len(items)), np.diff(items.offsets))
    per_sample = np.bincount(sample, per_row[items.values], minlength=len(dataset))
    return {
        "entity": source.entity,
        "modality": source.modality,
        "attributes": len(attributes),
        "items": distinct,
        "samples": int((per_sample > 0).sum()),
        "missing": float((per_sample == 0).mean()),
        "tokens per sample": float(per_sample.mean()),
        "missing cells": _missing_cells(dataset, source, cells, len(attributes)),
    }


def _tokens(dataset: Dataset, source: Source) -> tuple[Ragged, int]:
    """The tokens of every row of the entity's table, and how many distinct items they are."""
    if source.modality == "numeric":
        known = np.isfinite(dataset.numeric(source))
        return Ragged.from_lengths(np.nonzero(known)[1], known.sum(1)), len(known)
    if dataset.schema.precomputed(source):
        rows = dataset.vectors(source).rows
        return rows, len(np.unique(rows.values))
    raw = dataset.raw(source)
    return raw.rows, len(raw.items)


def _missing_cells(dataset: Dataset, source: Source, tokens: Ragged, attributes: int) -> float:
    """The share of (row, attribute) without a token."""
    row = np.repeat(np.arange(len(tokens)), np.diff(tokens.offsets))
    if source.modality == "numeric":
        slot = tokens.values
    elif dataset.schema.precomputed(source):
        slot = np.zeros(len(row), dtype=np.int64)
    else:
        slot = dataset.raw(source).slots
    filled = len(np.unique(row * attributes + slot))
    return 1 - filled / max(1, len(tokens) * attributes)
