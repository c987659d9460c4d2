"""What is committed under results/reference, as tests of sentences read it."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from statsmodels.stats.multitest import multipletests

from bench.compare.tests import corrected_paired_test

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
    keys = ["method", "variant", "backbone", "text"]
    spread = table(folder, f"{name}-seeds").groupby(keys)[metric].std()
    return spread.reindex(pd.MultiIndex.from_frame(rows[keys])).tolist()


def p_values(seeds: pd.DataFrame, against: str, names: Sequence[str], by: str = "method") -> dict[str, float]:
    """Holm-corrected p values that rows are as good as another one, by the corrected test over seeds."""
    mse = seeds.pivot_table(index="seed", columns=by, values="MSE")
    sizes = int(seeds["n_train"].iloc[0]), int(seeds["n_test"].iloc[0])
    p = {n: corrected_paired_test(mse[n] - mse[against], *sizes) for n in names if n != against}
    return dict(zip(p, multipletests(list(p.values()), method="holm")[1].tolist(), strict=True))


def smallest_p(folder: str, name: str, by: str = "method") -> str:
    """Of the comparison of all fusions with the best."""
    names = best(folder, name)[by].tolist()
    p = p_values(table(folder, f"{name}-seeds"), names[0], names, by)
    return f"{min(p.values()):.2f}"


def verdict_of(folder: str, name: str) -> str:
    """The verdict that stands under a committed table."""
    text = read(folder, f"tables/{name}.md")
    return re.search(r"^(Lowest mean|By a|Rise of|Dropping).*$", text, flags=re.MULTILINE)[0]


def told(folder: str, name: str, sentence: str = "") -> list[str]:
    """The methods that a verdict distinguishes from the best one, in the sentence that begins so."""
    text = verdict_of(folder, name)
    if sentence:
        text = text.partition(sentence)[2].partition(". ")[0]
    found = re.search(r"(?:[;.] )[Dd]istinguished from it(?: \([^)]*\))?: ([^.;]*)", text)
    return found[1].split(", ") if found else []


def samples(folder: str) -> str:
    """How many samples the dataset of a folder has."""
    return re.search(r"Dataset [\w-]+(?: \(.*?\))?: (\d+) samples", read(folder, "tables/fusion.md"))[1]


def read(folder: str, file: str) -> str:
    """A committed file."""
    return (REFERENCE / folder / file).read_text(encoding="utf-8")


def spelled(n: int) -> str:
    return dict(zip(range(2, 17), WORDS.split(), strict=False)).get(n, str(n))
