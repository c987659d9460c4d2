"""`bench data stats`: Table 5 of the paper for any dataset, what is missing, what is there twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bench.config import TrainingConfig
from bench.data import splits
from bench.data.dataset import Dataset
from bench.data.duplicates import across_parts
from bench.data.ragged import Ragged
from bench.errors import DataError
from fusions import Source

BINS = 30


def statistics(dataset: Dataset, split: str = "auto") -> dict[str, pd.DataFrame]:
    """Tables that describe a dataset.

    Args:
        dataset: the data.
        split: the kind of split whose first seed is described: auto, random, kfold, official or time.

    Returns:
        "target": size, max, min, mean, median, sd per part, on the scale that models learn; of classes
        count and share per part and class;
        "histogram": part, left, right, count, and class where the target is one;
        both begin with the column `target` where there are several;
        "sources": per entity and modality what there is and what is missing;
        "duplicates": samples of the validation and test part whose attributes an earlier part has too.

    Raises:
        UsageError: the dataset has no such split. DataError: it is too small.
    """
    training = TrainingConfig.model_validate({"split": split})
    every, described, histogram = dataset.each, [], []
    for one in every:
        named = {"target": one.schema.target.column} if len(every) > 1 else {}
        rows, bins = target_by_part(one, training).values()
        described += [named | row for row in rows]
        histogram += [named | row for row in bins]
    return {
        "target": pd.DataFrame(described),
        "sources": pd.DataFrame([_source(dataset, source) for source in dataset.schema.sources]),
        "duplicates": across_parts(dataset, first_parts(dataset, training)),
        "histogram": pd.DataFrame(histogram),
    }


def first_parts(dataset: Dataset, training: TrainingConfig) -> splits.Parts:
    """The parts of the first seed of a target. Raises UsageError or DataError where there are none."""
    schema = dataset.schema
    kind = splits.kind_of(training.split, dataset.samples, schema.samples.fixed)
    try:
        return splits.split(
            dataset.samples,
            0,
            kind=kind,
            test=training.test,
            validation=training.validation,
            classes=schema.target.classes,
        )
    except DataError as error:
        raise (
            DataError(f"target {schema.target.column}: {error}") if schema.target.classes else error
        ) from None


def target_by_part(dataset: Dataset, training: TrainingConfig) -> dict[str, list[dict[str, Any]]]:
    """The target per part of the first seed's split: what is learned from, and the test part.

    Returns:
        Of numbers `statistics`, a row per part (population deviation), and `histogram`: part, left, right,
        count. Of classes `classes`, a row per part and class: part, class, count, share; and `histogram` with
        a bin for each, the class beside it.
    """
    parts = first_parts(dataset, training)
    learning = np.concatenate([parts.train, parts.validation])
    by_part = {"training": dataset.target[learning], "test": dataset.target[parts.test]}
    classes = dataset.schema.target.classes
    return _classes(classes, by_part) if classes else _numbers(dataset.target, by_part)


def _numbers(y: np.ndarray, by_part: Mapping[str, np.ndarray]) -> dict[str, list[dict[str, Any]]]:
    edges = np.histogram_bin_edges(y, BINS)
    statistics, histogram = [], []
    for name, y in by_part.items():
        columns = {"max": y.max(), "min": y.min(), "mean": y.mean(), "median": np.median(y), "sd": y.std()}
        statistics.append({"part": name, "size": len(y), **{k: float(v) for k, v in columns.items()}})
        counts = np.histogram(y, edges)[0].tolist()
        bins = zip(edges[:-1].tolist(), edges[1:].tolist(), counts, strict=True)
        histogram += [{"part": name, "left": left, "right": right, "count": n} for left, right, n in bins]
    return {"statistics": statistics, "histogram": histogram}


def _classes(classes: tuple[str, ...], by_part: Mapping[str, np.ndarray]) -> dict[str, list[dict[str, Any]]]:
    rows, histogram = [], []
    for name, y in by_part.items():
        counts = np.bincount(y.astype(int), minlength=len(classes)).tolist()
        for number, (label, n) in enumerate(zip(classes, counts, strict=True)):
            rows.append({"part": name, "class": label, "count": n, "share": n / len(y)})
            place = {"left": number - 0.5, "right": number + 0.5}
            histogram.append({"part": name, "class": label, **place, "count": n})
    return {"classes": rows, "histogram": histogram}


def as_bars(histogram: pd.DataFrame, width: int = 50) -> str:
    """The histogram of all parts together as lines of text: bin, bar of at most `width`, count."""
    bins = histogram.groupby(["left", "right"], as_index=False).agg(
        {column: "sum" if column == "count" else "first" for column in histogram if column != "part"}
    )
    most = max(1, int(bins["count"].max()))
    names = bins["class"] if "class" in bins else [f"{left:.4g}" for left in bins["left"]]
    return "\n".join(
        f"{str(name)[:30]:>10} {'█' * round(width * count / most)} {count}"
        for name, count in zip(names, bins["count"].tolist(), strict=True)
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
