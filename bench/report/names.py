"""How people read the names of rows: encoders with where weights came from, folders by their last part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

import pandas as pd

NAMES = ("method", "variant", "backbone", "text", "weights")
"""The columns that name a row. As people see it, `weights` holds the stamps of encoders without a column."""
ENCODERS = {"backbone": "image", "text": "text"}
"""Column -> the modality of the encoder in it."""


def short(names: Iterable[str]) -> dict[str, str]:
    """Name -> how it is shown: of a path to a folder as much of its end as sets it apart from the others."""
    known = dict.fromkeys(names)
    paths = {name: PurePath(name).parts for name in known if _is_path(name)}
    for depth in range(1, max(map(len, paths.values()), default=0)):
        ends = {name: str(PurePath(*parts[-depth:])) for name, parts in paths.items()}
        if len({*ends.values(), *known.keys() - ends.keys()}) == len(known):
            return {name: ends.get(name, name) for name in known}
    return {name: name for name in known}


def stamped(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table of results with every encoder's stamp in its column: ``resnet50 (random)``."""
    shown = table.copy()
    rest = [stamps_of(weights) for weights in table["weights"]]
    for column in ENCODERS:
        names = short(table[column])
        shown[column] = [
            names[name] + _provenance(name, stamps) for name, stamps in zip(table[column], rest, strict=True)
        ]
    shown["weights"] = [", ".join(stamps.values()) for stamps in rest]
    return shown


def stamps_of(weights: str) -> dict[str, str]:
    """Encoder -> its name with the provenance of its weights, of the `weights` of a row."""
    return {stamp.rpartition(" (")[0]: stamp for stamp in weights.split(", ") if stamp}


def _provenance(name: str, stamps: dict[str, str]) -> str:
    """What an encoder's stamp says after its name; the stamp is taken out of `stamps`."""
    own = next((known for known in (name, PurePath(name).name) if known in stamps), None)
    return "" if own is None else stamps.pop(own).removeprefix(own)


def setting_apart(table: pd.DataFrame) -> list[str]:
    """The columns of a stamped table that its rows need: method, what differs, and what has a stamp."""
    fused = table[~table["reference"].astype(bool)]
    needed = {name for name in ("variant", "weights") if table[name].astype(bool).any()}
    needed |= {n for n in ENCODERS if len(set(fused[n])) > 1 or table[n].str.endswith(")").any()}
    return [name for name in NAMES if name == "method" or name in needed]


def _is_path(name: str) -> bool:
    """Whether a name is that of a folder, and not ``owner/model`` on a hub."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name
