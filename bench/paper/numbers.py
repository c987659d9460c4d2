"""A printed number is an interval: every unrounded value that prints as these digits."""

from __future__ import annotations

import re
from dataclasses import dataclass

SLACK = 1e-9
"""Ends of intervals are sums of decimal fractions in binary; this much is arithmetic, not difference."""


@dataclass(frozen=True)
class Interval:
    """All values from low to high, both included."""

    low: float
    high: float

    def meets(self, other: Interval) -> bool:
        """Whether some value lies in both; a shared end is enough, since a half may be rounded either way."""
        return self.low <= other.high + SLACK and other.low <= self.high + SLACK

    def overlaps(self, other: Interval) -> bool:
        """Whether they share more than an end: 0.71 and 0.72 are not two prints of one number."""
        return self.low < other.high - SLACK and other.low < self.high - SLACK

    def scaled(self, factor: float) -> Interval:
        """Every value times a positive factor."""
        return Interval(self.low * factor, self.high * factor)

    def over(self, other: Interval) -> Interval:
        """Every quotient; both intervals must be positive."""
        return Interval(self.low / other.high, self.high / other.low)


@dataclass(frozen=True)
class Printed:
    """A number as it stands on paper.

    Attributes:
        text: its characters.
        value: what they say.
        decimals: digits after the point.
        lost_point: it reads 07131, and 0.7131 must be meant.
    """

    text: str
    value: float
    decimals: int
    lost_point: bool = False

    @property
    def interval(self) -> Interval:
        """Every value that rounds to these digits."""
        half = 0.5 * 10.0**-self.decimals
        return Interval(self.value - half, self.value + half)

    @property
    def low(self) -> float:
        """The least unrounded value."""
        return self.interval.low

    @property
    def high(self) -> float:
        """The greatest unrounded value."""
        return self.interval.high


def parse(text: str) -> Printed | None:
    """The number that a cell prints, or None if it prints none (empty, a dash, words)."""
    text = text.strip().replace("\u2212", "-")
    if re.fullmatch(r"0\d+", text):
        return Printed(text, float(f"0.{text[1:]}"), len(text) - 1, lost_point=True)
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
        return None
    return Printed(text, float(text), len(text.partition(".")[2]))
