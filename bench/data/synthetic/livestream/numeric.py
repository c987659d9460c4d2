"""Numbers that grow with their level, evenly on a log scale."""

import numpy as np

# An anchor's counts: value at level 0, and the natural log of the growth from level to level.
COUNTS: dict[str, tuple[float, float]] = {
    "avg30DayView": (900.0, 0.90),
    "avgComment": (25.0, 0.75),
    "avgLike": (300.0, 0.95),
    "commentCount": (1_500.0, 0.85),
    "fansCount": (2_000.0, 1.10),
    "followTopCount": (40.0, 0.80),
    "likeCount": (12_000.0, 1.00),
}
SCATTER = 0.4  # of an anchor's counts, in levels (standard deviation)
JITTER = 0.2  # of price and duration, in levels (largest): under one half, so the level can be read exactly


def _grown(base: float, growth: float, level: float) -> float:
    return base * float(np.exp(growth * level))


def anchor(level: int, rng: np.random.Generator) -> dict[str, float]:
    """An anchor's counts, each with a scatter of its own, and the platform's score, which tells the level."""
    counts = {
        column: float(round(_grown(base, growth, level + rng.normal(0, SCATTER))))
        for column, (base, growth) in COUNTS.items()
    }
    return counts | {"score": 3.5 + 0.2 * level}


def commodity(level: int, rng: np.random.Generator) -> dict[str, float]:
    """Price and discounted price, in yuan."""
    price = _grown(12.0, 0.70, level + rng.uniform(-JITTER, JITTER))
    return {"couponPrice": round(price * rng.uniform(0.80, 0.95), 2), "price": round(price, 2)}


def room(level: int, rng: np.random.Generator) -> dict[str, float]:
    """Length of the stream, in seconds."""
    return {"duration": float(round(_grown(1_800.0, 0.45, level + rng.uniform(-JITTER, JITTER))))}
