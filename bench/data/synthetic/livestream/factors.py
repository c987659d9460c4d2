"""The factors behind a live stream, and how log10 sales follow from them. Knows nothing of files."""

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Interaction = Literal["entity", "modality", "none"]
Levels = NDArray[np.int64]
Values = NDArray[np.float64]

LEVELS = 7
FREQUENCIES = (20, 1, 1, 1, 1, 1, 20)
"""How often each level is drawn, of 45: the ends tell most of how two factors multiply."""
GRADES = np.repeat(np.arange(LEVELS), FREQUENCIES)
MODALITIES = ("text", "image", "numeric")
MAX_ITEMS = 6
# the mean of k independent items has variance 1/k, and k is uniform on 1..6
SPREAD_OF_MEANS = math.sqrt(np.mean(1 / np.arange(1, MAX_ITEMS + 1)))
MAX_CLIPS = 3
ROUNDS = 100

MEAN, SD = 4.99, 1.07  # of log10 sales, Table 5 of the paper
LOWEST, HIGHEST = math.log10(20.30), 8.0
CEILING = 0.93

SHARES: dict[str, float] = {"commodity": 0.36, "anchor": 0.28, "video": 0.16, "room": 0.12, "audio": 0.08}
FACTORS: dict[str, tuple[str, ...]] = {
    "commodity": MODALITIES,
    "anchor": MODALITIES,
    "video": ("video",),
    "room": MODALITIES,
    "audio": ("audio",),
}
PRODUCTS: dict[Interaction, dict[tuple[str, str], float]] = {
    "entity": {
        # Small enough that the main effects alone put the entities in the same order.
        ("commodity.text", "commodity.image"): 0.18,
        ("anchor.text", "anchor.image"): 0.11,
        ("room.text", "room.image"): 0.03,
    },
    # So that leaving out one entity after the other gives the same order, as in the population's shares.
    "modality": {
        ("anchor.text", "commodity.text"): 0.28,
        ("anchor.image", "room.image"): 0.04,
    },
    "none": {},
}


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A random generator for one named part, whatever is drawn before or after it elsewhere."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4")
    return np.random.default_rng(np.random.SeedSequence([seed, *map(int, words)]))


@dataclass(frozen=True)
class Term:
    """One additive term of the signal, a factor or the product of two, and its share of the variance."""

    factors: tuple[str, ...]
    share: float

    @property
    def name(self) -> str:
        """Its factors, such as `anchor.text*anchor.image`."""
        return "*".join(self.factors)

    @property
    def entities(self) -> frozenset[str]:
        """The entities that must be known for this term to be known."""
        return frozenset(factor.split(".")[0] for factor in self.factors)


@cache
def terms(interaction: Interaction) -> tuple[Term, ...]:
    """The terms of the signal. Their shares sum to 1; each entity's Shapley share is that of `SHARES`."""
    products = [Term(pair, share) for pair, share in PRODUCTS[interaction].items()]
    mains = []
    for entity, modalities in FACTORS.items():
        taken = sum(term.share / len(term.entities) for term in products if entity in term.entities)
        each = (SHARES[entity] - taken) / len(modalities)
        mains += [Term((f"{entity}.{modality}",), each) for modality in modalities]
    return (*mains, *products)


@dataclass(frozen=True)
class Design:
    """The levels of every factor for n streams, A anchors and C commodities; columns as in `FACTORS`."""

    anchor: Levels  # (A, 3)
    commodity: Levels  # (C, 3)
    room: Levels  # (n, 3)
    video: Levels  # (n, 1)
    audio: Levels  # (n, 1)
    anchor_of: Levels  # (n,) rows of `anchor`
    items: Levels  # (n, 6) rows of `commodity`, the first `counts` of each row are the stream's
    counts: Levels  # (n,)

    def items_of(self, stream: int) -> Levels:
        """The stream's commodities, as rows of `commodity`."""
        return self.items[stream, : self.counts[stream]]

    @cached_property
    def standardised(self) -> dict[str, Values]:
        """Every factor with zero mean and unit variance: (n,), or (n, 6) for those of a commodity."""
        per_stream: dict[str, Levels] = {
            "anchor": self.anchor[self.anchor_of],
            "commodity": self.commodity[self.items],
        }
        per_stream |= {"room": self.room, "video": self.video, "audio": self.audio}
        spread = float(GRADES.std())
        return {
            f"{entity}.{modality}": (per_stream[entity][..., column].astype(np.float64) - (LEVELS - 1) / 2)
            / spread
            for entity, modalities in FACTORS.items()
            for column, modality in enumerate(modalities)
        }

    def column(self, factors: tuple[str, ...]) -> Values:
        """A term's values (n,), of unit variance in the population; commodities as the stream's mean."""
        chosen = [self.standardised[factor] for factor in factors]
        alone = [values for values in chosen if values.ndim == 1]
        itemised = [values for values in chosen if values.ndim == 2]
        result = np.prod(alone, axis=0) if alone else np.ones(len(self.counts))
        if itemised:
            present = np.arange(MAX_ITEMS) < self.counts[:, None]
            mean = (np.prod(itemised, axis=0) * present).sum(axis=1) / self.counts
            result = result * mean / SPREAD_OF_MEANS
        return result


