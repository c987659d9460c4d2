"""Inputs that tell the target by themselves, or look like another target: what is not known before it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from bench.data.dataset import Dataset
from bench.data.names import CURRENCIES, singular, words
from bench.data.problems import Problem
from fusions import Source

TELLS = 0.9
"""Share of the target's variance that an input alone must explain to be named."""
ORDERS = 0.98
"""Rank correlation with the target from which an input is named even if there are few samples."""
RESEMBLES = 0.9
"""Rank correlation from which a column of numbers looks like another target."""
FEW, ENOUGH, PLENTY = 10, 20, 30
"""Samples with a value from which an order, a resemblance, a curve mean something."""
FEWEST_OTHERS = 3
"""Samples with another value than the most frequent one, below which an order is chance."""
LOOKED_AT = 50_000
"""Samples that are looked at; more tell no more."""
VECTORS_LOOKED_AT = 2_000
OUTCOMES = {
    "target", "label", "leak", "leaked", "sale", "revenue", "gross", "profit", "turnover", "gmv",
    "engagement", "popularity", "like", "view",
}  # fmt: skip
"""Words in names of numbers that are results themselves, where they are in the table of samples."""
NOT_NOUNS = {*CURRENCIES, "log", "total", "mean", "avg", "average", "sum", "max", "min", "number", "count"}
CHECK = "take it out if it is not known before the target is"
NUMBER = r"(-?[0-9]+(?:\.[0-9]+)?)"
"""The first number in a text."""


class Suspect(NamedTuple):
    """An input that should perhaps not be one: whose it is, and what to tell."""

    source: Source
    problem: Problem


def suspects(dataset: Dataset) -> list[Suspect]:
    """The columns and features, one problem each. They are warnings: only the user knows what came first."""
    known = np.flatnonzero(np.isfinite(dataset.target))
    # in an order of chance, or equal values would bring samples in the order of the file
    chosen = np.random.default_rng(0).permutation(known)[:LOOKED_AT]
    found = []
    for source in dataset.schema.sources:
        if dataset.schema.precomputed(source):
            problems = [_dimension(dataset, source, chosen[:VECTORS_LOOKED_AT])]
        elif source.modality == "numeric":
            columns = enumerate(_columns(dataset, source))
            problems = [_number(dataset, source, slot, column, chosen) for slot, column in columns]
        elif source.modality == "text":
            problems = [_text(dataset, source, c, chosen) for c in _columns(dataset, source)]
        else:
            continue
        found += [Suspect(source, problem) for problem in problems if problem]
    return found


def _asked(dataset: Dataset, source: Source, chosen: np.ndarray) -> tuple[str, np.ndarray, bool]:
    """The table of a source, the target of some samples, and whether that is a class, which has no order."""
    return dataset.table_of(source.entity), dataset.target[chosen], bool(dataset.schema.target.classes)


def _columns(dataset: Dataset, source: Source) -> list[str]:
    return dataset.schema.entities[source.entity].columns(source.modality)


def _number(dataset: Dataset, source: Source, slot: int, column: str, chosen: np.ndarray) -> Problem | None:
    """A column of numbers, or what it comes to over the items of a sample."""
    numbers = dataset.numeric(source)[:, slot].astype(np.float64)
    if column in dataset.schema.entities[source.entity].log:
        numbers = np.expm1(numbers)
    file, y, classes = _asked(dataset, source, chosen)
    resembles = 0.0
    for how, values in _over_items(dataset, source.entity, numbers):
        x = values[chosen]
        share = explained(x[:, None], y, classes=classes)[0]
        order = 0.0 if classes else rank_correlation(x, y)
        if share > TELLS or order > ORDERS:
            return _leak(f"the {how}column", max(share, order**2), file, column)
        if follows(x, y):
            what, fix = f"the {how}column orders the samples as the target does, without exception", CHECK
            return Problem("leak", what, fix, file, column, stops=False)
        if np.isfinite(x).sum() >= ENOUGH:
            resembles = max(resembles, order)
    own = dataset.schema.entities[source.entity].table is None
    if resembles > RESEMBLES:
        why = f"its rank correlation with it is {resembles:.2f}"
    elif named_alike(column, dataset.schema.target.column, own=own):
        why = "by its name"
    else:
        return None
    return Problem("other-target", f"looks like another target: {why}", CHECK, file, column, stops=False)


