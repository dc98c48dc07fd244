"""How loud a sound is, band by band, and how much that varies."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asdstream.evidence.bands import band_levels

PIECES = 5
"""Of which the levels are compared to see how much they vary by themselves: two seconds of a window each."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Of each band, float32 of shape (22,): the level in dB of full scale, and its spread in dB.

    `level` is the mean of the levels exceeded half and a tenth of the time: what comes in beats counts, and a single
    bang does not. `spread` is the standard error of a level measured over the whole sound.
    """

    level: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, samples: NDArray[np.float32]) -> Self:
        """Of 16 kHz mono `samples` (n,) of at least a second."""
        levels = band_levels(samples)
        pieces = np.stack([_level(piece) for piece in np.array_split(levels, PIECES)])
        return cls(_level(levels), np.asarray(pieces.std(axis=0) / np.sqrt(PIECES - 1), np.float32))


def _level(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.percentile(levels, (50.0, 90.0), axis=0).mean(axis=0), np.float32)