def _balanced(rng: np.random.Generator, size: int, kinds: int) -> Levels:
    """Numbers 0..kinds-1, each equally often (give or take one), in random order."""
    start = rng.integers(kinds)  # else small sizes would always have the low kinds once more
    return rng.permutation((np.arange(size) + start) % kinds)


def _levels(rng: np.random.Generator, size: int) -> Levels:
    """Levels, each as often as in `FREQUENCIES` (give or take one), in random order."""
    quantiles = (np.arange(size) + rng.random()) / size
    levels: Levels = GRADES[(quantiles * len(GRADES)).astype(int)]
    return rng.permutation(levels)


def _items(rng: np.random.Generator, streams: int, commodities: int) -> Levels:
    return np.argsort(rng.random((streams, commodities)), axis=1)[:, :MAX_ITEMS]


def _first(rng: np.random.Generator, streams: int) -> Design:
    anchors, commodities = round(0.4 * streams), max(MAX_ITEMS, round(0.6 * streams))

    def levels(rows: int, entity: str) -> Levels:
        return np.stack([_levels(rng, rows) for _ in FACTORS[entity]], axis=1)

    return Design(
        anchor=levels(anchors, "anchor"),
        commodity=levels(commodities, "commodity"),
        room=levels(streams, "room"),
        video=levels(streams, "video"),
        audio=levels(streams, "audio"),
        anchor_of=_balanced(rng, streams, anchors),
        items=_items(rng, streams, commodities),
        counts=1 + _balanced(rng, streams, MAX_ITEMS),
    )


def _redrawn(drawn: Design, part: str, rng: np.random.Generator) -> Design:
    """The design with some rows new: their levels of one factor in another order, or other commodities."""
    if part == "items":
        rows = _some(rng, len(drawn.items))
        items = drawn.items.copy()
        items[rows] = _items(rng, len(rows), len(drawn.commodity))
        return replace(drawn, items=items)
    entity, modality = part.split(".")
    levels = getattr(drawn, entity).copy()
    rows, column = _some(rng, len(levels)), FACTORS[entity].index(modality)
    levels[rows, column] = rng.permutation(levels[rows, column])
    return replace(drawn, **{entity: levels})


