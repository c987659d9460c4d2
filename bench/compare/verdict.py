"""What the stored runs allow to be said: which test compares two rows, and what it says of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.frame import Results, Row
from bench.compare.tests import corrected_paired_test, crossed_paired_test, holm
from bench.metrics import Metric

LEVEL = 0.05
ONE_SEED = "One seed: no spread, no test, no verdict. Use --seeds 3 or more."


@dataclass(frozen=True)
class Separated:
    """Several things compared with the best of them, by name.

    Attributes:
        best: the best by mean.
        p: the others -> p value that they equal the best, corrected for their number.
    """

    best: str
    p: Mapping[str, float]

    @property
    def worse(self) -> list[str]:
        """Those that are distinguished from the best."""
        return [name for name, value in self.p.items() if value < LEVEL]

    @property
    def same(self) -> list[str]:
        """Those that are not."""
        return [name for name, value in self.p.items() if not value < LEVEL]

    @property
    def smallest(self) -> float:
        """The smallest p value."""
        return min(self.p.values())


def p_value(results: Results, one: Row, other: Row, metric: Metric) -> float:
    """That two rows are equally good, on the seeds that both have; nan where there is no test.

    On random splits the test is over seeds. On one fixed split seeds repeat the training only, and the
    samples of the test part are the other half of the uncertainty.
    """
    if results.plan.split == "random":
        return corrected_paired_test(one.against(other, metric.name).tolist(), *one.overlap)
    both = [seed for seed in one.runs if seed in other.runs]
    if not both:
        return float("nan")
    return crossed_paired_test(one.losses(metric, both) - other.losses(metric, both))


def test_of(results: Results, seeds: int, tested: int) -> str:
    """What `p_value` is, in words."""
    if results.plan.split == "random":
        return f"paired corrected t-test over {seeds} seeds"
    return f"paired test over {seeds} seeds and {tested} test samples"


def seeds_test(results: Results) -> str:
    """The test of what is measured per seed only, and what it cannot speak of."""
    seeds = results.plan.seeds
    if results.plan.split == "random":
        return f"paired corrected t-test over {seeds} seeds, Holm, 5 %"
    return f"paired t-test over {seeds} seeds, Holm, 5 %, of training alone, on one test part"


def separated(results: Results, rows: Mapping[str, Row], metric: Metric) -> Separated:
    """Named rows compared with the best of them."""
    best = best_of({name: row.mean(metric.name) for name, row in rows.items()}, metric)
    others = {n: p_value(results, row, rows[best], metric) for n, row in rows.items() if n != best}
    return Separated(best, holm(others))


def separated_by_seed(
    values: Mapping[str, np.ndarray], metric: Metric, overlap: tuple[int, int]
) -> Separated:
    """The same of values per seed (J,) that are no metric of single samples, such as areas."""
    best = best_of({name: float(x.mean()) for name, x in values.items()}, metric)
    others = {n: corrected_paired_test(x - values[best], *overlap) for n, x in values.items() if n != best}
    return Separated(best, holm(others))


def best_of(means: Mapping[str, float], metric: Metric) -> str:
    """The name with the best mean."""
    return (min if metric.lower_is_better else max)(means, key=lambda name: means[name])


def best_row(rows: Sequence[Row], metric: Metric) -> Row | None:
    """The row with the best mean; None of none."""
    sign = 1 if metric.lower_is_better else -1
    return min(rows, key=lambda row: sign * row.mean(metric.name), default=None)


def default_verdict(results: Results) -> str:
    """Which rows cannot be distinguished from the best one; "" where there is nothing to compare."""
    rows = comparable(results)
    if len(rows) < 2:
        return ""
    if results.plan.seeds < 2:
        return ONE_SEED
    metric = results.primary
    found = separated(results, rows, metric)
    test = f"{test_of(results, results.plan.seeds, rows[found.best].tested)}, Holm, 5 %"
    kind = "fusion" if len({row.row.method for row in rows.values()}) > 1 else "variant"
    way = "Lowest" if metric.lower_is_better else "Highest"
    text = f"{way} mean {metric.name}: {found.best}. "
    if not found.worse:
        return text + (
            f"No other {kind} can be distinguished from it ({test}; smallest p {found.smallest:.2f}): "
            "the order may be chance."
        )
    rest = f" Not distinguished: {', '.join(found.same)}." if found.same else ""
    return f"{text}Distinguished from it ({test}): {', '.join(found.worse)}.{rest}"


def comparable(results: Results) -> dict[str, Row]:
    """The fusions with all seeds of the plan, none of them diverged, by name."""
    name = results.plan.labels()
    return {
        name(row.row): row
        for row in results.finite
        if not row.row.reference and len(row.runs) == results.plan.seeds
    }
