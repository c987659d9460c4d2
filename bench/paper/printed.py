"""The figures that the MEMF paper prints in Tables 7-10, and the reader of any such file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import pandas as pd

from bench.errors import UsageError

TABLES = Path(str(files("bench.paper"))) / "tables.csv"

KEYS = ("table", "group", "row")
"""The columns that name a printed row; `note` is optional, every other column is a metric."""

METHOD_ROWS = {
    "mean": "Mean",
    "fc": "FC",
    "lstm": "LSTM",
    "cnn": "CNN",
    "mfb": "MFB",
    "mfh": "MFH",
    "tfn": "TFN",
    "cmmt": "CMMT",
    "vtfsa": "VTFSA",
    "memf": "MEMF",
}
"""Our name of a method -> the name of its row in the paper."""

BACKBONES = {
    "resnet50": "Resnet50",
    "densenet121": "DenseNet121",
    "resnet18": "Resnet18",
    "resnet101": "Resnet101",
}

TEXTS = {"bert": "BERT", "xlnet": "XLNET"}
OTHERS = {"video": ("videomae", "VideoMAE"), "audio": ("wav2vec2", "wav2vec 2.0")}
"""Modality -> the paper's encoder, where it has only one."""
ENTITIES = {
    "room": "Streaming room",
    "anchor": "Anchor",
    "commodity": "Commodity",
    "audio": "Audio",
    "video": "Video",
}
"""Entity of the livestream schema -> what Table 8 calls it."""


@lru_cache
def printed() -> pd.DataFrame:
    """Columns table, group, row, MAE, MSE, MAPE, R2_score, EVS, note; one row per printed row."""
    return pd.read_csv(TABLES)


def printed_in(
    experiment: str, method: str, encoders: Mapping[str, str], left_out: Sequence[str] = ()
) -> pd.Series | None:
    """What the paper prints for a row of one of our experiments, or None.

    Args:
        experiment: our name of it.
        method: our name of the method.
        encoders: modality -> encoder. The paper's text encoder is BERT wherever it names none.
        left_out: entities that the method does not see.
    """
    image, text = encoders.get("image", ""), encoders.get("text", "")
    if experiment == "entity-fusion":
        name = "Multi-Entity Transformer" if method == "memf" else METHOD_ROWS.get(method)
        return _find(7, None, name) if image == "resnet50" else None
    if experiment == "entities":
        rows = [ENTITIES.get(name) for name in left_out] or ["none (All)"]
        return _find(8, None, rows[0]) if image == "resnet50" and len(rows) == 1 else None
    row = METHOD_ROWS.get(method)
    if experiment == "backbones" and text in TEXTS:
        return _find(10, TEXTS[text], row) if image == "resnet50" else None
    if experiment == "fusion" and image == "resnet50":
        return _find(9, None, row)
    return _find(10, BACKBONES.get(image), row) if experiment in ("fusion", "backbones") else None


def paper_encoders(encoders: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Modality -> our name and the paper's of the encoder in its row that is printed beside ours."""
    image, text = encoders.get("image", ""), encoders.get("text", "")
    text = text if text in TEXTS else "bert"
    named = {"image": (image, BACKBONES.get(image, "")), "text": (text, TEXTS[text]), **OTHERS}
    return {modality: named[modality] for modality in encoders if modality in named}


def _find(table: int, group: str | None, row: str | None) -> pd.Series | None:
    rows = printed()
    found = rows[
        (rows["table"] == table) & (rows["row"] == row) & ((rows["group"] == group) | (group is None))
    ]
    return None if row is None or found.empty or (table == 10 and group is None) else found.iloc[0]


def read_tables(path: Path = TABLES) -> pd.DataFrame:
    """Printed tables as text, so that 0.7250 keeps its last zero.

    Args:
        path: CSV with the columns table, group, row, one per metric, and optionally note.

    Raises:
        UsageError: no such file, not a CSV, or one of its key columns is missing.
    """
    if not path.is_file():
        raise UsageError(
            f"no file {path}: --tables wants a CSV with the columns {', '.join(KEYS)} and one per metric."
        )
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a valid CSV: {error}") from None
    missing = [key for key in KEYS if key not in table]
    if missing:
        raise UsageError(f"{path} lacks the column {', '.join(missing)}; it has {', '.join(table)}.")
    return table
