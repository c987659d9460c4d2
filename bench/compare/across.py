"""Methods compared across datasets by their ranks (Demsar, JMLR 7, 2006).

On every dataset the methods are ranked by their mean, the best first, ties in the middle; what is compared
are the average ranks. Friedman's test asks whether they differ at all, Nemenyi's which pairs do, all at once.
A dataset counts as one observation, however many seeds it has: the claim is about further datasets.

Simulated without any difference, 4 and 16 methods (standard errors .003): Nemenyi finds one in .01 of cases
at 3 datasets, .02-.04 at 5, .04-.05 at 10; Friedman (chi-squared) in .02, .03-.04, .04. Both are as good as
blind below five.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy.stats import friedmanchisquare, rankdata

from bench.compare.extremes import all_pairs, critical
from bench.compare.field import choose
from bench.compare.frame import Results
from bench.compare.simultaneous import LEVEL
from bench.compare.verdict import comparable
from bench.errors import UsageError
from bench.metrics import Metric

FEWEST = 5
"""Datasets below which nothing is tested."""
MANY = 10
"""Datasets from which the distribution of Friedman's statistic is well approximated."""


@dataclass(frozen=True)
class Across:
    """Means of k methods on several datasets.

    Attributes:
        means: (datasets, k), by the names of both.
        metrics: dataset -> what its means are of.
    """

    means: pd.DataFrame
    metrics: Mapping[str, Metric]

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """(datasets, k), 1 is the best."""
        signs = [1 if self.metrics[name].lower_is_better else -1 for name in self.means.index]
        ranked = rankdata(self.means.to_numpy() * np.array(signs)[:, None], axis=1)
        return pd.DataFrame(ranked, index=self.means.index, columns=self.means.columns)

    @property
    def average(self) -> pd.Series:
        """Average ranks, the best first."""
        return self.ranks.mean().sort_values(kind="stable")

    @property
    def tested(self) -> bool:
        """Whether there are datasets enough for a test."""
        return len(self.means) >= FEWEST

    @cached_property
    def friedman(self) -> float:
        """The p value that all ranks are alike; NaN for two methods, which Nemenyi's test is enough for."""
        columns = self.ranks.to_numpy().T
        if len(columns) < 3:
            return float("nan")
        if np.ptp(columns, axis=0).max() == 0:  # all the same everywhere
            return 1.0
        return float(friedmanchisquare(*columns).pvalue)

    @cached_property
    def nemenyi(self) -> pd.DataFrame:
        """(k, k) p values of all pairs at once; all 1 where nothing is tested."""
        names = self.ranks.columns
        if not self.tested:
            return pd.DataFrame(1.0, index=names, columns=names)
        p = posthoc_nemenyi_friedman(self.ranks.to_numpy()).to_numpy()
        return pd.DataFrame(p, index=names, columns=names)

    @property
    def critical_difference(self) -> float:
        """The difference of average ranks from which a pair is distinguished."""
        datasets, k = self.ranks.shape
        reach = critical(all_pairs, k, float("inf"), LEVEL) / np.sqrt(2)
        return float(reach * np.sqrt(k * (k + 1) / (6 * datasets)))


def across(found: Mapping[str, Results], metric: str | None = None) -> Across:
    """The methods that several datasets have in common, by the primary metric of each or by one for all.

    A method that stands in several rows of a dataset, for several encoders, counts with their mean.

    Raises:
        UsageError: two of the results are of the same data, methods have not two in common, or a dataset
            does not have the metric.
    """
    _check_distinct(found)
    metrics, columns = {}, {}
    for dataset, results in found.items():
        metrics[dataset] = choose(metric or results.primary.name, results.metrics)
        columns[dataset] = _means(results, metrics[dataset])
    shared = [name for name in next(iter(columns.values())) if all(name in c for c in columns.values())]
    if len(shared) < 2:
        said = "; ".join(f"{dataset}: {', '.join(c) or 'none'}" for dataset, c in columns.items())
        raise UsageError(f"the datasets have {len(shared)} methods in common, two are needed ({said}).")
    means = pd.DataFrame({dataset: {n: c[n] for n in shared} for dataset, c in columns.items()}).T
    for dataset, row in means.iterrows():
        if not np.isfinite(row).all():
            raise UsageError(f"{metrics[str(dataset)].name} says nothing about some methods on {dataset}.")
    return Across(means, metrics)


def _means(results: Results, metric: Metric) -> dict[str, float]:
    """Method, in brackets what else sets it apart but encoders -> its mean."""
    values: dict[str, list[float]] = {}
    for row in comparable(results, references=True).values():
        name = f"{row.row.method} ({row.row.variant})" if row.row.variant else row.row.method
        values.setdefault(name, []).append(row.mean(metric.name))
    return {name: float(np.mean(several)) for name, several in values.items()}


def _check_distinct(found: Mapping[str, Results]) -> None:
    """Ranks of the same data are no further observation."""
    truths: dict[str, pd.Series] = {}
    for dataset, results in found.items():
        tables = [run.table for row in results.rows[:1] for run in row.runs.values()]
        if not tables:
            raise UsageError(f"{dataset} has no stored run of {results.plan.experiment}; run it first.")
        truth = pd.concat(tables).drop_duplicates("id").set_index("id")["y_true"]
        for other, known in truths.items():
            both = known.index.intersection(truth.index)
            if len(both) and (known[both] == truth[both]).all():
                raise UsageError(
                    f"{other} and {dataset} are results on the same data, which count once; leave one out."
                )
        truths[dataset] = truth
