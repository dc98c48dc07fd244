"""Natural variation, slow or fast, written as a closed form so that it and its integral are known at any moment."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.random_stream import generator

SLOW: Final = (0.004, 0.4)
"""Weather, warmth, load: slowest and fastest in Hz."""
FAST: Final = (0.7, 25.0)
"""Uneven running of a small drive: slowest and fastest in Hz."""
_PARTIALS: Final = {SLOW: 7, FAST: 13}


@dataclass(frozen=True, slots=True, eq=False)
class Wander:
    """A sum of slow sinusoids with zero mean; `depth` is its standard deviation over a long time.

    A sum of sinusoids rather than filtered noise, because its integral (the phase of a shaft that turns at a
    wandering speed) is needed at any second without integrating from the start.
    """

    radians_per_s: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]

    def value(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The variation at `seconds`, of shape (n,)."""
        return np.sin(np.outer(seconds, self.radians_per_s) + self.phases) @ self.amplitudes

    def integral(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The antiderivative at `seconds`, of shape (n,)."""
        return -np.cos(np.outer(seconds, self.radians_per_s) + self.phases) @ (self.amplitudes / self.radians_per_s)


@lru_cache(maxsize=4096)
def wander(seed: int, name: str, depth: float, band_hz: tuple[float, float] = SLOW) -> Wander:
    """The variation called `name` in the recording `seed`; slower parts are larger, as in machines and weather."""
    rng = generator("wander", seed, name)
    partials = _PARTIALS[band_hz]
    edges = np.geomspace(*band_hz, partials + 1)
    hertz = edges[:-1] * (edges[1:] / edges[:-1]) ** rng.random(partials)
    shape = hertz**-0.3
    amplitudes = depth * np.sqrt(2.0) * shape / np.sqrt(np.sum(shape**2))
    return Wander(2.0 * np.pi * hertz, amplitudes, 2.0 * np.pi * rng.random(partials))
