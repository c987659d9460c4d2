"""Datasets by name or path: the embedded ones, a folder of one's own, one that a shipped example fits."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.data.dataset import Dataset, read_dataset
from bench.data.schema import read_schema
from bench.data.synthetic import GENERATORS
from bench.errors import DataError, UsageError, did_you_mean, printable
from bench.files import cache_dir, damage, written_aside
from bench.sourcecode import PROJECT, digest

log = logging.getLogger("bench")


def load(name_or_path: str, *, allow_links: tuple[Path, ...] = (), **arguments: Any) -> Dataset:
    """The dataset of an embedded name, generated on first use, or of a folder.

    Args:
        name_or_path: "livestream", or a folder that holds a dataset.toml (or fits a shipped example).
        allow_links: folders outside that links in the folder may lead to.
        arguments: for the generator of an embedded dataset (`streams`, `interaction`, `seed`).

    Raises:
        UsageError: no such name or folder. DataError: the folder is not as it is described.
    """
    if name_or_path in GENERATORS:
        return read_dataset(make(name_or_path, **arguments))
    if arguments:
        raise UsageError(
            f"{', '.join(arguments)} can only be set for embedded data ({', '.join(GENERATORS)})."
        )
    folder = Path(name_or_path)
    if not folder.is_dir():
        raise UsageError(
            f"no dataset {name_or_path!r}: not an embedded name and not a folder; "
            f"{did_you_mean(name_or_path, GENERATORS)}"
        )
    if os.path.lexists(folder / "dataset.toml"):
        return read_dataset(folder, allow_links=allow_links)
    return _by_example(folder, allow_links)


def fresh(name: str, seeds: int, **arguments: Any) -> Iterator[Dataset]:
    """Datasets of a generator that differ only in its seed, which goes up from that in `arguments`, or 0.

    Raises:
        UsageError: nothing of that name can be drawn anew.
    """
    if name not in GENERATORS or "seed" not in GENERATORS[name].arguments:
        known = [other for other, generator in GENERATORS.items() if "seed" in generator.arguments]
        raise UsageError(
            f"--fresh draws a new dataset for every seed, which takes a generator ({', '.join(known)}); "
            f"{printable(name)} is none. Leave --fresh out."
        )
    first = arguments.pop("seed", 0)
    for seed in range(first, first + seeds):
        yield load(name, seed=seed, **arguments)


def make(name: str, folder: Path | None = None, **arguments: Any) -> Path:
    """Generate an embedded dataset into `folder` (default: under the cache), unless it is there already.

    Raises:
        UsageError: there is none of that name, or it has no such argument.
    """
    if name not in GENERATORS:
        raise UsageError(f"no embedded dataset {name!r}; {did_you_mean(name, GENERATORS)}")
    generate, known = GENERATORS[name].generate, GENERATORS[name].arguments
    for argument in arguments:
        if argument not in known:
            raise UsageError(f"{name} has nothing called {argument} to set; it has {', '.join(known)}.")
    if folder is not None:
        generate(folder, **arguments)
        return folder
    # the generator's own source is part of the name, so that a changed generator never serves old data
    # what is as by default need not be said
    said = {key: value for key, value in arguments.items() if value != known[key]}
    recipe = hashlib.sha256(repr(sorted(said.items())).encode())
    recipe.update(digest([PROJECT], [generate.__module__]).encode())
    folder = cache_dir() / "datasets" / f"{name}-{recipe.hexdigest()[:12]}"
    if folder.is_dir():
        if not (found := damage(folder, exact=True)):
            return folder
        log.warning("the embedded dataset %s is damaged (%s); it is made again", folder, found)
        shutil.rmtree(folder)
    with written_aside(folder) as aside:  # of two processes at once the first one's is kept
        generate(aside, **arguments)
    return folder


def _by_example(folder: Path, allow_links: tuple[Path, ...]) -> Dataset:
    """Read a folder without a description with the shipped example whose tables and columns fit it."""
    examples = sorted(Path(str(files("bench.data"))).glob("examples/*.toml"))
    for path in examples:
        try:
            return Dataset(folder, read_schema(path), allow_links=allow_links)
        except DataError:
            continue
    raise DataError(
        f"{printable(str(folder))} has no dataset.toml, and no shipped example fits it; "
        "describe it in a dataset.toml (README, 'Bring your data')."
    )
