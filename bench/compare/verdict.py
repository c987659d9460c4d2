"""What the stored runs allow to be said of several rows: the comparison, and a sentence or two on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bench.compare.components import Components, from_losses, from_values
from bench.compare.frame import Results, Row
from bench.compare.simultaneous import Gap, Simultaneous
from bench.metrics import Metric
from bench.plan import FRESH

ONE_SEED = "One seed: no spread, no test, no verdict. Use --seeds 3 or more."
DECIMALS = 3
_DRAWN = {"random": "random splits", "kfold": "folds", FRESH: "newly generated datasets"}
FEW, MANY = 8, 16
"""How many candidates for the best a sentence names, and how many that are worse; more have letters."""


def compared(results: Results, rows: Mapping[str, Row], metric: Metric | None = None) -> Simultaneous | None:
    """Named rows compared by a metric, the primary one unless it is given.

    Losses of single samples are used where the metric is their mean, values per seed elsewhere.

    Returns:
        None for fewer than two rows or two common seeds: there is no test.
    """
    metric = metric or results.primary
    seeds = common_seeds(list(rows.values()))
    if len(rows) < 2 or len(seeds) < 2:
        return None
    chosen = list(rows.values())
    if metric.losses is None:
        values = np.stack([[row.runs[s].values[metric.name] for s in seeds] for row in chosen])
        parts = from_values(values, overlap_of(chosen), anew=results.plan.split == FRESH)
    else:
        losses = [np.stack([metric.losses(row.runs[s].answers) for row in chosen]) for s in seeds]
        parts = by_sample(results, chosen, losses)
    return Simultaneous(tuple(rows), parts, metric.lower_is_better, metric.bounds)


def by_sample(results: Results, rows: Sequence[Row], losses: Sequence[np.ndarray]) -> Components:
    """The components of losses (rows, samples), one per common seed; samples of one group count as one."""
    units = [rows[0].runs[seed].table["group"].astype(str).to_numpy() for seed in common_seeds(rows)]
    return from_losses(losses, units, overlap_of(rows), anew=results.plan.split == FRESH)


def common_seeds(rows: Sequence[Row]) -> list[int]:
    """The seeds that all rows have."""
    return [seed for seed in rows[0].runs if all(seed in row.runs for row in rows)] if rows else []


def overlap_of(rows: Sequence[Row]) -> float:
    """n_test / n_train of random splits, of the row that learned from fewest; 0 where nothing overlaps."""
    return max(drawn / learned for learned, drawn in (row.overlap for row in rows))


def comparable(results: Results, *, references: bool = False) -> dict[str, Row]:
    """The fusions with all seeds of the plan, none of them diverged, by name; references too if asked for.

    What looks at no feature, such as the mean, is the floor and no competitor.
    """
    name = results.plan.labels()
    return {
        name(row.row): row
        for row in results.full(results.finite)
        if len(row.runs) == results.plan.seeds
        and (not row.row.reference or (references and row.row.encoders))
    }


def floors(results: Results) -> dict[str, Row]:
    """The rows that look at no feature and have all seeds of the plan, by name: what any method must beat."""
    name = results.plan.labels()
    full = [row for row in results.full(results.finite) if len(row.runs) == results.plan.seeds]
    return {name(row.row): row for row in full if row.row.reference and not row.row.encoders}


def below_floor(results: Results, found: Simultaneous) -> str:
    """Says so where a row that looks at no feature has a better mean than all that are compared; else ""."""
    metric, best = results.primary, found.means[found.names.index(found.best)]
    sign = 1 if found.lower_is_better else -1
    better = [name for name, row in floors(results).items() if sign * (row.mean(metric.name) - best) < 0]
    way = "lower" if found.lower_is_better else "higher"
    return (
        f"{better[0]}, which looks at no feature, has a {way} mean {metric.name} than all of these."
        if better
        else ""
    )


def planned(
    results: Results, rows: Mapping[str, Row], pairs: Mapping[str, tuple[str, str]]
) -> dict[str, Gap]:
    """The differences of pairs of rows that were chosen beforehand, by the names of the pairs."""
    found = compared(results, rows)
    return {} if found is None else found.planned(pairs)


def default_verdict(results: Results) -> str:
    """Which rows may be the best, and which are worse; "" where there is nothing to compare.

    References are compared with the rest, and are no candidates for the best fusion.
    """
    rows = comparable(results, references=True)
    fusions = [name for name, row in rows.items() if not row.row.reference]
    if len(fusions) < 2:
        return ""
    if results.plan.seeds < 2:
        return ONE_SEED
    found = compared(results, rows)
    assert found is not None  # several rows and seeds
    order = [name for name in found.order if name in fusions]
    best, metric = order[0], results.primary
    kind = "fusion" if len({rows[name].row.method for name in fusions}) > 1 else "variant"
    way = "Lowest" if metric.lower_is_better else "Highest"
    gaps = {name: found.gap(name, best) for name in order[1:]}
    worse = [name for name, gap in gaps.items() if gap.found]
    same = [gap for gap in gaps.values() if not gap.found]
    said = f"{way} mean {metric.name} of a {kind}: {best}. "
    if not worse:
        said += f"No other {kind} can be distinguished from it: {resolution(same)}. "
    else:
        named = ", ".join(worse) if len(worse) <= MANY else f"{len(worse)} others, which lack its letter"
        said += f"Distinguished from it: {named}. "
        others = f"The other {len(same)}" if len(same) > 1 else "The other one"
        said += f"{others} cannot be: {resolution(same)}. " if same else ""
    candidates = found.candidates()
    if len(candidates) < len(rows):
        known = f": {', '.join(candidates)}" if len(candidates) <= FEW else ""
        said += f"May be the best of all {len(rows)} rows: {len(candidates)}{known}. "
    said += f"{lower} " if (lower := below_floor(results, found)) else ""
    return f"{said}({procedure(results, list(rows.values()))}.)"


def resolution(gaps: Iterable[Gap]) -> str:
    """What would have been found of differences that were not; of several pairs, in each of them."""
    reach = [gap.detectable for gap in gaps]
    if len(reach) == 1:
        return f"a difference of {reach[0]:.{DECIMALS}f} would have been found in four cases of five"
    return (
        f"any difference of {max(reach):.{DECIMALS}f} or more would have been found in at least four cases "
        "of five"
    )


def procedure(results: Results, rows: Sequence[Row]) -> str:
    """The test of all pairs in words: what it is simultaneous over, and what it speaks of."""
    return f"All pairs of {len(rows)} rows at once, 5 %; {_sources(results, rows)}"


def planned_procedure(results: Results, rows: Sequence[Row], pairs: int) -> str:
    """The test of planned pairs in words."""
    many = f"{pairs} planned comparisons at once" if pairs > 1 else "One planned comparison"
    return f"{many}, 5 %; {_sources(results, rows)}"


def control_procedure(results: Results, rows: Sequence[Row], fusions: int) -> str:
    """The test of all fusions against a reference in words."""
    many = f"{fusions} fusions against it at once" if fusions > 1 else "one fusion against it"
    return f"{many}, 5 %; {_sources(results, rows)}"


def _sources(results: Results, rows: Sequence[Row]) -> str:
    seeds, tested = len(common_seeds(rows)), rows[0].tested
    if not results.plan.fixed:
        return f"{seeds} {_DRAWN[results.plan.split]}, {tested} test samples in each"
    return f"{seeds} trainings, one fixed test part of {tested} samples"


def best_row(rows: Sequence[Row], metric: Metric) -> Row | None:
    """The row with the best mean; None of none."""
    sign = 1 if metric.lower_is_better else -1
    return min(rows, key=lambda row: sign * row.mean(metric.name), default=None)
