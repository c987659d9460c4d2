"""What mean, spread and range of a target say about errors relative to it (MAPE)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from bench.paper.numbers import Interval

ROUNDED = 0.001
"""The statistics are rounded too: bounds are widened by this share, several times what rounding can do."""

STEPS = 16


@dataclass(frozen=True)
class Target:
    """A positive target: its range, mean and population standard deviation."""

    low: float
    high: float
    mean: float
    sd: float

    def mape(self, mae: Interval, mse: Interval) -> Interval:
        """Where mean(|e| / y) can lie for errors e of this MAE and MSE.

        By Cauchy and Schwarz. Below: (E|e|)^2 <= E(|e|/y) E(|e| y), where E(|e| y) is at most
        mean MAE + sd sqrt(MSE - MAE^2). Above: E(|e|/y) <= c MAE + sqrt(MSE E(1/y - c)^2) for every c.
        MAE/max and MAE/min are taken where they are narrower.
        """
        spread = sqrt(max(mse.high - mae.low**2, 0.0))
        below = mae.low**2 / (self.mean * mae.low + self.sd * spread) if mae.low > 0 else 0.0
        # Up to c = 2/max, the third derivative of (1/y - c)^2 is negative over the whole range.
        steps = [2.0 / self.high * i / STEPS for i in range(STEPS + 1)]
        above = min(c * mae.high + sqrt(mse.high * self._greatest_inverse_spread(c)) for c in steps)
        return Interval(
            max(below, mae.low / self.high) * (1 - ROUNDED), min(above, mae.high / self.low) * (1 + ROUNDED)
        )

    def _greatest_inverse_spread(self, c: float) -> float:
        """The greatest E(1/y - c)^2 of any distribution with this range, mean and sd.

        A function with a negative third derivative is greatest on average for the two-point distribution
        that has one point at the lower end (Chebyshev, Markov and Krein; Karlin & Studden 1966, ch. III).
        """
        other = self.mean + self.sd**2 / (self.mean - self.low)
        share = (other - self.mean) / (other - self.low)
        return share * (1 / self.low - c) ** 2 + (1 - share) * (1 / other - c) ** 2
