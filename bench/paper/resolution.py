"""What a difference between two rows can mean, when each is one training and one pass over n test samples."""

from __future__ import annotations

from collections.abc import Iterator
from math import asin, pi, sqrt

from bench.paper.claims import DatasetFacts, RowRef
from bench.paper.finding import Finding, Verdict
from bench.paper.table import Row, Tables

CORRELATIONS = (0.0, 0.5, 0.8, 0.9)
"""Assumed between the errors of two methods on the same samples, which no paper prints; 0 is independent."""

STANDARD_ERRORS = 2.0
"""A difference below this many standard errors is not distinguished from chance: about 5 %, uncorrected."""


def mse_standard_error(mse: float, n: int) -> float:
    """Of one MSE, if errors are Gaussian: Var(e^2) = 2 MSE^2. Heavier tails make it larger."""
    return mse * sqrt(2 / n)


def standard_error(role: str, a: Row, b: Row, correlation: float, n: int) -> float | None:
    """Of the difference between two rows' MSE or MAE on the same n samples; None if a number is missing.

    Errors are taken as Gaussian with this correlation r: then squared errors correlate by r^2, absolute
    errors by (r asin r + sqrt(1 - r^2) - 1) / (pi/2 - 1). The variance of an absolute error is MSE - MAE^2,
    without any assumption.

    Args:
        role: "mse" or "mae".
        a: one row.
        b: the other.
        correlation: of their errors.
        n: test samples.
    """
    mse_a, mse_b, mae_a, mae_b = a.measured("mse"), b.measured("mse"), a.measured("mae"), b.measured("mae")
    if mse_a is None or mse_b is None:
        return None
    if role == "mse":
        variances, shared = (2 * mse_a.value**2, 2 * mse_b.value**2), correlation**2
    elif mae_a is None or mae_b is None:
        return None
    else:
        variances = (max(mse_a.value - mae_a.value**2, 0.0), max(mse_b.value - mae_b.value**2, 0.0))
        shared = (correlation * asin(correlation) + sqrt(1 - correlation**2) - 1) / (pi / 2 - 1)
    covariance = shared * sqrt(variances[0] * variances[1])
    return sqrt(max(sum(variances) - 2 * covariance, 0.0) / n)


def check_resolution(tables: Tables, dataset: DatasetFacts, proposed: RowRef | None) -> Iterator[Finding]:
    """The proposed row against the next best, then in each group the best row against the others."""
    n = dataset.tested.size
    if proposed is not None:
        yield from _proposed(tables, tables.find(proposed), dataset)
    for rows in tables.groups.values():
        for role in ("mse", "mae"):
            complete = [r for r in rows if r.measured(role) is not None and r.measured("mse") is not None]
            if len(complete) > 1:
                ranked = tables.ranked(complete, complete[0].roles[role])
                yield _against_best(ranked[0], ranked[1:], role, n)


def gap(a: Row, b: Row, role: str, n: int) -> tuple[float, list[float]] | None:
    """The difference between two rows, and its standard error for each of `CORRELATIONS`."""
    x, y = a.measured(role), b.measured(role)
    errors = [standard_error(role, a, b, correlation, n) for correlation in CORRELATIONS]
    known = [error for error in errors if error is not None]
    if x is None or y is None or not known:
        return None
    return abs(x.value - y.value), known


def _proposed(tables: Tables, row: Row, dataset: DatasetFacts) -> Iterator[Finding]:
    rivals = [
        r for r in tables.groups[row.table, row.group] if r is not row and r.measured("mse") is not None
    ]
    mse, mae, n = row.measured("mse"), row.measured("mae"), dataset.tested.size
    if mse is None or not rivals:
        return
    rival = tables.ranked(rivals, row.roles["mse"])[0]
    difference, errors = gap(row, rival, "mse", n) or (0.0, [0.0])
    single = mse_standard_error(mse.value, n)
    runs = "one run per row, so no spread" if dataset.runs == 1 else f"{dataset.runs} runs per row"
    comment = f"{n} test samples, {runs}. Standard error of a single MSE: {single:.4f} for Gaussian errors"
    if mae is not None and (shape := mae.value**2 / mse.value) < 2 / pi:
        comment += f"; MAE^2/MSE is {shape:.2f}, not {2 / pi:.2f}: tails are heavier, so it is larger still"
    yield Finding(
        f"{row.name} predicts better than {rival.name}, the next best by MSE",
        row.where,
        f"difference {difference:.4f}",
        f"{difference / single:.1f} standard errors of a single MSE; {_assumed(difference, errors)}",
        _distinguished(difference, errors),
        comment + ".",
    )


def _against_best(best: Row, others: list[Row], role: str, n: int) -> Finding:
    gaps = {row.name: found for row in others if (found := gap(best, row, role, n)) is not None}
    verdicts = {name: _distinguished(*found) for name, found in gaps.items()}
    distinct = [name for name, verdict in verdicts.items() if verdict == "holds"]
    depends = [name for name, verdict in verdicts.items() if verdict == "partly"]
    alike = [name for name, verdict in verdicts.items() if verdict == "undecided"]
    nearest, (difference, errors) = next(iter(gaps.items()))
    words = [f"not distinguishable from it: {', '.join(alike)}"] if alike else []
    words += [f"distinguishable if errors correlate: {', '.join(depends)}"] if depends else []
    words += [f"distinguishable: {', '.join(distinct)}"] if distinct else []
    kinds = set(verdicts.values())
    return Finding(
        f"{best.name} has the lowest {role.upper()}, beyond chance",
        f"Table {best.table}" + (f", {best.group}" if best.group else ""),
        ", ".join(f"{name} +{found[0]:.4f}" for name, found in gaps.items()),
        "; ".join(words),
        kinds.pop() if len(kinds) == 1 else "partly",
        f"Nearest, {nearest}: {_assumed(difference, errors)}.",
    )


def _distinguished(difference: float, errors: list[float]) -> Verdict:
    """Holds even if errors are independent, partly if they must correlate, else undecided."""
    if difference > STANDARD_ERRORS * max(errors):
        return "holds"
    return "partly" if difference > STANDARD_ERRORS * min(errors) else "undecided"


def _assumed(difference: float, errors: list[float]) -> str:
    ratios = [f"{difference / error:.1f}" if error else "many" for error in errors]
    assumed = ", ".join(f"{correlation:g}" for correlation in CORRELATIONS)
    return f"{', '.join(ratios)} standard errors of the difference if errors correlate by {assumed}"