def _some(rng: np.random.Generator, size: int) -> Levels:
    return rng.choice(size, max(2, size // 10), replace=False)


def _signal(columns: Mapping[tuple[str, ...], Values], interaction: Interaction) -> Values:
    signal: Values = np.sum(
        [math.sqrt(term.share) * columns[term.factors] for term in terms(interaction)], axis=0
    )
    return signal


def _overshoot(signal: Values) -> float:
    """How far the calibrated signal leaves the range of sales at its worst, in units of log10 sales."""
    calibrated = MEAN + SD * math.sqrt(CEILING) * (signal - signal.mean()) / signal.std()
    return max(float(calibrated.max()) - HIGHEST, LOWEST - float(calibrated.min()), 0.0)


@cache
def _largest_shares() -> dict[tuple[str, ...], float]:
    """Every term of any interaction, with its largest share."""
    largest: dict[tuple[str, ...], float] = {}
    for interaction in PRODUCTS:
        for term in terms(interaction):
            largest[term.factors] = max(term.share, largest.get(term.factors, 0.0))
    return largest


def _touched(part: str, factors: tuple[str, ...]) -> bool:
    """Whether redrawing a part changes the column of these factors."""
    return part in factors or (part == "items" and any(name.startswith("commodity.") for name in factors))


def _unevenness(columns: Mapping[tuple[str, ...], Values]) -> float:
    """How far columns are from the population: 0 if they are uncorrelated with unit variance.

    The terms of all interactions are looked at together, so that the choice, and with it every media file,
    does not depend on the interaction. A signal beyond the range of sales counts too: clipping would take it
    from the ceiling.
    """
    weights = np.sqrt(list(_largest_shares().values()))
    matrix = np.stack(list(columns.values())) * weights[:, None]
    distance = np.linalg.norm(np.cov(matrix, ddof=0) - np.diag(weights**2))
    return float(distance) + max(_overshoot(_signal(columns, interaction)) for interaction in PRODUCTS)


@lru_cache(maxsize=8)  # datasets that differ in their interaction or gaps share one
def design(streams: int, seed: int) -> Design:
    """Draw the factors, then redraw one part after the other, keeping what makes the design more even."""
    rng = generator(seed, "design")
    best = _first(rng, streams)
    columns = {factors: best.column(factors) for factors in _largest_shares()}
    unevenness = _unevenness(columns)
    parts = [f"{entity}.{modality}" for entity, modalities in FACTORS.items() for modality in modalities]
    for part in (*parts, "items") * ROUNDS:
        candidate = _redrawn(best, part, rng)
        redrawn = {
            factors: candidate.column(factors) if _touched(part, factors) else values
            for factors, values in columns.items()
        }
        if (of_candidate := _unevenness(redrawn)) < unevenness:
            best, columns, unevenness = candidate, redrawn, of_candidate
    return best


@dataclass(frozen=True)
class Sales:
    """Log10 sales, the part of them that can be known, and its terms, each (n,)."""

    yuan: Values
    log_sales: Values
    signal: Values
    parts: dict[Term, Values]
    clipped: int

    @property
    def ceiling(self) -> float:
        """The realised R2 of the signal."""
        return float(np.corrcoef(self.signal, self.log_sales)[0, 1] ** 2)


def sales(drawn: Design, interaction: Interaction, seed: int) -> Sales:
    """Signal plus noise, calibrated as the package says, with sales in whole cents."""
    parts = {term: math.sqrt(term.share) * drawn.column(term.factors) for term in terms(interaction)}
    signal = np.sum(list(parts.values()), axis=0)
    signal -= signal.mean()
    noise = generator(seed, "noise").standard_normal(len(signal))
    noise -= noise.mean()
    noise -= signal * (noise @ signal) / (signal @ signal)
    noise *= math.sqrt((1 / CEILING - 1) * (signal @ signal) / (noise @ noise))
    shift, scale = _calibration(signal + noise)
    wanted = shift + scale * (signal + noise)
    yuan = np.round(10 ** np.clip(wanted, LOWEST, HIGHEST), 2)
    clipped = int(np.count_nonzero((wanted < LOWEST) | (wanted > HIGHEST)))
    scaled = {term: scale * values for term, values in parts.items()}
    return Sales(yuan, np.log10(yuan), shift + scale * signal, scaled, clipped)


def _calibration(values: Values) -> tuple[float, float]:
    """Shift and scale that give the values, once clipped, the mean and standard deviation of Table 5."""
    shift, scale = MEAN, SD / float(values.std())
    for _ in range(50):  # clipping moves both a little; each round makes up for most of what is left
        clipped = np.clip(shift + scale * values, LOWEST, HIGHEST)
        shift += MEAN - float(clipped.mean())
        scale *= SD / float(clipped.std())
    return shift, scale


Worth = Callable[[frozenset[str]], float]


def population_worth(interaction: Interaction) -> Worth:
    """Share of the signal's variance that a set of entities determines, in the population."""
    parts = terms(interaction)
    return lambda known: sum(term.share for term in parts if term.entities <= known)


def realised_worth(parts: Mapping[Term, Values]) -> Worth:
    """The same in a sample: the variance of the terms that a set of entities determines, over that of all."""
    total = float(np.var(np.sum(list(parts.values()), axis=0)))

    def worth(known: frozenset[str]) -> float:
        determined = [values for term, values in parts.items() if term.entities <= known]
        return float(np.var(np.sum(determined, axis=0))) / total if determined else 0.0

    return worth


def shapley(worth: Worth) -> dict[str, float]:
    """Each entity's mean gain over all orders in which the entities can become known; they sum to 1."""
    orders = list(itertools.permutations(SHARES))
    gains = dict.fromkeys(SHARES, 0.0)
    for order in orders:
        known: frozenset[str] = frozenset()
        for entity in order:
            gains[entity] += worth(known | {entity}) - worth(known)
            known |= {entity}
    return {entity: gain / len(orders) for entity, gain in gains.items()}


def leave_one_out(worth: Worth) -> dict[str, float]:
    """What is lost when one entity is unknown; a product of two entities is lost with either."""
    everything = frozenset(SHARES)
    return {entity: worth(everything) - worth(everything - {entity}) for entity in SHARES}
