"""All prototypes have a say, the nearer the more."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainer.backends.back_end import NormalSound, Rows, cosine_distances
from trainer.backends.minimum_cosine import MinimumCosine

_SMALLEST = 1e-9


@dataclass(frozen=True, slots=True)
class GeneralisedMean:
    """Power mean of the cosine distances to all prototypes: (mean of d^p)^(1/p).

    p = 1 is the plain mean, p to minus infinity the smallest distance. The prototypes are those of `MinimumCosine`.
    """

    exponent: float = -3.0
    prototypes: MinimumCosine = field(default_factory=MinimumCosine)

    def __post_init__(self) -> None:
        if self.exponent == 0.0:
            raise ValueError("exponent is 0, for which the power mean is not defined; right would be -3, say")

    def fit(self, sound: NormalSound, seed: int) -> "PowerMean":
        """See `BackEnd`."""
        return PowerMean(self.prototypes.prototypes(sound, seed), self.exponent)


@dataclass(frozen=True, slots=True, eq=False)
class PowerMean:
    """A fitted `GeneralisedMean`."""

    bank: Rows
    exponent: float

    def score(self, rows: Rows) -> NDArray[np.float64]:
        """See `FittedBackEnd`."""
        logs = self.exponent * np.log(np.maximum(cosine_distances(rows, self.bank), _SMALLEST))
        mean = np.logaddexp.reduce(logs, axis=1) - np.log(len(self.bank))
        return np.asarray(np.exp(mean / self.exponent))
