"""A piece of sound as a source delivers it."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Break(StrEnum):
    """Why a block does not continue the one before it."""

    GAP = "gap"
    """Sound was lost: a buffer overran, a device vanished, messages stopped for a while."""
    RECORDING = "recording"
    """Another recording begins here; nothing was lost."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """Sound at the source's own rate and channel count.

    `samples` is float32 of shape (frames, channels), nominally in [-1, 1]; `sample_rate` is in Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    break_before: Break | None = None
