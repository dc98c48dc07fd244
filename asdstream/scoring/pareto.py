"""The generalised Pareto distribution: what lies over a high level, whatever the scores are otherwise like."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

HEAVIEST = 0.5
"""Shapes from here on have no variance, and L-moments of a few dozen peaks cannot tell them apart."""


@dataclass(frozen=True, slots=True)
class ParetoTail:
    """Excesses x over a level: P(X > x) = (1 + shape x / scale)^(-1 / shape), exp(-x / scale) where shape is 0."""

    shape: float
    scale: float

    @classmethod
    def fit(cls, excesses: NDArray[np.float64]) -> Self:
        """Fit to excesses (n,), all over 0, by L-moments (Hosking and Wallis 1987, with their plotting positions).

        With l1 the mean and l2 the second L-moment, shape = 2 - l1 / l2 and scale = l1 (1 - shape). The shape is held
        between 0 and 0.5: a tail that ends, which a negative one means, is never concluded from the sound heard.
        """
        values = np.sort(np.asarray(excesses, dtype=np.float64))
        mean = float(values.mean())
        positions = (np.arange(1, len(values) + 1) - 0.35) / len(values)
        second = mean - 2 * float(np.mean((1 - positions) * values))
        shape = 2 - mean / second if second > 0 else 0.0
        shape = min(max(shape, 0.0), HEAVIEST)
        return cls(shape, mean * (1 - shape))

    def exceeded(self, excess: float) -> float:
        """P(X > excess)."""
        ratio = max(excess, 0.0) / self.scale
        if self.shape == 0:
            return math.exp(-ratio)
        return math.exp(-math.log1p(self.shape * ratio) / self.shape)

    def quantile(self, probability: float, trusted_to: float) -> float:
        """The excess that is exceeded with `probability`; below `trusted_to` the tail goes on as an exponential one.

        The exponential has the hazard rate that the tail has come to there, so the join is smooth, and a power law
        cannot carry a threshold out of sight of all data.
        """
        to = max(probability, min(trusted_to, 1.0))
        rarity = -math.log(to)
        excess = self.scale * (rarity if self.shape == 0 else math.expm1(self.shape * rarity) / self.shape)
        return excess + (self.scale + self.shape * excess) * math.log(to / probability)
