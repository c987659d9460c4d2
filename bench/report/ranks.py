"""Methods across datasets, as a table of ranks, with what may be said of them and the diagram."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.compare.across import FEWEST, MANY, Across
from bench.compare.simultaneous import LEVEL
from bench.report.comparing import NAME, Comparison
from bench.report.figures.critical_difference import critical_difference
from bench.report.sheet import Cell, Column, Line, Sheet


def ranking(found: Across, about: str) -> Comparison:
    """A comparison across datasets; `about` says which, in a sentence."""
    said = conclusion(found)
    p = found.nemenyi
    pairs = pd.DataFrame(
        [(one, other, found.average[one] - found.average[other], p.loc[one, other] if found.tested else None)
         for one in found.average.index for other in found.average.index if one != other],
        columns=["method", "other", "difference", "p"],
    )  # fmt: skip
    caption = f"{about} {_reading(found)}"
    return Comparison(
        sheet=_sheet(found, caption),
        said=said,
        few=["method", "rank", *found.means.index],
        more={"pairs": pairs},
        draw=lambda: [critical_difference(found, f"{about} {said[0]}")],
    )


def conclusion(found: Across) -> list[str]:
    """What the ranks allow to be said."""
    n, k = found.ranks.shape
    best = found.average.index[0]
    said = f"Best average rank over {n} datasets: {best} ({found.average.iloc[0]:.2f} of {k} methods)."
    if not found.tested:
        return [
            f"{said} {n} datasets are too few for a test of ranks: nothing can be said of others. {FEWEST} "
            f"allow one; {MANY} or more make it dependable."
        ]
    p = found.nemenyi[best]
    worse = [name for name in found.average.index if p[name] < LEVEL]
    which = (
        f"Distinguished from it: {', '.join(worse)}." if worse else "No other can be distinguished from it."
    )
    omnibus = (
        ""
        if np.isnan(found.friedman)
        else f"Friedman's test that all ranks are alike: p {found.friedman:.2g}. "
    )
    few = f" With fewer than {MANY} datasets only large differences can be found." if n < MANY else ""
    return [
        f"{said} {which} ({omnibus}Nemenyi's test of all pairs at once, {LEVEL * 100:g} %: ranks differ from "
        f"{found.critical_difference:.2f} on.){few}"
    ]


def _sheet(found: Across, caption: str) -> Sheet:
    datasets = list(found.means.index)
    columns = [Column("method"), Column("rank", "metric", order="ascending")]
    columns += [Column(name, "metric") for name in datasets]
    columns += [Column(f"rank_{name}", "plain", shown=None) for name in datasets]
    lines = []
    for method, rank in found.average.items():
        means, ranks = found.means[method], found.ranks[method]
        cells = [
            Cell(method),
            Cell(float(rank), "metric", f"{rank:.2f}", best=method == found.average.index[0]),
        ]
        cells += [Cell(float(means[name]), "metric", best=ranks[name] == 1) for name in datasets]
        cells += [Cell(float(ranks[name]), "plain") for name in datasets]
        lines.append(Line(tuple(cells)))
    return Sheet(NAME, caption, tuple(columns), tuple(lines), f"Ranks over {len(datasets)} datasets")


def _reading(found: Across) -> str:
    by: dict[str, list[str]] = {}
    for dataset, metric in found.metrics.items():
        way = "lower" if metric.lower_is_better else "higher"
        by.setdefault(f"{metric.name} (the {way} the better)", []).append(dataset)
    measured = "; ".join(f"{name} on {', '.join(datasets)}" for name, datasets in by.items())
    return (
        f"Columns: means over seeds of {measured}. rank: the average over datasets, 1 is the best, ties in "
        "the middle. A method with several encoders counts with their mean."
    )
