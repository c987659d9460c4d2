"""What is committed under results/reference, as tests of sentences read it."""

import re
from functools import cache
from pathlib import Path

import pandas as pd

REFERENCE = Path(__file__).parent.parent / "results" / "reference"
WORDS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen twenty"


@cache
def table(folder: str, name: str) -> pd.DataFrame:
    """A committed table of results, or of what every seed gave (`NAME-seeds`)."""
    names = dict.fromkeys(("method", "backbone", "text", "weights", "variant", "chosen"), "str")
    path = REFERENCE / folder / "tables" / f"{name}.csv"
    return pd.read_csv(path, dtype=names).fillna(dict.fromkeys(names, ""))


def value(folder: str, name: str, metric: str = "MSE", **where: str) -> float:
    found = table(folder, name)
    for column, wanted in where.items():
        found = found[found[column] == wanted]
    (only,) = found[metric]
    return float(only)


def best(folder: str, name: str = "fusion", *, reference: bool = False) -> pd.DataFrame:
    """Rows scored on most samples, the lowest mean MSE first: of fusions or of references."""
    found = table(folder, name)
    return found[(found["reference"] == reference) & (found["n_test"] == found["n_test"].max())].sort_values(
        "MSE"
    )


def spreads(folder: str, name: str, metric: str) -> list[float]:
    """The standard deviation over seeds for every row of a table."""
    rows = table(folder, name)
    keys = ["method", "variant", "backbone", "text", "weights"]
    spread = table(folder, f"{name}-seeds").groupby(keys)[metric].std()
    return spread.reindex(pd.MultiIndex.from_frame(rows[keys])).tolist()


def verdict_of(folder: str, name: str) -> str:
    """The verdict that stands under a committed table."""
    text = read(folder, f"tables/{name}.md")
    first = (
        "Lowest mean|With full data|Rise of|Change of|Dropping|Tuning changes|Fine-tuning|No (gain|change)"
    )
    return re.search(rf"^({first}).*$", text, re.MULTILINE)[0]


def metrics_of(found: pd.DataFrame) -> list[str]:
    """The metrics of a table of results that have intervals."""
    names = (column.removesuffix("_low") for column in found if column.endswith("_low"))
    return [name for name in names if not name.startswith("gap")]


def samples(folder: str) -> str:
    """How many samples the dataset of a folder has."""
    return re.search(r"Dataset [\w-]+(?: \(.*?\))?: (\d+) samples", read(folder, "tables/fusion.md"))[1]


def read(folder: str, file: str) -> str:
    """A committed file."""
    return (REFERENCE / folder / file).read_text(encoding="utf-8")


def spelled(n: int) -> str:
    return dict(zip(range(2, 17), WORDS.split(), strict=False)).get(n, str(n))
