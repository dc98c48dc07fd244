"""The gamma distribution's upper tail, in float64, without scipy, and its fit with a free origin."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

_LARGEST_SKEWNESS = 4.0
_SMALLEST_SPREAD = 1e-3
"""Standard deviation over mean; scores of real sound vary more, copies of one recording do not."""
_SPREAD_CONFIDENCE = 0.9


def upper_tail(shape: float, x: float) -> float:
    """P(X > x) of a gamma variable with the given shape and scale 1."""
    if x <= 0:
        return 1.0
    arguments = torch.tensor([shape, x], dtype=torch.float64)
    return float(torch.special.gammaincc(arguments[0], arguments[1]))


def upper_quantile(shape: float, probability: float) -> float:
    """The x with P(X > x) = `probability`, for a gamma variable with the given shape and scale 1; by bisection.

    Raises ValueError unless shape > 0 and 0 < probability < 1.
    """
    if not (shape > 0 and math.isfinite(shape) and 0 < probability < 1):
        raise ValueError(f"shape must be positive and probability in (0, 1), not {shape} and {probability}")
    low, high = 0.0, shape + 1.0
    while upper_tail(shape, high) > probability:
        low, high = high, 2 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if upper_tail(shape, middle) > probability:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@dataclass(frozen=True, slots=True)
class GammaTail:
    """The distribution of `location` + gamma(`shape`, `scale`), Pearson's type III."""

    shape: float
    scale: float
    location: float

    @classmethod
    def fit(cls, scores: NDArray[np.float64], looks: float | None = None) -> Self:
        """Fit to `scores` (n,), none below 0, by the method of moments.

        With mean m, standard deviation s and skewness g, which is held between 2 s / m, that of a gamma distribution
        that starts at zero, and 4: shape = 4 / g^2, scale = s g / 2, location = m - 2 s / g.

        Where `looks` says how many of the scores are independent, s is its upper 90 % bound, which errs to the safe
        side: s sqrt((looks - 1) / chi2), chi2 the 10 % quantile with looks - 1 degrees of freedom.
        """
        mean = max(float(scores.mean()), 1e-6)
        spread = max(float(scores.std(ddof=1)), _SMALLEST_SPREAD * mean)
        skewness = float(np.mean(((scores - scores.mean()) / spread) ** 3))
        skewness = min(max(skewness, 2 * spread / mean), _LARGEST_SKEWNESS)
        if looks is not None:
            freedom = looks - 1
            # The chi-square distribution is a gamma distribution of half the degrees of freedom and scale 2.
            spread *= math.sqrt(freedom / (2 * upper_quantile(freedom / 2, _SPREAD_CONFIDENCE)))
        return cls(shape=4 / skewness**2, scale=spread * skewness / 2, location=mean - 2 * spread / skewness)

    def quantile(self, probability: float) -> float:
        """The score that is exceeded with `probability`."""
        return self.location + self.scale * upper_quantile(self.shape, probability)

    def exceeded(self, score: float) -> float:
        """P(X > score)."""
        return upper_tail(self.shape, (score - self.location) / self.scale)
