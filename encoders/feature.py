"""What an encoder makes of one item: a feature, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


class EncoderFailed(RuntimeError):
    """An encoder does not do what it must; the message names it and says what it does instead."""


@dataclass(frozen=True)
class Undecodable:
    """The result for an item that has no feature: broken, empty, or not of this modality.

    Attributes:
        reason: what is wrong, without the item's name or path.
    """

    reason: str


@dataclass(frozen=True, eq=False)
class Feature:
    """A vector, or a sequence of vectors in time.

    Attributes:
        values: float32 (D,), or (T, D) for a sequence of T >= 1 steps.
        times: when each step is, (T,) rising seconds from the item's start; None where that is not known.
    """

    values: np.ndarray
    times: np.ndarray | None = None

    @property
    def fault(self) -> str:
        """What is not as it must be, or "". NaN and infinity are not looked for."""
        values, times = self.values, self.times
        if type(values) is not np.ndarray or values.dtype != np.float32:
            kind = getattr(values, "dtype", "")
            return f"its values are {type(values).__name__} {kind}".rstrip() + ", not a float32 NumPy array"
        if values.ndim not in (1, 2) or not values.size:
            return f"its values have shape {values.shape}, not (D,) or (T, D)"
        if times is None:
            return ""
        if values.ndim == 1:
            return "it has times, but is a single vector (D,)"
        if type(times) is not np.ndarray or times.dtype.kind != "f" or times.shape != values.shape[:1]:
            return f"its times are not an array of {len(values)} floating-point numbers"
        rising = np.isfinite(times).all() and (np.diff(times) > 0).all()
        return "" if rising else "its times do not rise"


def checked(answer: object, count: int, name: str) -> list[Feature | Undecodable]:
    """What an encoder's ``embed`` returned for `count` items, held to its contract, as copies.

    A feature that is not finite makes its item undecodable: a fault of the data more often than of the code.

    Raises:
        EncoderFailed: it is anything but `count` features as described.
    """
    if not isinstance(answer, Sequence) or not all(isinstance(feature, Feature) for feature in answer):
        raise EncoderFailed(f"{name}: embed returns {type(answer).__name__}, not a list of Feature")
    if len(answer) != count:
        raise EncoderFailed(f"{name}: embed returns {len(answer)} features for {count} items")
    results: list[Feature | Undecodable] = []
    for feature in answer:
        if feature.fault:
            raise EncoderFailed(f"{name} returns no proper feature: {feature.fault}")
        if np.isfinite(feature.values).all():
            times = None if feature.times is None else feature.times.astype(np.float64)
            results.append(Feature(feature.values.copy(), times))
        else:
            results.append(Undecodable("its features are not finite"))
    return results
