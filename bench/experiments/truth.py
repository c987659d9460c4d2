"""What each entity is truly worth, where a generator knows it: only for judging what experiments find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from scipy.stats import spearmanr

from bench.data.dataset import Dataset
from bench.data.truth import shares
from bench.plan import Plan

if TYPE_CHECKING:
    from bench.experiments.base import Facts

FACT = "true_shares"
FEWEST = 3
"""Entities of which the order says something."""


def stated(dataset: Dataset) -> Facts:
    """Each entity's share of what can be explained, where the data were generated and it is known."""
    rows = [{"entity": entity, "share": share} for entity, share in shares(dataset).items()]
    return {FACT: rows} if rows else {}


def shares_of(plan: Plan) -> dict[str, float]:
    """Entity -> its true share; empty where it is not known."""
    return {str(row["entity"]): float(row["share"]) for row in plan.facts.get(FACT, [])}


def rank_correlation(true: Mapping[str, float], found: Mapping[str, float]) -> float:
    """Spearman's, of what was found for the entities and their true shares."""
    return float(spearmanr([true[e] for e in true], [found[e] for e in true]).statistic)


def mean_absolute_error(true: Mapping[str, float], found: Mapping[str, float]) -> float:
    """The mean distance of shares that were found from the true ones."""
    return sum(abs(found[e] - share) for e, share in true.items()) / len(true)
