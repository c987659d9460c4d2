"""Datasets of other people, which may not be shipped: `get` converts a copy of the original.

Nothing is downloaded and nothing in an original is executed. A new one is a module that says what it is
(`Published`) and a line in `PUBLISHED`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bench.data.published.base import Printed, Published
from bench.data.published.houses import HOUSES
from bench.data.published.mosi import MOSI
from bench.errors import UsageError, did_you_mean
from bench.files import written_aside

__all__ = ["PUBLISHED", "Printed", "Published", "get"]

PUBLISHED: dict[str, Published] = {published.name: published for published in (HOUSES, MOSI)}


def get(name: str, origin: Path, folder: Path, settings: Mapping[str, str] | None = None) -> Path:
    """Convert the original of a published dataset into a folder that `bench run --data` takes.

    The folder is written aside and renamed when complete, so that it is never half a dataset.

    Args:
        name: one of `PUBLISHED`.
        origin: the folder with the original.
        folder: where to; it must not exist yet, or be empty. Folders above it are made as needed.
        settings: those of the dataset, `Published.settings`.

    Returns:
        The folder.

    Raises:
        UsageError: a name, setting or folder cannot be used. DataError: the original is not as it should be.
    """
    settings = settings or {}
    if name not in PUBLISHED:
        raise UsageError(f"no published dataset {name!r}; {did_you_mean(name, PUBLISHED)}")
    published = PUBLISHED[name]
    for setting in settings:
        if setting not in published.settings:
            raise UsageError(
                f"{name} has no setting {setting!r}; {did_you_mean(setting, published.settings)}"
            )
    if not origin.is_dir():
        raise UsageError(
            f"{origin} is not a folder; give --from the folder with the original of {name}, "
            f"from {' and '.join(published.source)}."
        )
    folder = Path(os.path.abspath(folder))
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder; remove it or choose another.")
    originals = published.find(origin)
    with written_aside(folder, sealed=False) as aside:
        published.convert(originals, aside, settings)
    return folder
