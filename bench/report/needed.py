"""How many seeds and samples it takes, as tables and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from bench.compare.components import Components
from bench.compare.power import MOST, detectable, samples_needed, seeds_needed
from bench.compare.verdict import DECIMALS
from bench.metrics import Metric

SEEDS = (2, 3, 5, 10, 20, 50, 100)
TIMES = (0.5, 1, 2, 4, 8, 16, 32)
COLUMNS = ("two methods", "all pairs")


@dataclass(frozen=True)
class Stored:
    """What is stored of a comparison, as a plan for a larger one starts from.

    Attributes:
        parts: the components of its variance.
        metric: what is compared by.
        tested: samples in a test part; only looked at where the metric is a mean over them.
        samples: of the dataset.
        random: whether test parts are drawn at random.
    """

    parts: Components
    metric: Metric
    tested: int
    samples: int
    random: bool

    @property
    def seeds(self) -> int:
        """How many there are."""
        return int(self.parts.means.shape[1])


def seeds_table(stored: Stored) -> pd.DataFrame:
    """Seeds of this dataset x the smallest difference that would be found."""
    rows = [(n, *_shown(stored.parts, n)) for n in sorted({*SEEDS, stored.seeds})]
    return pd.DataFrame(rows, columns=["seeds", *COLUMNS])


def samples_table(stored: Stored) -> pd.DataFrame:
    """Samples, with as many seeds as there are, x the smallest difference that would be found."""
    rows = []
    for times in TIMES:
        tested = round(stored.tested * times)
        size = (round(stored.samples * times),) if stored.random else ()
        rows.append((tested, *size, *_shown(stored.parts, stored.seeds, tested / stored.tested)))
    names = ["test samples", *(["samples in all"] if stored.random else [])]
    return pd.DataFrame(rows, columns=[*names, *COLUMNS])


def sentences(stored: Stored, delta: float) -> list[str]:
    """What it takes to find a difference of `delta`, in seeds and in samples."""
    name, pairs = stored.metric.name, f"all pairs of {len(stored.parts.means)} at once"
    in_seeds, floor = seeds_needed(stored.parts, delta), detectable(stored.parts, MOST)
    seeds = f"{'Seeds, each with data of its own' if stored.parts.anew else 'Seeds of this dataset'}: "
    seeds += f"{_many(in_seeds.pair, str)} for two methods chosen beforehand, "
    seeds += f"{_many(in_seeds.all_pairs, str)} for {pairs}."
    if None in (in_seeds.pair, in_seeds.all_pairs):
        why = ": its samples are finite" if not stored.parts.anew else ""
        why += " and training parts of random splits overlap" if stored.parts.overlap else ""
        many = f"{MOST:,}" if stored.parts.anew else "any number"
        seeds += (
            f" With {many} of them nothing below {floor.pair:.{DECIMALS}f} is found between two methods, "
            f"or below {floor.all_pairs:.{DECIMALS}f} among all pairs{why}."
        )
    said = [f"To find a difference of {delta:g} in {name} in four cases of five:", seeds]
    if stored.metric.losses is None:
        return [*said, f"{name} is no mean over samples: what more of them would bring cannot be said."]

    def size(tested: int) -> str:
        total = round(stored.samples * tested / stored.tested)
        return f"{tested:,} (of {total:,} in all)" if stored.random else f"{tested:,}"

    in_samples = samples_needed(stored.parts, delta, stored.tested)
    samples = f"Test samples, with {stored.seeds} seeds: {_many(in_samples.pair, size)} for two methods, "
    samples += f"{_many(in_samples.all_pairs, size)} for {pairs}."
    if None in (in_samples.pair, in_samples.all_pairs):
        samples += " What training varies by is left with any number of them; more seeds make it smaller."
    return [*said, samples]


def _many(needed: int | None, text: Callable[[int], str]) -> str:
    return "no number is enough" if needed is None else text(needed)


def _shown(parts: Components, seeds: int, times: float = 1.0) -> tuple[str, str]:
    found = detectable(parts, seeds, times)
    return f"{found.pair:.{DECIMALS}f}", f"{found.all_pairs:.{DECIMALS}f}"
