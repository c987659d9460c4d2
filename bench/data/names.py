"""What names of columns, tables and files say: words, singulars, keys of a TOML file."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

UNCOUNTED = ("series", "species", "news", "lens", "means")
CURRENCIES = ("usd", "eur", "gbp", "cny", "yuan", "rmb", "jpy", "inr")
LEFT_ALONE = ("ss", "us", "is", "yses", "eses", "crises")
"""Ends of words that are no plurals, or plurals of a Greek kind."""
IE = ("movies", "cookies", "rookies", "calories", "selfies", "zombies", "hoodies", "smoothies", "brownies")
"""Words on -ies that do not stand for -y."""
ES = ("sses", "shes", "ches", "xes", "zzes", "uses", "gases", "lenses", "aliases", "canvases", "atlases")
"""Ends from which -es is taken,"""
S = ("ouses", "auses", "excuses", "caches")
"""but not from these."""
KEY_WORDS = ("id", "ids", "uid", "uuid", "guid")
"""Last words of names of columns that name rows."""


def words(name: str) -> list[str]:
    """The words of a name in lower case: ``commodity_ids`` and ``commodityIds`` -> commodity, ids."""
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+", name)]


def singular(word: str) -> str:
    """One of what a plural names: commodities -> commodity, houses -> house. Doubtful ones are left alone."""
    if word in UNCOUNTED or len(word) < 4 or not word.endswith("s") or word.endswith(LEFT_ALONE):
        return word
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 or word.endswith(IE) else word[:-3] + "y"
    es = len(word) > 4 and word.endswith(ES) and not word.endswith(S)
    return word[:-2] if es else word[:-1]


def is_key(name: str) -> bool:
    """Whether a column is named like one that names rows: id, anchor_id, commodity_ids."""
    return (words(name) or [""])[-1] in KEY_WORDS


def subject(column: str) -> str:
    """What a key column names: ``commodity_ids`` -> commodity; empty for ``id``."""
    return "_".join(singular(w) for w in words(column) if w not in KEY_WORDS)


def entity_name(path: str) -> str:
    """A name for the rows of a table or the files of a folder: ``data/live_rooms.csv`` -> live_room."""
    parts = re.findall(r"\w+", PurePosixPath(path).stem)
    return "_".join([*parts[:-1], singular(parts[-1])]) if parts else "sample"
