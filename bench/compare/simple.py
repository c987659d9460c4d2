"""The plainest procedure for all pairs, beside which ours is measured; no verdict uses it.

The same parts of the variance, but the spread over splits is pooled over pairs whatever their noise, and the
degrees of freedom are Satterthwaite's as if the sampling part and the rest of the spread were estimated
independently. They are not, as the one is subtracted to have the other: it distinguishes equal methods too
often (`bench calibrate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.components import Components, differences, from_losses, spreads


@dataclass(frozen=True)
class Simple(Components):
    """Components with the plain degrees of freedom."""

    @property
    def df(self) -> np.ndarray:
        """(k, k) degrees of freedom; infinite for no variance."""
        k, splits = self.means.shape
        beside = self._factor * max(0.0, self.spread - self.within)
        parts = self.sampling**2 / (self.samples - 1) + beside**2 / ((k - 1) * (splits - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(parts > 0, np.maximum(np.floor(self.variance**2 / parts), 1.0), np.inf)


def simple(losses: Sequence[np.ndarray], units: Sequence[np.ndarray], overlap: float) -> Simple:
    """The components of losses as `from_losses` takes them, all pairs on one scale."""
    parts, splits = from_losses(losses, units, overlap), len(losses)
    own = sum(np.cov(loss) / loss.shape[1] for loss in losses) / splits
    sampling = parts.sampling
    # what two splits have in common of the samples
    shared = (splits**2 * sampling - splits * differences(own)) / (splits * (splits - 1))
    pairs = np.triu_indices(len(parts.means), 1)
    within = float((differences(own) - shared)[pairs].mean())
    spread = float(spreads(parts.means)[pairs].mean())
    return Simple(parts.means, sampling, within, spread, parts.samples, overlap)
