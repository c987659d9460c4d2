"""What names of columns, tables and files say: words, singulars, keys of a TOML file."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

UNCOUNTED = ("series", "species", "news", "lens", "means")
CURRENCIES = ("usd", "eur", "gbp", "cny", "yuan", "rmb", "jpy", "inr")
LEFT_ALONE = ("ss", "us", "is", "yses", "eses", "crises")
"""Ends of words that are not plurals, or plurals of a Greek kind."""
IE = ("movies", "cookies", "rookies", "calories", "selfies", "zombies", "hoodies", "smoothies", "brownies")
"""Words on -ies that do not stand for -y."""
ES = ("sses", "shes", "ches", "xes", "zzes", "uses", "gases", "lenses", "aliases", "canvases", "atlases")
"""Ends from which -es is taken,"""
S = ("ouses", "auses", "excuses", "caches")
"""but not from these."""
KEY_WORDS = ("id", "ids", "uid", "uuid", "guid")
"""Last words of names of columns that name rows."""
CODES = {"zip", "zipcode", "postcode", "postal", "isbn", "phone"}
"""Words in names of columns whose digits are not amounts."""
TARGETS = (
    "target", "label", "y", "sales", "sale", "price", "revenue", "income", "sentiment", "rating", "score",
    "engagement", "popularity", "views", "likes", "gross", "value", "cost",
)  # fmt: skip
"""Names of numbers that one wants to predict, the plainest first."""
ENGAGEMENT = {
    "like",
    "comment",
    "share",
    "play",
    "view",
    "save",
    "favorite",
    "favourite",
    "repost",
    "reaction",
}
"""Words in names of counts of what people do with a post: none is known before another."""
OF_MODALITY = {
    "text": {"text", "language", "transcript", "words", "bert", "glove", "title"},
    "image": {"image", "images", "photo", "photos", "picture", "poster", "visual"},
    "video": {"video", "videos", "vision", "face", "facial", "frames"},
    "audio": {"audio", "acoustic", "speech", "voice", "sound", "covarep"},
}
"""Words in names of files and arrays of features that tell the modality."""
SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"),
    "video": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"),
    "audio": (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus"),
}
"""What files of one modality mostly end in."""


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


def is_code(name: str) -> bool:
    """Whether the digits in a column of this name are a code and not an amount: zipcode."""
    return not CODES.isdisjoint(words(name))


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


def likeness_to_target(name: str) -> int:
    """How much a column is named like one to predict: 0 for not at all."""
    said = words(name)
    if "_".join(said) in TARGETS:
        return 2 * len(TARGETS) - TARGETS.index("_".join(said))
    return max((len(TARGETS) - TARGETS.index(word) for word in said if word in TARGETS), default=0)


def is_engagement(name: str) -> bool:
    """Whether a number of this name counts what people do with a post: likes, share_count."""
    return not ENGAGEMENT.isdisjoint(map(singular, words(name)))


def modality_named(*names: str) -> str:
    """The modality that the first telling one of some names tells; "" where none does."""
    found = (m for name in names for m, known in OF_MODALITY.items() if known & set(words(name)))
    return next(found, "")


def modality_by_suffix(file: str) -> str:
    """The modality that the suffix of a file stands for; "" if none."""
    return next((m for m, suffixes in SUFFIXES.items() if file.lower().endswith(suffixes)), "")
