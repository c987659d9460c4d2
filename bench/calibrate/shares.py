"""What each entity is worth, by several estimators, beside the shares that the generator planted.

MEMF is trained on the embedded dataset. What an entity is worth is then

- left out: the rise of the loss where a model is trained without it;
- exchanged: the rise of the loss where test samples have it from each other, nothing retrained;
- Shapley, exchanged: its mean contribution to the fall of the loss over all orders in which entities can
  become known, those that are not known being exchanged, nothing retrained;
- Shapley, masked: the same, those that are not known being absent; also of a model that was trained with
  source dropout, and so knows what that is like;
- Shapley, retrained: the same, with a model trained for every set of entities;
- attention: the weight that it gets in the last layer.

All but attention are divided by their sum, as the true shares sum to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.compare.frame import Results, Row, load
from bench.compare.tests import interval
from bench.errors import BenchError
from bench.experiments.attention import Maps, received
from bench.experiments.entities import Entities
from bench.experiments.missing import DROPOUT, SOURCE_DROPOUT
from bench.experiments.truth import mean_absolute_error, rank_correlation, shares_of
from bench.predictions import Answers
from bench.request import Request, resolve
from bench.runner import run_all
from bench.store import RunStore
from bench.variants import WITHOUT, Choice, Variant
from bench.workflow import Reporter, prepare

NOTHING = "predict-mean"
"""What knows no entity."""
EQUAL = "equal shares"
"""The estimator that all others have to beat."""


class Shares(Entities):
    """The whole, observed, and as many sets of its entities as estimators need; only calibration asks for it.

    Args:
        retrain: whether a model is trained for every set, and not only for those that lack one entity.
    """

    def __init__(self, retrain: bool) -> None:
        self.retrain = retrain

    def variants(self, choice: Choice) -> list[Variant]:
        """The whole first, the empty set last."""
        names = tuple(choice.schema.entities)
        sizes = range(len(names) - 1, 0, -1) if self.retrain else [len(names) - 1]
        sets = [kept for size in sizes for kept in combinations(names, size)]
        parts = [
            choice.variant(
                "memf", arm=WITHOUT, entities=kept, left_out=tuple(n for n in names if n not in kept)
            )
            for kept in sets
        ]
        nothing = [Variant(NOTHING, {}, reference=True)] if self.retrain else []
        whole = choice.variant("memf", observe=frozenset({"attention", "entities"}))
        robust = choice.variant(
            "memf", arm=DROPOUT, training={"source_dropout": SOURCE_DROPOUT}, observe=frozenset({"entities"})
        )
        return [whole, robust, *parts, *nothing]


class Estimate(NamedTuple):
    """Shares by one estimator: entities, and values (seeds, E) whose mean over seeds they are."""

    estimator: str
    entities: Sequence[str]
    values: np.ndarray


def recovered(
    *, seeds: int, data: Mapping[str, int], retrain: bool, out: Path, jobs: int, reporter: Reporter
) -> pd.DataFrame:
    """A row for every estimator and entity: the true share, the estimate with its 95 % interval over seeds.

    `data` are arguments of the generator.

    Raises:
        BenchError: a run failed.
    """
    request = Request(
        experiments=(), data_arguments=data, seeds=seeds, weights="random", out=out,
        jobs=jobs, device="cpu",
    )  # fmt: skip
    asked = replace(resolve(request), experiments=(Shares(retrain),))
    prepared, store = prepare(request, asked, reporter), RunStore(out)
    summary = run_all(prepared.jobs, store, processes=jobs, progress=reporter.running)
    if summary.failures:
        first = summary.failures[0]
        raise BenchError(f"entity shares: {first.spec.method}, seed {first.spec.seed}: {first.error}")
    results = load(prepared.plans[0], store)
    return table(estimates(results), shares_of(results.plan), results.rows[0].overlap)


def table(found: Sequence[Estimate], shares: Mapping[str, float], overlap: tuple[int, int]) -> pd.DataFrame:
    """Estimates beside the true shares; `overlap` as in `bench.compare.frame.Row`."""
    even = np.full((1, len(shares)), 1 / len(shares))
    rows = []
    for name, entities, values in [*found, Estimate(EQUAL, list(shares), even)]:
        means = dict(zip(entities, values.mean(0).tolist(), strict=True))
        for entity, own in zip(entities, values.T, strict=True):
            low, high = interval(own, *overlap)
            rows.append(
                {
                    "estimator": name,
                    "entity": entity,
                    "true share": shares[entity],
                    "estimate": means[entity],
                    "low": low,
                    "high": high,
                    "seeds": len(own) if name != EQUAL else 0,
                    "rank correlation": np.nan if name == EQUAL else rank_correlation(shares, means),
                    "mean absolute error": mean_absolute_error(shares, means),
                }
            )
    return pd.DataFrame(rows)


def estimates(results: Results) -> list[Estimate]:
    """Every estimator that the stored runs allow; the rows are in the order of `Shares.variants`."""
    whole, robust = results.rows[:2]
    names, known, masked, exchanged = _observed(results, whole)
    robustly = _observed(results, robust)[2]
    sets = _by_set(results, whole, names)
    full = (True,) * len(names)
    without = {name: tuple(other != name for other in names) for name in names}
    left_out = [sets[without[name]] - sets[full] for name in names]
    place = {tuple(row): i for i, row in enumerate(known.tolist())}
    rises = [exchanged[:, place[without[name]]] - exchanged[:, place[full]] for name in names]
    found = [
        Estimate("left out", names, as_shares(np.stack(left_out, axis=1))),
        Estimate("exchanged", names, as_shares(np.stack(rises, axis=1))),
        Estimate("Shapley, exchanged", names, as_shares(shapley(known, -exchanged))),
        Estimate("Shapley, masked", names, as_shares(shapley(known, -masked))),
        Estimate(f"Shapley, masked, {DROPOUT}", names, as_shares(shapley(known, -robustly))),
    ]
    if len(sets) == 2 ** len(names):
        worth = -np.stack([sets[tuple(row)] for row in known.tolist()], axis=1)
        found.append(Estimate("Shapley, retrained", names, as_shares(shapley(known, worth))))
    maps = [one for run in whole.runs.values() if (one := Maps.of(run))]
    weights = np.array([[received(one)[name] for name in names] for one in maps])
    return [*found, Estimate("attention", names, weights)]


def _observed(results: Results, row: Row) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """What was recorded of a row that sees all entities (`bench.observe.entities`).

    Returns:
        The entities; the sets of them (2^E, E); and the mean losses (S, 2^E) with only these, the others
        being absent, and being those of other samples.
    """
    losses, masked, exchanged = results.primary.losses, [], []
    record: Any = None
    assert losses is not None  # the primary metric is a mean of losses
    for run in row.runs.values():
        record, (target, true, _) = run.record("entities"), run.answers
        masked.append([losses(Answers(target, true, seen)).mean() for seen in record["masked"]])
        exchanged.append(
            [np.mean([losses(Answers(target, true, seen)) for seen in each]) for each in record["exchanged"]]
        )
    names = [str(name) for name in record["entities"]]
    return names, np.asarray(record["known"]), np.array(masked), np.array(exchanged)


def _by_set(results: Results, whole: Row, names: Sequence[str]) -> dict[tuple[bool, ...], np.ndarray]:
    """Which entities a model knew, as a row of `known` -> its mean losses (seeds,)."""
    metric = results.primary.name
    sets = {(True,) * len(names): whole.values(metric)}
    for row in results.rows:
        if row.row.reference:
            sets[(False,) * len(names)] = row.values(metric)
        elif row.row.unseen:
            sets[tuple(name in row.row.seen for name in names)] = row.values(metric)
    return sets


def shapley(known: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Exact Shapley values (S, E).

    Args:
        known: (2^E, E) bool, every set of E players once.
        worth: (S, 2^E), what each set is worth.
    """
    players = known.shape[1]
    bits = 1 << np.arange(players)
    by_code = worth[:, np.argsort(known @ bits)]
    values = np.zeros((len(worth), players))
    for code in range(2**players):
        size = code.bit_count()
        for player in range(players):
            if code >> player & 1:
                continue
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            values[:, player] += weight * (by_code[:, code | 1 << player] - by_code[:, code])
    return values


def as_shares(worth: np.ndarray) -> np.ndarray:
    """Values (S, E) per seed whose mean over seeds are the shares of the mean contributions.

    A share is a ratio of two means. Around it, what a seed adds is its linear part (the delta method), so
    that an interval for the mean of these values is one for the ratio.

    Args:
        worth: (S, E) contributions. Where they sum to nothing, no share is defined: all NaN.
    """
    total = worth.sum(1, keepdims=True)
    if total.mean() <= 0:
        return np.full_like(worth, np.nan)
    shares = worth.mean(0) / total.mean()
    return np.asarray(shares + (worth - shares * total) / total.mean())