def _text(dataset: Dataset, source: Source, column: str, chosen: np.ndarray) -> Problem | None:
    """A column of texts as labels, and by the first number in them: a target with its unit is the target."""
    file, y, classes = _asked(dataset, source, chosen)
    cells, items = dataset.tables.column(file, column), dataset.items[source.entity]
    labels = np.full(len(dataset), -1)
    single = np.diff(items.offsets) == 1
    labels[single] = pd.factorize(cells)[0][items.values[items.offsets[:-1][single]]]
    numbers = pd.to_numeric(cells.str.extract(NUMBER, expand=False), errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    share = between(labels[chosen], y, classes=classes)
    for _, of_sample in _over_items(dataset, source.entity, values):
        x = of_sample[chosen]
        order = 0.0 if classes else rank_correlation(x, y)
        share = max(share, explained(x[:, None], y, classes=classes)[0], order**2 if order > ORDERS else 0.0)
    return _leak("the column", share, file, column) if share > TELLS else None


def _dimension(dataset: Dataset, source: Source, chosen: np.ndarray) -> Problem | None:
    """The dimension of precomputed features, a mean over a sample's vectors, that tells most."""
    rows, values = dataset.vectors(source)
    items, features = dataset.items[source.entity], dataset.schema.entities[source.entity].features
    means, y = [], []
    for sample in chosen:
        of_sample = items.values[items.offsets[sample] : items.offsets[sample + 1]]
        tokens = [rows.values[rows.offsets[row] : rows.offsets[row + 1]] for row in of_sample]
        if sum(map(len, tokens)):
            means.append(np.asarray(values[np.concatenate(tokens)], dtype=np.float64).mean(0))
            y.append(dataset.target[sample])
    if not means:
        return None
    share = explained(np.stack(means), np.array(y), classes=bool(dataset.schema.target.classes))
    best, spec = int(share.argmax()), next(spec for m, spec in features.items() if m == source.modality)
    if share[best] <= TELLS:
        return None
    return _leak(f"dimension {best} of the features", share[best], spec.file, spec.array or "")


def _leak(what: str, share: float, file: str, column: str) -> Problem:
    what = f"{what} alone gives the target away almost perfectly ({share:.1%} of its variance)"
    return Problem("leak", what, CHECK, file, column, stops=False)


def _over_items(dataset: Dataset, entity: str, values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """How numbers (R,) of an entity's rows can be taken together, and what that is (N,), NaN for none."""
    items = dataset.items[entity]
    sample = np.repeat(np.arange(len(dataset)), np.diff(items.offsets))
    of_item = pd.Series(values[items.values], sample)
    known = of_item[np.isfinite(of_item)].groupby(level=0)
    several = bool((known.size() > 1).any())
    ways = {"mean": "mean of the ", "sum": "sum of the ", "max": "maximum of the ", "min": "minimum of the "}
    for way, how in ways.items() if several else [("mean", "")]:
        yield how, known.agg(way).reindex(range(len(dataset))).to_numpy()


def explained(x: np.ndarray, y: np.ndarray, *, classes: bool = False) -> np.ndarray:
    """The share of the variance of `y` (N,) that each column of `x` (N, D) explains by itself; (D,).

    However the curve runs: between neighbours in `x`, `y` differs by its noise only (Rice's estimate of the
    residual variance). The larger of the share of `y` and of its ranks, which no single value decides. Of
    classes the numbers mean nothing: neighbours differ or not, and so do two samples by chance.
    """
    known = np.isfinite(x).all(1)
    x, y = x[known], y[known]
    if len(y) < PLENTY or np.ptp(y) == 0:
        return np.zeros(x.shape[1])
    order = np.argsort(x, axis=0, kind="stable")
    if classes:
        shares = [1 - (np.diff(y[order], axis=0) != 0).mean(0) / _variety(y)]
    else:
        shares = [1 - (np.diff(v[order], axis=0) ** 2).mean(0) / (2 * v.var()) for v in (y, rankdata(y))]
    return np.asarray(np.maximum.reduce([*shares, np.zeros(x.shape[1])]))


def _variety(y: np.ndarray) -> float:
    """The chance that two samples are of different classes (Gini's index): the variance of a class."""
    return float(1 - ((np.unique(y, return_counts=True)[1] / len(y)) ** 2).sum())


def follows(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether `y` never falls, or never rises, where `x` rises, as under a target cut into classes."""
    known = np.isfinite(x)
    x, y = x[known], y[known]
    if len(y) < ENOUGH or len(y) - np.unique(x, return_counts=True)[1].max() < FEWEST_OTHERS:
        return False
    return any((np.diff(y[np.lexsort((y, sign * x))]) >= 0).all() for sign in (1, -1))


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's, absolute; 0 where it means nothing."""
    known = np.isfinite(x)
    if known.sum() < FEW or np.ptp(x[known]) == 0 or np.ptp(y[known]) == 0:
        return 0.0
    return abs(float(np.corrcoef(rankdata(x[known]), rankdata(y[known]))[0, 1]))


def between(labels: np.ndarray, y: np.ndarray, *, classes: bool = False) -> float:
    """Share of the variance of `y` between labels, adjusted for their number; 0 with few samples a label."""
    known = labels >= 0
    n, distinct = int(known.sum()), len(np.unique(labels[known]))
    if n < FEW or distinct > n // 2 or y[known].var() == 0:
        return 0.0
    groups = pd.Series(y[known]).groupby(labels[known])
    if classes:
        within, total = (
            sum(len(part) * _variety(part.to_numpy()) for _, part in groups),
            n * _variety(y[known]),
        )
    else:
        within = ((y[known] - groups.transform("mean").to_numpy()) ** 2).sum()
        total = ((y[known] - y[known].mean()) ** 2).sum()
    return float(1 - (within / (n - distinct)) / (total / (n - 1)))


def named_alike(column: str, target: str, *, own: bool) -> bool:
    """Whether a column of numbers is named like the target, or with `own`, in its table, like any result."""
    said = {singular(word) for word in words(column)}
    nouns = [singular(w) for w in words(target) if w not in NOT_NOUNS and w.isalpha() and len(w) > 2]
    return bool(said & {*nouns[-1:], *(OUTCOMES if own else ())})
