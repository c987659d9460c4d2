"""`bench data check`: everything that is wrong with a dataset, or looks so, worst first.

Reading the dataset reports what reading finds; the modules here look further, one idea each.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from bench.data.checks import classes, columns, files, leaks, shape
from bench.data.dataset import Dataset
from bench.data.problems import Problem
from bench.data.schema import BadDescription, Schema, read_schema
from bench.errors import printable


def check(folder: Path, *, allow_links: tuple[Path, ...] = (), **depth: Unpack[files.Depth]) -> list[Problem]:
    """Every problem of the dataset in a folder, one for all cells with the same fault, worst first.

    Args:
        folder: with a dataset.toml, or one that a shipped example fits.
        allow_links: folders outside that links in the folder may lead to.
        **depth: how thoroughly media files are looked at (`bench.data.checks.files.Depth`).
    """
    path = folder / "dataset.toml"
    try:
        there = os.path.lexists(path)
        schema = read_schema(path, allow_links) if there else _fitting_example(folder, allow_links)
    except BadDescription as error:
        return _merged(error.problems)
    if schema is None:
        what = "does not exist, and no shipped example fits the folder"
        return [Problem("no-description", what, f"let `bench data init {folder}` propose one", path.name)]
    return examine(folder, schema, allow_links=allow_links, **depth)


def examine(
    folder: Path,
    schema: Schema,
    frames: Mapping[str, pd.DataFrame] | None = None,
    *,
    allow_links: tuple[Path, ...] = (),
    **depth: Unpack[files.Depth],
) -> list[Problem]:
    """Every problem of a folder under a description at hand, as `check` returns them."""
    found: list[Problem] = []
    dataset = Dataset(folder, schema, frames, found.append, allow_links=allow_links)
    for source in schema.sources:
        if schema.precomputed(source):
            dataset.vectors(source)
    shape.check(dataset, found.append)
    columns.check(dataset, found.append)
    files.check(dataset, found.append, **depth)
    if not any(problem.stops for problem in found):  # else there is no split to look at
        leaks.check(dataset, found.append)
        classes.check(dataset, found.append)
    return _merged(found)


def as_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """The problems for programs: every field, with `severity` and `count`."""
    rows = [{"severity": p.severity, "count": p.count, **asdict(p), "rows": list(p.rows)} for p in problems]
    return [{k: printable(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows]


def _fitting_example(folder: Path, allow_links: tuple[Path, ...]) -> Schema | None:
    """The shipped description whose tables and columns are all there."""
    for path in sorted(Path(str(resources("bench.data"))).glob("examples/*.toml")):
        found: list[Problem] = []
        schema = read_schema(path)
        Dataset(folder, schema, report=found.append, allow_links=allow_links)
        if not {"missing-table", "missing-column"} & {problem.kind for problem in found}:
            return schema
    return None


def _merged(problems: Iterable[Problem]) -> list[Problem]:
    """One problem for the same fault, which several sources that read one column report; worst first."""
    merged: dict[tuple[str, ...], Problem] = {}
    for problem in problems:
        # without a column, what is wrong tells apart
        key = problem.kind, problem.file, problem.column or problem.what
        first = merged.setdefault(key, problem)
        rows = tuple(sorted({*first.rows, *problem.rows}))
        merged[key] = replace(first, rows=rows, stops=first.stops or problem.stops)
    return sorted(merged.values(), key=lambda p: (not p.stops, -p.count, p.file, p.rows, p.column))
