"""What can be said of several methods at once: gaps, letters, which may be the best, which beat a control.

Each question has its own critical value, and each holds its rate of false findings (5 %) over all of the
comparisons that it makes:

- all pairs: Tukey's range (gaps, letters);
- may be the best: Hsu's comparisons with the best, by Dunnett's one-sided critical value; a method is out
  where some other is better by more than that. The true best stays among the candidates in 95 % of cases;
- against a control that was chosen beforehand: Dunnett's, two-sided;
- pairs that were chosen beforehand: Student's t, Bonferroni-corrected for their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase

import numpy as np
from scipy.stats import norm, t

from bench.compare.components import Components
from bench.compare.extremes import Inner, above_one, against_one, all_pairs, bonferroni, critical, p_value

LEVEL = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Gap:
    """The difference of two means, with what is known of it.

    Attributes:
        value: the first less the second.
        low, high: ends of the simultaneous 95 % interval.
        p: that there is no difference, corrected for all comparisons of its kind; NaN for one with itself.
        detectable: the smallest difference that would be found in four cases of five.
    """

    value: float
    low: float
    high: float
    p: float
    detectable: float

    @property
    def found(self) -> bool:
        """Whether the two can be distinguished, which is whether the interval leaves out 0."""
        return self.p < LEVEL


@dataclass(frozen=True)
class Simultaneous:
    """Methods compared with each other, by name.

    Attributes:
        names: of the k methods.
        parts: means and variances, in the same order.
        lower_is_better: which way a mean is better.
        bounds: range of the metric.
    """

    names: tuple[str, ...]
    parts: Components
    lower_is_better: bool
    bounds: tuple[float, float] = (-np.inf, np.inf)

    @property
    def means(self) -> np.ndarray:
        """(k,) means over splits."""
        return np.asarray(self.parts.means.mean(1))

    @property
    def best(self) -> str:
        """The one with the best mean."""
        return self.names[int(np.argmin(self._sign * self.means))]

    @property
    def order(self) -> list[str]:
        """Names, the best mean first."""
        return [self.names[i] for i in np.argsort(self._sign * self.means, kind="stable")]

    def gap(self, one: str, other: str) -> Gap:
        """`one` less `other`, simultaneous over all pairs."""
        return self._gap(self.names.index(one), self.names.index(other), all_pairs, float(np.sqrt(2)))

    def against(self, control: str, others: Sequence[str]) -> dict[str, Gap]:
        """`others` less a control that was chosen beforehand, simultaneous over these alone."""
        j = self.names.index(control)
        return {n: self._gap(self.names.index(n), j, against_one, 1.0, len(others) + 1) for n in others}

    def planned(self, pairs: Mapping[str, tuple[str, str]]) -> dict[str, Gap]:
        """The first less the second of pairs that were chosen beforehand, by the pairs' names."""
        return {
            name: self._gap(self.names.index(one), self.names.index(other), bonferroni, 1.0, len(pairs) + 1)
            for name, (one, other) in pairs.items()
        }

    def candidates(self) -> list[str]:
        """Those that may be the best, the best mean first; the true best is among them in 95 % of cases."""
        beaten = self._sign * self._statistics - self._critical(above_one) > 0
        out = {name for name, row in zip(self.names, beaten, strict=True) if row.any()}
        return [name for name in self.order if name not in out]

    def letters(self) -> dict[str, str]:
        """Name -> letters; methods that share one cannot be distinguished. The best mean has an a.

        Sets of methods are split at every pair that differs, and those within others go (insert and absorb,
        Piepho, 2004).
        """
        order = [self.names.index(name) for name in self.order]
        groups = [set(order)]
        for i, j in zip(*np.triu_indices(len(order), 1), strict=True):
            one, other = order[i], order[j]
            if not self._differ[one, other]:
                continue
            split = [
                part for g in groups for part in ((g - {one}, g - {other}) if {one, other} <= g else (g,))
            ]
            distinct = [g for n, g in enumerate(split) if g not in split[:n]]
            groups = [g for g in distinct if not any(g < other_group for other_group in distinct)]
        groups.sort(key=lambda g: sorted(order.index(i) for i in g))
        named = {name: "" for name in self.names}
        for n, group in enumerate(groups):
            for member in group:
                named[self.names[member]] += letter(n)
        return named

    def distinguished(self, one: str, other: str) -> bool:
        """Whether the gap of two is found, over all pairs."""
        return bool(self._differ[self.names.index(one), self.names.index(other)])

    @property
    def any_found(self) -> bool:
        """Whether any two are distinguished."""
        return bool(self._differ.any())

    def covers(self, truth: np.ndarray) -> bool:
        """Whether the simultaneous intervals of all pairs hold their true differences, of means (k,)."""
        off = np.abs(self.means[:, None] - self.means[None] - (truth[:, None] - truth[None]))
        return bool((np.sqrt(2) * off <= self._critical(all_pairs) * self._errors).all())

    @cached_property
    def strength(self) -> np.ndarray:
        """(k, k) every difference over the smallest that is found, over all pairs."""
        return np.asarray(np.sqrt(2) * np.abs(self._statistics) / self._critical(all_pairs))

    @property
    def _sign(self) -> int:
        return 1 if self.lower_is_better else -1

    @cached_property
    def _errors(self) -> np.ndarray:
        return np.asarray(np.sqrt(self.parts.variance))

    @cached_property
    def _df(self) -> np.ndarray:
        return self.parts.df

    @cached_property
    def _statistics(self) -> np.ndarray:
        """(k, k) differences in standard errors; 0 where there is neither."""
        gaps = self.means[:, None] - self.means[None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(gaps == 0, 0.0, gaps / self._errors))

    @cached_property
    def _differ(self) -> np.ndarray:
        """(k, k) whether two can be distinguished, over all pairs."""
        return self.strength > 1

    def _critical(self, inner: Inner) -> np.ndarray:
        """(k, k) critical values for the degrees of freedom of every pair."""
        free, places = np.unique(self._df, return_inverse=True)
        return np.array([critical(inner, len(self.names), float(df), LEVEL) for df in free])[places]

    def _gap(self, i: int, j: int, inner: Inner, scale: float, k: int = 0) -> Gap:
        if i == j:
            return Gap(0.0, 0.0, 0.0, np.nan, np.nan)
        k = k or len(self.names)
        value, error, df = self.means[i] - self.means[j], self._errors[i, j], self._df[i, j]
        p = p_value(inner, scale * float(self._statistics[i, j]), k, float(df))
        reach = critical(inner, k, float(df), LEVEL) / scale
        widest = self.bounds[1] - self.bounds[0]
        low, high = np.clip([value - reach * error, value + reach * error], -widest, widest)
        quantile = norm.ppf(POWER) if np.isinf(df) else t.ppf(POWER, df)
        return Gap(float(value), float(low), float(high), p, float((reach + quantile) * error))


def letter(n: int) -> str:
    """A to z, then a1 and so on."""
    return ascii_lowercase[n % 26] + (str(n // 26) if n >= 26 else "")
