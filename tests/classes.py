"""A small dataset of labels, as a folder."""

from pathlib import Path

import numpy as np
import pandas as pd

LABELS = {"binary": ("no", "yes"), "multiclass": ("红", "blue", "green, dark")}


def table(task: str, n: int = 60) -> pd.DataFrame:
    """Samples whose class shows in a number and in a word, with gaps in both."""
    rng = np.random.default_rng(0)
    number = rng.integers(len(LABELS[task]), size=n)
    words = [f"word{k} and" if rng.random() < 0.7 else "and" for k in number]
    x = number + rng.normal(scale=0.5, size=n)
    x[::7] = np.nan
    words[3] = None
    return pd.DataFrame(
        {"id": [f"s{i}" for i in range(n)], "y": np.array(LABELS[task])[number], "title": words, "x": x}
    )


def folder_of(task: str, folder: Path) -> Path:
    folder.mkdir()
    table(task).to_csv(folder / "samples.csv", index=False)
    (folder / "dataset.toml").write_text(
        f'name = "{task}"\n[target]\ncolumn = "y"\ntask = "{task}"\n'
        '[entities.shop]\ntext = ["title"]\n[entities.till]\nnumeric = ["x"]\n',
        encoding="utf-8",
    )
    return folder
