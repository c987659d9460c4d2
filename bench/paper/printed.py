"""The figures that the MEMF paper prints in Tables 7-10, and the reader of any such file."""

from __future__ import annotations

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


@lru_cache
def printed() -> pd.DataFrame:
    """Columns table, group, row, MAE, MSE, MAPE, R2_score, EVS, note; one row per printed row."""
    return pd.read_csv(TABLES)


def fusion_row(method: str, backbone: str) -> pd.Series | None:
    """What the paper prints for a fusion on a backbone (Table 9 for ResNet50, else Table 10), or None."""
    table = printed()
    row, group = METHOD_ROWS.get(method), BACKBONES.get(backbone)
    at_table_9 = (table["table"] == 9) & (table["row"] == row) & (backbone == "resnet50")
    at_table_10 = (table["table"] == 10) & (table["row"] == row) & (table["group"] == group)
    found = table[at_table_9 if at_table_9.any() else at_table_10]
    return None if found.empty else found.iloc[0]


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
