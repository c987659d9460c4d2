"""Where the variance of a difference comes from: the samples that were tested, splits and training.

Loss y[m, s, i] of method m on sample i in split s, M[m, s] its mean over the n samples of the split:

- sampling: the residuals y - M are summed over splits, as a sample keeps part of its difficulty, and samples
  of one group are summed first. G is the covariance of the methods' means from them;
- split and training: what the means M of two methods differ by from split to split, less the sampling part
  of it. It is small and has few splits to be seen in, so it is pooled over all pairs, in units of how much
  the losses of both methods vary within a split: two bad methods differ more from split to split than two
  good ones do.

    var(a - b) = V[a, b] + g[a, b] (1 / J + n_test / n_train),  V[a, b] = G[a, a] + G[b, b] - 2 G[a, b]

with Satterthwaite's degrees of freedom. The last term is Nadeau and Bengio's (2003): training parts of random
splits overlap. On one fixed split it is 0: seeds repeat the training, and samples are the other half. It is 0
too where every seed has data of its own: no sample is in two splits, and V and g together are the variance of
the plain paired test, pooled over pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.extremes import MANY


@dataclass(frozen=True)
class Components:
    """Means of k methods over J splits, with the variance of every difference.

    Attributes:
        means: (k, J) mean loss, or another metric, in each split.
        sampling: (k, k) the part V of the variance that comes from the samples tested; 0 where values per
            split are all that is known.
        within: the part of `spread` that comes from the samples tested.
        spread: variance of a difference of two means from split to split, for a pair of scale 1.
        samples: distinct samples, or groups of them; 0 where they are not known.
        overlap: n_test / n_train of random splits; 0 for one fixed split, or data that are drawn anew.
        scale: (k, k) how much the losses of both methods vary beside the mean of all pairs; 1 where that is
            not known.
        anew: whether every split has data of its own, drawn for it.
        same: (k, k) which rows are one and the same in every split: nothing is uncertain of their difference.
    """

    means: np.ndarray
    sampling: np.ndarray
    within: float
    spread: float
    samples: int
    overlap: float
    scale: np.ndarray | float = 1.0
    anew: bool = False
    same: np.ndarray | None = None

    @property
    def variance(self) -> np.ndarray:
        """(k, k) variance of the difference of two means; 0 on the diagonal."""
        apart = ~(np.eye(len(self.means), dtype=bool) if self.same is None else self.same)
        return np.asarray(self.sampling + self._factor * max(0.0, self.spread - self.within) * apart)

    @property
    def df(self) -> np.ndarray:
        """(k, k) degrees of freedom; infinite for no variance.

        Satterthwaite's, of the two estimates that vary by themselves: the spread over splits, and what single
        samples say.
        """
        k, splits = self.means.shape
        seen, spread = self.sampling - self._factor * self.within, self._factor * self.spread
        parts = seen**2 / max(1, self.samples - 1) + spread**2 / ((k - 1) * (splits - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            free = np.where(parts > 0, self.variance**2 / parts, np.inf)
        return np.where(free < MANY, _two_digits(np.minimum(free, MANY)), np.inf)

    @property
    def _factor(self) -> np.ndarray:
        return np.asarray((1 / self.means.shape[1] + self.overlap) * self.scale)


def from_losses(
    losses: Sequence[np.ndarray], units: Sequence[np.ndarray], overlap: float = 0.0, *, anew: bool = False
) -> Components:
    """The components of losses of single samples.

    Args:
        losses: one (k, n) per split, two splits or more; n may differ.
        units: one (n,) per split: which sample, or group of samples, of the whole dataset each is.
        overlap: n_test / n_train.
        anew: whether every split has data of its own, so that units are others in each, whatever their names.
    """
    splits, k = len(losses), len(losses[0])
    if anew:
        units = [np.array([f"{s}/{unit}" for unit in part]) for s, part in enumerate(units)]
    names, numbered = np.unique(np.concatenate(units), return_inverse=True)
    means = np.stack([part.mean(1) for part in losses], axis=1)
    summed, own, start = np.zeros((k, len(names))), np.zeros((k, k)), 0
    for part in losses:
        rows = numbered[start : start + part.shape[1]]
        start += part.shape[1]
        shares = (part - part.mean(1, keepdims=True)) / part.shape[1]
        totals = np.stack([np.bincount(rows, share, len(names)) for share in shares])
        # few groups see less spread than there is
        by_unit = np.asarray(totals * _unbiased(len(np.unique(rows))))
        summed += by_unit / splits
        own += by_unit @ by_unit.T / splits
    shared = summed @ summed.T
    cross = (splits**2 * shared - splits * own) / (splits * (splits - 1))
    sampling = np.maximum(differences(shared), 0.0)
    pairs, apart = np.triu_indices(k, 1), spreads(means)
    noise = np.add.outer(np.diag(own), np.diag(own))
    known = noise > 1e-9 * max(noise[pairs].mean(), float(apart.max()))
    scale = np.where(known, noise / noise[pairs].mean(), 1.0)
    within = float((differences(own - cross) / scale)[pairs].mean())
    spread = float((apart / scale)[pairs].mean())
    same = identical(losses)
    sampling[same] = 0.0
    return Components(means, sampling, within, spread, len(names), overlap, scale, anew, same)


def from_values(values: np.ndarray, overlap: float = 0.0, *, anew: bool = False) -> Components:
    """The components of values per split (k, J), two splits or more: areas, R2, and what is no mean loss."""
    k = len(values)
    spread = float(spreads(values)[np.triu_indices(k, 1)].mean())
    same = identical([values])
    return Components(values, np.zeros((k, k)), 0.0, spread, 0, overlap, anew=anew, same=same)


def identical(parts: Sequence[np.ndarray]) -> np.ndarray:
    """(k, k) which rows of parts (k, n) are equal in every bit, such as one model under two names."""
    rows = [b"".join(np.ascontiguousarray(part[i]).tobytes() for part in parts) for i in range(len(parts[0]))]
    return np.array([[one == other for other in rows] for one in rows])


def spreads(values: np.ndarray) -> np.ndarray:
    """(k, k) variance over splits of the difference of two rows of (k, J)."""
    return np.asarray((values[:, None] - values[None]).var(2, ddof=1))


def differences(covariance: np.ndarray) -> np.ndarray:
    """(k, k) variances of differences from covariances."""
    own = np.diag(covariance)
    return np.asarray(own[:, None] + own[None] - 2 * covariance)


def _two_digits(free: np.ndarray) -> np.ndarray:
    """Degrees of freedom rounded down, not below 1: few distinct ones, each of which takes time."""
    unit = 10.0 ** np.floor(np.log10(np.maximum(free, 1.0)) - 1)
    # what is whole but for rounding stays whole
    return np.asarray(np.maximum(np.floor(free / unit + 1e-9) * unit, 1.0))


def _unbiased(units: int) -> float:
    """Root of n / (n - 1), for the mean that was taken off."""
    return float(np.sqrt(units / (units - 1))) if units > 1 else 1.0
