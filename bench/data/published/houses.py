"""The houses of Ahmed & Moustafa (2016): four photographed rooms, size, zip code, price."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from bench.data.published.base import Originals, Printed, Published, read_table, unreadable
from bench.errors import DataError

ROOMS = ("frontal", "kitchen", "bedroom", "bathroom")
ATTRIBUTES = ("bedrooms", "bathrooms", "area_sqft", "zipcode", "price_usd")
"""The columns of the original's HousesInfo.txt, in its order."""


def convert(originals: Originals, folder: Path, settings: Mapping[str, str]) -> None:
    """Write dataset.toml, labels.csv and images/: rows and photographs as they are, `dup_group` added."""
    if "HousesInfo.txt" in originals:
        houses = _info(originals["HousesInfo.txt"])
        photos, known = originals["HousesInfo.txt"].parent, None
    else:
        houses, known = _labels(originals["labels.csv"])
        photos = originals["images"]
    names = _photographs(houses, photos)
    traits = [
        {"|".join(row), *(_fingerprint(photos / name) for name in of_house)}
        for row, of_house in zip(houses[list(ATTRIBUTES)].itertuples(index=False), names, strict=True)
    ]
    if known is not None:  # what was found identical before the photographs were made smaller stays so
        traits = [own | {f"dup_group {group}"} for own, group in zip(traits, known, strict=True)]
    houses["dup_group"] = duplicate_groups(traits)
    houses.to_csv(folder / "labels.csv", index=False, lineterminator="\n")
    (folder / "images").mkdir()
    for name in (name for of_house in names for name in of_house):
        shutil.copyfile(photos / name, folder / "images" / name)
    with as_file(files("bench.data") / "examples" / "houses.toml") as example:
        shutil.copyfile(example, folder / "dataset.toml")


def duplicate_groups(traits: Sequence[Iterable[str]]) -> np.ndarray:
    """Number the groups of samples that have a trait in common, directly or through others.

    Args:
        traits: the traits of each of the n samples.

    Returns:
        (n,) the number, from 1, of the first sample of its group.
    """
    sample = np.repeat(np.arange(len(traits)), [len(set(own)) for own in traits])
    trait = pd.factorize(np.array([t for own in traits for t in sorted(set(own))], dtype=object))[0]
    size = len(traits) + len(trait)
    edges = coo_array((np.ones(len(trait), dtype=np.int8), (sample, len(traits) + trait)), shape=(size, size))
    component = connected_components(edges, directed=False)[1][: len(traits)]
    _, first, group = np.unique(component, return_index=True, return_inverse=True)
    return first[group] + 1


def _info(path: Path) -> pd.DataFrame:
    """The rows of HousesInfo.txt: five numbers between blanks; the line number is the house."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").rstrip().splitlines()]
    except UnicodeDecodeError as error:
        raise unreadable(path, error) from None
    for number, row in enumerate(rows, start=1):
        if len(row) != len(ATTRIBUTES):
            raise DataError(
                f"{path} line {number} has {len(row)} numbers where {', '.join(ATTRIBUTES)} are expected; "
                "get the original again."
            )
    houses = pd.DataFrame(rows, columns=list(ATTRIBUTES), dtype=str)
    houses.insert(0, "id", [str(number) for number in range(1, len(rows) + 1)])
    return houses


def _labels(path: Path) -> tuple[pd.DataFrame, pd.Series]:
    """The rows of a joined copy, and the groups that it states."""
    table = read_table(path, ["id", *ATTRIBUTES, "dup_group"])
    bad = ~table["id"].str.fullmatch(r"\d+")  # an id becomes part of a path
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{path} row {row + 2} column 'id': {table['id'].iloc[row]!r} is not a house's number."
        )
    return table.drop(columns="dup_group"), table["dup_group"]


def _photographs(houses: pd.DataFrame, photos: Path) -> list[list[str]]:
    """The names of the four photographs of every house; DataError if one is missing."""
    names = [[f"{house}_{room}.jpg" for room in ROOMS] for house in houses["id"]]
    missing = [name for of_house in names for name in of_house if not (photos / name).is_file()]
    if missing:
        raise DataError(
            f"{photos} lacks {len(missing)} of {4 * len(houses)} photographs, first {missing[0]}; "
            f"get the original again from {HOUSES.source[0]}."
        )
    return names


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


HOUSES = Published(
    name="houses",
    samples=535,
    modalities=("text", "image", "numeric"),
    task="price of a house in USD, learned as log10",
    licence=(
        "no licence file; the authors ask to cite the paper and the dataset. The photographs come from a "
        "real-estate site (realtor.com, says the paper)"
    ),
    citation=(
        "H. Ahmed E. and Moustafa M. (2016). House Price Estimation from Visual and Textual Features. In "
        "Proceedings of the 8th International Joint Conference on Computational Intelligence (IJCCI 2016), "
        "pages 62-68. DOI 10.5220/0006040700620068. arXiv:1609.08399"
    ),
    source=("https://github.com/emanhamed/Houses-dataset",),
    files=(("HousesInfo.txt",), ("labels.csv", "images")),
    convert=convert,
    printed=Printed(
        source="Ahmed & Moustafa (2016), abstract",
        unlike=(
            "Not like for like: the paper reports that visual features beside textual ones raised its R by a "
            "factor of 3 and cut its MSE by one order of magnitude, on its own split, with SURF features, "
            "and with houses that occur twice free to fall on both sides; no figure of it has the same scale."
        ),
    ),
)
