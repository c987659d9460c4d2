"""The figures that the MEMF paper prints in Tables 7-10."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import pandas as pd

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
    return pd.read_csv(str(files("bench.report") / "paper_tables.csv"))


def fusion_row(method: str, backbone: str) -> pd.Series | None:
    """What the paper prints for a fusion on a backbone (Table 9 for ResNet50, else Table 10), or None."""
    table = printed()
    row, group = METHOD_ROWS.get(method), BACKBONES.get(backbone)
    at_table_9 = (table["table"] == 9) & (table["row"] == row) & (backbone == "resnet50")
    at_table_10 = (table["table"] == 10) & (table["row"] == row) & (table["group"] == group)
    found = table[at_table_9 if at_table_9.any() else at_table_10]
    return None if found.empty else found.iloc[0]
