"""A sound source: what excites, and the path along which it is heard."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk


class Excitation(Protocol):
    """Gives the excitation of one chunk: float32, between sample_rate and 1.25 sample_rate samples, unit RMS at the
    rated speed and load (pulses: unit RMS once filtered by a response of unit energy)."""

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """An excitation at `level_db` (relative to the other voices) through an impulse response of unit energy.

    `response` of None is the open air: the excitation itself is heard.
    """

    excitation: Excitation
    level_db: float
    response: NDArray[np.float64] | None = None

    @property
    def amplitude(self) -> np.float32:
        return np.float32(10.0 ** (self.level_db / 20.0))
