"""What a published dataset is; finding and reading the files of its original."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bench.data.untrusted import Unreadable, reading
from bench.errors import DataError


@dataclass(frozen=True)
class Printed:
    """What others have printed of a dataset, to stand beside a table of ours.

    Attributes:
        source: who printed it.
        unlike: why it is not like for like.
        rows: method -> metric, as we name it -> its value; empty where none can be compared at all.
        ours: their name of a method -> our name of the fusion.
    """

    source: str
    unlike: str
    rows: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ours: Mapping[str, str] = field(default_factory=dict)


Originals = Mapping[str, Path]
"""Every file of the layout that was found, by the name it has in `Published.files`."""


@dataclass(frozen=True)
class Published:
    """A dataset of other people: its facts, and how its original becomes a folder with a dataset.toml.

    Attributes:
        samples: how many the whole original has.
        modalities: those that its sources can have.
        task: the target, with its unit or range.
        licence: licence and terms as its owners state them.
        citation: what to cite, in full.
        source: where the original is to be had.
        files: the layouts it comes in, each the files (or folders) by which it is recognised; they lie in
            the origin, or one folder below it.
        convert: ``convert(originals, folder, settings)`` writes everything into the empty folder.
        settings: the settings that `convert` takes, each with what it may be.
        printed: what others have printed of it.
    """

    name: str
    samples: int
    modalities: tuple[str, ...]
    task: str
    licence: str
    citation: str
    source: tuple[str, ...]
    files: tuple[tuple[str, ...], ...]
    convert: Callable[[Originals, Path, Mapping[str, str]], None]
    settings: Mapping[str, str] = field(default_factory=dict)
    printed: Printed | None = None

    def find(self, origin: Path) -> Originals:
        """The files of the first layout that is complete in the folder `origin`; DataError if none is."""
        layouts = [{name: _locate(origin, name) for name in names} for names in self.files]
        for layout in layouts:
            found = {name: path for name, path in layout.items() if path}
            if len(found) == len(layout):
                return found
        # the layout that is nearest to complete is the one meant
        nearest = min(layouts, key=lambda layout: sum(p is None for p in layout.values()) / len(layout))
        missing = ", ".join(name for name, path in nearest.items() if path is None)
        raise DataError(
            f"{origin} does not hold the original of {self.name}: it lacks {missing} (there or one folder "
            f"below).\nGet it from {' and '.join(self.source)} and give --from that folder."
        )


def _locate(origin: Path, name: str) -> Path | None:
    """The file in the folder, or in the only folder below it that has it."""
    if (origin / name).exists():
        return origin / name
    below = [folder / name for folder in origin.iterdir() if (folder / name).exists()]
    return below[0] if len(below) == 1 else None


def read_table(path: Path, columns: Sequence[str], *, header: bool = True) -> pd.DataFrame:
    """Columns of a CSV file as texts, as they are written; no cell is taken as missing.

    Args:
        path: the file.
        columns: those to read by name; without a header, the names of all columns there are.
        header: whether the first line names the columns.

    Raises:
        DataError: it cannot be read, or has other columns.
    """
    try:
        with reading(path):
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding="utf-8-sig", header=0 if header else None
            )
    except Unreadable as error:
        raise unreadable(path, error) from None
    if not header:
        if table.shape[1] != len(columns):
            raise DataError(
                f"{path} has {table.shape[1]} columns, not {len(columns)} ({', '.join(columns)})."
            )
        return table.set_axis(list(columns), axis="columns")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; it has: {', '.join(table.columns)}.")
    return table[list(columns)]


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file of the original that is not what it should be."""
    return DataError(f"{path} cannot be read ({' '.join(str(error).split())}); get the original again.")
