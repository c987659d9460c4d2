"""Rows of a CSV file that are shorter than the header, or that a stray quote has swallowed."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from bench.data.dataset import Dataset
from bench.data.problems import Problem, Report

COMMA = re.compile(r",(?=\S)")


def check(dataset: Dataset, report: Report) -> None:
    """Report them in every table that was read from a CSV file."""
    schema = dataset.schema
    for file in dict.fromkeys(
        [schema.samples.table, *(e.table for e in schema.entities.values() if e.table)]
    ):
        if not file.endswith(".parquet") and len(dataset.tables.table(file)):
            _check_file(dataset.root / file, file, report)


def _check_file(path: Path, file: str, report: Report) -> None:
    width, last, short, swallowed = 0, 0, [], []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            reader = csv.reader(lines)
            for row, fields in enumerate(reader, start=1):
                width = width or len(fields)
                if 1 < len(fields) < width:
                    short.append(row)
                # a row that was swallowed brings the commas of a row; those of prose have a blank behind them
                several = reader.line_num - last > 1
                if (
                    several
                    and width > 2
                    and any("\n" in f and len(COMMA.findall(f)) >= width - 1 for f in fields)
                ):
                    swallowed.append(row)
                last = reader.line_num
        except csv.Error:  # such as a cell of more than 128 KiB; pandas has read it
            return
    if short:
        what, fix = f"the row has fewer than the {width} fields of the header", "add the missing commas"
        report(Problem("short-row", what, fix, file, rows=tuple(short), stops=False))
    if swallowed:
        what, fix = "a cell holds what looks like further rows", "look for a stray quote in this row"
        report(Problem("swallowed-rows", what, fix, file, rows=tuple(swallowed), stops=False))
