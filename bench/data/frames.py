"""What `dataset.toml` and files say, from DataFrames in hand: a description, and the tables by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pydantic import ValidationError

from bench.data.schema import Schema, first_problem
from bench.errors import DataError


def described(
    samples: pd.DataFrame,
    target: str | Sequence[str] | Mapping[str, Any],
    entities: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, pd.DataFrame],
    name: str,
    description: str,
    columns: Mapping[str, str],
) -> tuple[Schema, dict[str, pd.DataFrame]]:
    """The description and the tables of `bench.data.dataset.Dataset.from_frames`, which says what is what.

    Raises:
        DataError: a field or a table is wrong.
    """
    frames = {"samples": samples, **tables}
    for key, frame in frames.items():
        if repeated := frame.columns[frame.columns.duplicated()].tolist():
            raise DataError(f"from_frames: {key} has several columns named {repeated[0]!r}; rename one.")
        if frame.empty:
            raise DataError(f"from_frames: {key} has no rows or no columns; there is nothing to learn from.")
    if "id" not in columns:
        frames["samples"] = identified(samples, "id")
    raw = {
        "name": name,
        "description": description,
        "target": _fields(target),
        "samples": {"table": "samples", **columns},
        "entities": dict(entities),
    }
    try:
        return Schema.model_validate(raw), frames
    except ValidationError as error:
        raise DataError(f"from_frames: {first_problem(error)}") from None


def _fields(target: str | Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a target, of which perhaps only its column is given, or several."""
    if isinstance(target, Mapping):
        return dict(target)
    return {"column": target} if isinstance(target, str) else {"columns": list(target)}


def identified(samples: pd.DataFrame, column: str) -> pd.DataFrame:
    """A table of samples with their ids in a column, which is the index where it has none of that name.

    Raises:
        DataError: the index has several levels.
    """
    if column in samples.columns:
        return samples
    if samples.index.nlevels > 1:
        raise DataError("from_frames: the index has several levels; name a column with the id: id=...")
    return samples.rename_axis(column).reset_index()
