"""Predictions of others: CSV files, checked before a number is computed from them.

A row per prediction, with the columns

    sample (or id)    which sample; the same in all files
    y_true            a number, or the name of a class
    y_pred            the same; not needed, and not read, beside
    p_CLASS           the probability of a class, a column each
    seed, split       which of several test parts or trainings, where there are several; or both
    group             samples of one group count as one; needed in one of the files only
    method            where a file has several; else its name names the method
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from bench.data.problems import Problem, rows_where
from bench.data.tables import Tables
from bench.errors import DataError, printable

log = logging.getLogger("bench")

LARGEST = 1 << 30
"""Bytes of a file."""
PROBABILITY = "p_"
PARTS = ("seed", "split")
NOT_TEST = {"train", "training", "val", "valid", "validation", "dev"}
"""Names of parts that a method has learned or chosen from."""
LONGEST, MOST = 80, 100
"""Characters of a method's name, and methods: a table has no room for more."""
SLACK = 1e-3
"""How far probabilities may be from a sum of 1: others round them."""


@dataclass(frozen=True)
class Predicted:
    """What one method predicted.

    Attributes:
        file: where it stands.
        method: its name.
        table: columns sample, part and y_true; y_pred, or ``p_CLASS``; perhaps group.
    """

    file: str
    method: str
    table: pd.DataFrame

    @property
    def classes(self) -> list[str]:
        """The classes that have probabilities."""
        return [name.removeprefix(PROBABILITY) for name in self.table if name.startswith(PROBABILITY)]

    @property
    def is_number(self) -> bool:
        """Whether what is predicted is a number."""
        return not self.classes and pd.api.types.is_numeric_dtype(self.table["y_true"])


def read_predictions(paths: list[Path]) -> list[Predicted]:
    """What is predicted in some files, a method each.

    Raises:
        DataError: a file is not what it should be, or two of the methods have the same name.
    """
    files = [_File(path) for path in paths]
    # labels that look like numbers are labels where any file has probabilities of them
    classes = any(file.probabilities for file in files)
    found = [predicted for file in files for predicted in file.methods(classes)]
    if len(found) > MOST:
        raise DataError(
            f"{len(found)} methods are more than the {MOST} that can be compared; leave some out."
        )
    seen: dict[str, str] = {}
    for predicted in found:
        if predicted.method in seen:
            raise DataError(
                f"{seen[predicted.method]} and {predicted.file} both hold a method {predicted.method!r}; "
                "rename one file, or add a column `method`."
            )
        seen[predicted.method] = predicted.file
    return found


class _File:
    """One CSV file."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"no file {path}.")
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path} is larger than {LARGEST >> 30} GiB; keep the test samples only.")
        self.stem = path.stem
        path = path.resolve()
        self.name = path.name
        self.tables = Tables(path.parent, _stop)
        self.header = list(map(str, self.tables.table(self.name)))
        self.probabilities = [name for name in self.header if name.startswith(PROBABILITY)]

    def methods(self, classes: bool) -> Iterator[Predicted]:
        """What it holds, by method; with `classes`, labels even where they look like numbers."""
        table = self._table(classes)
        names = self._texts("method") if "method" in self.header else pd.Series(self.stem, index=table.index)
        for method, rows in table.groupby(names, sort=False):
            repeated = rows.duplicated(["part", "sample"])
            if repeated.any():
                which = rows.loc[repeated, "sample"].iloc[0]
                fix = "keep one of the rows, or tell them apart by a column `seed`, `split` or `method`"
                self._fault(f"sample {which!r} stands there twice", fix)
            name = printable(str(method))
            if len(name) > LONGEST or "|" in name:
                self._fault(
                    f"{name[:LONGEST]!r} is no name for a table", "choose a short one without |", "method"
                )
            yield Predicted(self.name, name, rows.reset_index(drop=True))

    def _table(self, classes: bool) -> pd.DataFrame:
        key = "id" if "id" in self.header and "sample" not in self.header else "sample"
        samples = self._texts(key)
        columns: dict[str, pd.Series | np.ndarray] = {"sample": samples, "part": self._part(samples)}
        columns |= {"group": self._texts("group")} if "group" in self.header else {}
        columns["y_true"] = self._texts("y_true") if classes else self._values("y_true")
        if self.probabilities:
            columns |= self._probabilities(self.probabilities)
        else:
            numeric = isinstance(columns["y_true"], np.ndarray)
            columns["y_pred"] = self._numbers("y_pred") if numeric else self._texts("y_pred")
        return pd.DataFrame(columns)

    def _part(self, samples: pd.Series) -> pd.Series:
        """Which of several test parts or trainings each row is of: "" where there is but one."""
        given = [self._texts(name) for name in PARTS if name in self.header]
        if "split" in self.header and (learned := given[-1].str.lower().isin(NOT_TEST)).any():
            what = f"{given[-1][learned].iloc[0]!r} is no test part"
            self._fault(what, "keep the rows of test samples only", "split", learned.to_numpy())
        if not given:
            return pd.Series("", index=samples.index, dtype="string")
        return given[0] if len(given) == 1 else given[0].str.cat(given[1], sep="/")

    def _values(self, column: str) -> np.ndarray | pd.Series:
        """Numbers where most cells are some, else texts."""
        texts = self._texts(column)
        numeric = pd.to_numeric(texts, errors="coerce").notna().mean() > 0.5
        return self._numbers(column) if numeric else texts

    def _probabilities(self, names: list[str]) -> dict[str, np.ndarray]:
        found = {name: self._numbers(name) for name in names}
        for name, values in found.items():
            if (outside := (values < 0) | (values > 1)).any():
                self._fault("a probability lies between 0 and 1", "correct it", name, outside)
        total = np.sum(list(found.values()), axis=0)
        if (off := np.abs(total - 1) > SLACK).any():
            what = f"the probabilities of a row add up to {total[off][0]:.4g}"
            self._fault(what, "have them add up to 1", rows=off)
        return {name: values / total for name, values in found.items()}

    def _texts(self, column: str) -> pd.Series:
        texts = self.tables.column(self.name, column)
        if (empty := texts.isna().to_numpy(dtype=bool)).any():
            self._fault("an empty cell", "fill it, or delete the row in every file", column, empty)
        return texts

    def _numbers(self, column: str) -> np.ndarray:
        self._texts(column)  # none is empty
        return self.tables.numbers(self.name, column)

    def _fault(self, what: str, fix: str, column: str = "", rows: np.ndarray | None = None) -> NoReturn:
        where = () if rows is None else rows_where(rows)
        raise DataError(str(Problem("prediction", what, fix, self.name, column, where)))


def _stop(problem: Problem) -> None:
    if problem.stops:
        raise DataError(str(problem))
    log.warning("%s", problem)
