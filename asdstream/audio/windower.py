"""Cuts a stream of 16 kHz mono into sliding windows. Pure: no clock, no I/O."""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from asdstream.audio.ring import Ring
from asdstream.audio.window import SAMPLE_RATE, WINDOW_SAMPLES


def hop_samples(hop_s: float) -> int:
    """A hop in seconds as whole samples; ValueError where that is less than one."""
    samples = round(hop_s * SAMPLE_RATE)
    if samples < 1:
        raise ValueError(f"the hop must be at least one sample (1/{SAMPLE_RATE} s), not {hop_s} s")
    return samples


class Windower:
    """A window of `window` samples when the first is full, then one every `hop` samples."""

    def __init__(self, window: int, hop: int) -> None:
        if hop < 1:
            raise ValueError(f"the hop must be at least one sample, not {hop}")
        self._window = window
        self._hop = hop
        self._ring = Ring(window)
        self._next_end = window

    def push(self, samples: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Take (n,) samples; yield, for each window they complete, its end (samples since the reset) and a copy of it.

        The iterator must be run to its end before the next push.
        """
        position = 0
        while position < len(samples):
            step = min(self._next_end - self._ring.total, len(samples) - position)
            self._ring.append(samples[position : position + step])
            position += step
            if self._ring.total == self._next_end:
                self._next_end += self._hop
                yield self._ring.total, self._ring.last(self._window)

    def next_after(self, samples: int) -> None:
        """Between windows of a push: the next ends so many samples after the latest, then they come by hops."""
        if samples < 1:
            raise ValueError(f"the next window must end at least one sample later, not {samples}")
        self._next_end = self._ring.total + samples

    def reset(self) -> None:
        """Begin anew: no window spans the moment of the reset."""
        self._ring.clear()
        self._next_end = self._window


def windows_of(samples: NDArray[np.float32], hop_s: float) -> NDArray[np.float32]:
    """All windows of a whole 16 kHz mono recording (n,), as a read-only view of shape (windows, 160000).

    A recording shorter than a window is one window, padded with zeros at its end. What is left after the last whole
    hop is not looked at, as in a live stream. ValueError for a recording without a sample.
    """
    if not len(samples):
        raise ValueError("a recording without a sample has no windows")
    hop = hop_samples(hop_s)
    if len(samples) < WINDOW_SAMPLES:
        samples = np.pad(samples, (0, WINDOW_SAMPLES - len(samples)))
    return sliding_window_view(np.asarray(samples, np.float32), WINDOW_SAMPLES)[::hop]
