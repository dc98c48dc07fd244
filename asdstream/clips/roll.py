"""The newest sound of a channel, so that a clip can begin before its alarm."""

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import Window

FULL = 32_768.0


class Roll:
    """The last `capacity` samples of an unbroken stretch of sound, as 16-bit numbers: half of what windows take.

    Fed with the windows of one channel; what two of them share is taken once. Used by one thread at a time.
    """

    def __init__(self, capacity: int) -> None:
        self._samples = np.zeros(capacity, np.int16)
        self.run = -1
        self.begin = 0
        self.end = 0

    def hear(self, window: Window) -> None:
        """Take what is new of `window`; another run, or windows left out so long that sound is missing, begins anew."""
        end = window.start + len(window.samples)
        if window.run != self.run or window.start > self.end:
            self.run, self.begin, self.end = window.run, window.start, window.start
        new = window.samples[max(0, self.end - window.start) :][-len(self._samples) :]
        if len(new):
            at = (end - len(new)) % len(self._samples)
            first = min(len(new), len(self._samples) - at)
            kept = to_16_bit(new)
            self._samples[at : at + first] = kept[:first]
            self._samples[: len(kept) - first] = kept[first:]
            self.end = end
            self.begin = max(self.begin, self.end - len(self._samples))

    def cut(self, begin: int, end: int) -> tuple[int, NDArray[np.int16]]:
        """A copy of the samples from `begin` to `end` of the run, as far as they are here, and where they begin."""
        begin, end = max(begin, self.begin), min(end, self.end)
        if begin >= end:
            return begin, np.zeros(0, np.int16)
        return begin, self._samples[np.arange(begin, end) % len(self._samples)]


def to_16_bit(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples (n,) nominally in [-1, 1] as 16-bit numbers; what is louder is clipped."""
    return np.asarray(np.clip(np.rint(samples * np.float32(FULL)), -FULL, FULL - 1.0), np.int16)
