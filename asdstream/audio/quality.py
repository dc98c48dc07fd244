"""How good the sound of a channel is: level, direct current, clipping, silence."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLIPPED_AT = 0.99
"""Of full scale; an 8-bit converter tops out at 127/128."""
SILENT_DBFS = -90.0
"""A microphone that lives is louder than this: one bit of 16 is -90 dBFS."""
FLOOR_DBFS = -200.0


@dataclass(frozen=True, slots=True)
class Quality:
    """Over about a second: RMS level without direct current in dB of full scale, mean, share of clipped samples."""

    level_dbfs: float
    dc_offset: float
    clipped: float

    @property
    def silent(self) -> bool:
        """Whether nothing but a dead input is this quiet."""
        return self.level_dbfs < SILENT_DBFS


class QualityMeter:
    """Sums up blocks until there is a second of sound, then makes a `Quality` of it. Samples must be finite."""

    def __init__(self) -> None:
        self._frames = 0
        self._count = 0
        self._sum = 0.0
        self._squares = 0.0
        self._clipped = 0
        self.latest: Quality | None = None
        """Of the last whole second; None before that."""
        self.clipped_samples = 0
        """Over the whole life of the channel."""

    def add(self, samples: NDArray[np.float32], sample_rate: int) -> None:
        """Take (frames, channels) in."""
        if not samples.size:
            return
        clipped = int(np.count_nonzero(np.abs(samples) >= CLIPPED_AT))
        flat = samples.ravel()
        self._frames += len(samples)
        self._count += samples.size
        self._sum += float(flat.sum(dtype=np.float64))
        self._squares += float(np.square(flat, dtype=np.float64).sum())
        self._clipped += clipped
        self.clipped_samples += clipped
        if self._frames >= sample_rate:
            self.latest = self._quality()
            self._frames = self._count = self._clipped = 0
            self._sum = self._squares = 0.0

    def _quality(self) -> Quality:
        mean = self._sum / self._count
        power = max(self._squares / self._count - mean * mean, 0.0)
        level = 10.0 * math.log10(power) if power > 0.0 else FLOOR_DBFS
        return Quality(max(level, FLOOR_DBFS), mean, self._clipped / self._count)
