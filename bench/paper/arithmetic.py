"""What must hold between the numbers of one row: no two of them are free of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import sqrt

from bench.paper.claims import DatasetFacts
from bench.paper.finding import Finding
from bench.paper.numbers import SLACK, Interval, Printed
from bench.paper.table import Row, Tables
from bench.paper.target import Target

Fault = tuple[str, str] | None
"""What is printed and what it should be; None if the row is sound or lacks the numbers."""


def check_arithmetic(tables: Tables, dataset: DatasetFacts | None) -> list[Finding]:
    """Bounds, MSE >= MAE^2, EVS >= R2, and with the dataset: R2, EVS and MAPE against the target."""
    findings = [
        *_over_rows(tables, "errors are not negative, R2 and EVS not above 1", _bounds),
        *_over_rows(tables, "MSE >= MAE^2", _mse_mae),
        *_over_rows(tables, "EVS >= R2", _evs_r2),
    ]
    if dataset is None:
        return findings
    tested = dataset.tested
    sd, low, high = (tested.number(s).interval for s in ("sd", "min", "max"))
    findings += _variance_explained(tables, dataset)
    findings += _over_rows(tables, "EVS - R2 <= MAE^2 / sd^2 (the mean error is at most MAE)", _evs_bias(sd))
    if low.low > 0:
        target = Target(low.low, high.high, tested.number("mean").value, tested.number("sd").value)
        findings += _over_rows(tables, "MAPE is possible for this MAE, MSE and target", _mape(target))
    return findings


def check_dataset(dataset: DatasetFacts) -> Iterator[Finding]:
    """Statistics of each part against each other: order, |mean - median| <= sd, sd against the range."""
    for part in dataset.parts:
        low, high, mean, sd = (part.number(s) for s in ("min", "max", "mean", "sd"))
        bound = sqrt(max((high.high - mean.low) * (mean.high - low.low), 0.0))
        sound = low.low <= mean.high and mean.low <= high.high and sd.high >= 0 and sd.low <= bound
        printed = f"min {low.text}, mean {mean.text}, max {high.text}, sd {sd.text}"
        if part.median is not None:
            median = part.number("median")
            inside = low.low <= median.high and median.low <= high.high
            sound = sound and inside and abs(mean.value - median.value) <= sd.high
            printed += f", median {median.text}"
        yield Finding(
            f"statistics of {dataset.target} in the {part.name} part are possible",
            dataset.where,
            printed,
            f"sd <= {bound:.4f}, the bound for this range and mean (Bhatia-Davis)",
            "holds" if sound else "contradicted",
            f"Unit: {dataset.unit}." if dataset.unit else "",
        )


def _over_rows(tables: Tables, claim: str, check: Callable[[Row], Fault]) -> list[Finding]:
    """One finding for each row at fault, or a single one that all are sound."""
    faults = [(row.where, *fault) for row in tables.rows if (fault := check(row))]
    if not faults:
        return [Finding(claim, "every row", f"{len(tables.rows)} rows", "all within rounding", "holds")]
    return [Finding(claim, where, printed, possible, "contradicted") for where, printed, possible in faults]


def _bounds(row: Row) -> Fault:
    for role in ("mae", "mse", "mape"):
        number = row.measured(role)
        if number is not None and number.high < 0:
            return f"{role.upper()} {number.text}", "at least 0"
    for role in ("r2", "evs"):
        number = row.measured(role)
        if number is not None and number.low > 1:
            return f"{role.upper()} {number.text}", "at most 1"
    return None


def _mse_mae(row: Row) -> Fault:
    mae, mse = row.measured("mae"), row.measured("mse")
    if mae is None or mse is None or max(mae.low, 0.0) ** 2 <= mse.high + SLACK:
        return None
    return f"MAE {mae.text}, MSE {mse.text}", f"MSE at least {mae.low**2:.4f}"


def _evs_r2(row: Row) -> Fault:
    r2, evs = row.measured("r2"), row.measured("evs")
    if r2 is None or evs is None or evs.high >= r2.low - SLACK:
        return None
    return f"R2 {r2.text}, EVS {evs.text}", f"EVS at least {r2.text}"


def _evs_bias(sd: Interval) -> Callable[[Row], Fault]:
    def check(row: Row) -> Fault:
        mae, r2, evs = row.measured("mae"), row.measured("r2"), row.measured("evs")
        if mae is None or r2 is None or evs is None:
            return None
        most = r2.high + (mae.high / sd.low) ** 2
        if evs.low <= most + SLACK:
            return None
        return f"MAE {mae.text}, R2 {r2.text}, EVS {evs.text}", f"EVS at most {most:.4f}"

    return check


def _mape(target: Target) -> Callable[[Row], Fault]:
    def check(row: Row) -> Fault:
        mae, mse, mape = row.measured("mae"), row.measured("mse"), row.measured("mape")
        if mae is None or mse is None or mape is None:
            return None
        possible = target.mape(mae.interval, mse.interval)
        if possible.meets(mape.interval):
            return None
        printed = f"MAE {mae.text}, MSE {mse.text}, MAPE {mape.text}"
        return printed, f"MAPE from {possible.low:.4f} to {possible.high:.4f}"

    return check


def _variance_explained(tables: Tables, dataset: DatasetFacts) -> list[Finding]:
    """R2 = 1 - MSE / sd^2, with one sd for all rows: they were tested on the same samples.

    Each row says between which values sd lies. The sd that most rows allow, inside the printed one, is
    taken for the true one, and rows that do not allow it are at fault. Whether the printed sd divides by
    n or by n - 1 is not asked of the paper: what fits more rows is taken.
    """
    implied = {i: interval for i, row in enumerate(tables.rows) if (interval := _implied_sd(row)) is not None}
    if not implied:
        return []
    n, stated = dataset.tested.size, dataset.tested.number("sd")
    divisors = {"n": stated.interval, "n - 1": stated.interval.scaled(sqrt((n - 1) / n))}
    allowed = {name: _most_allowed(list(implied.values()), sd) for name, sd in divisors.items()}
    divisor = max(allowed, key=lambda name: sum(x.meets(allowed[name]) for x in implied.values()))
    sd, claim = allowed[divisor], "R2 = 1 - MSE / sd^2 of the part tested"
    faults = [tables.rows[i] for i, interval in implied.items() if not interval.meets(sd)]
    if len(faults) == len(implied):
        found = sorted((interval.low + interval.high) / 2 for interval in implied.values())
        rows = f"the rows give sd {found[0]:.4f} to {found[-1]:.4f}"
        return [Finding(claim, dataset.where, f"sd {stated.text}", rows, "contradicted", "No row fits.")]
    if faults:
        return [Finding(claim, row.where, *_misfit(row, sd), "contradicted") for row in faults]
    between = f"one sd from {sd.low:.5f} to {sd.high:.5f} explains all {len(implied)} rows"
    comment = f"{dataset.where} prints a standard deviation with divisor {divisor}; the tables agree with it."
    return [Finding(claim, "every row", f"sd {stated.text}", between, "holds", comment)]


def _misfit(row: Row, sd: Interval) -> tuple[str, str]:
    mse, r2 = (row.measured(role) or Printed("", float("nan"), 0) for role in ("mse", "r2"))
    least, most = 1 - mse.high / sd.low**2, 1 - mse.low / sd.high**2
    return f"MSE {mse.text}, R2 {r2.text}", f"R2 from {least:.4f} to {most:.4f}"


def _implied_sd(row: Row) -> Interval | None:
    mse, r2 = row.measured("mse"), row.measured("r2")
    if mse is None or r2 is None:
        return None
    if mse.low <= 0 or r2.high >= 1:
        return Interval(float("inf"), float("inf"))
    variance = mse.interval.over(Interval(1 - r2.high, 1 - r2.low))
    return Interval(sqrt(variance.low), sqrt(variance.high))


def _most_allowed(intervals: list[Interval], within: Interval) -> Interval:
    """The stretch of `within` that most intervals cover (the first such stretch)."""
    ends = {within.low, within.high}
    ends |= {end for x in intervals for end in (x.low, x.high) if within.low < end < within.high}
    points = sorted(ends)

    def covered_by(stretch: Interval) -> int:
        return sum(x.low <= stretch.low + SLACK and stretch.high <= x.high + SLACK for x in intervals)

    return max((Interval(low, high) for low, high in pairwise(points)), key=covered_by)
