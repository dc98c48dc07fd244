"""How a recording looks: mel bands over time, in decibels of full scale."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ, HIGHEST_HZ = 20.0, 8_000.0
FRAME_S, HOP_S = 0.064, 0.016
FLOOR_DB = -100.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class MelSpectrogram:
    """`mel` (bands, columns) in dB: a sine of full scale is at 0. `times_s` (columns,), `hz` (bands,) are middles."""

    mel: Floats
    times_s: Floats
    hz: Floats

    def above(self, other: "MelSpectrogram") -> "MelSpectrogram":
        """How far each band lies above its mean over all of `other`, in dB.

        Machines are not in step with their own recordings, so no moment of `other` belongs to one of this.
        """
        usual = 10.0 * np.log10(np.mean(10.0 ** (other.mel / 10.0), axis=1, keepdims=True))
        return MelSpectrogram((self.mel - usual).astype(np.float32), self.times_s, self.hz)


def mel_spectrogram(samples: Floats, sample_rate: int, bands: int, most_columns: int) -> MelSpectrogram:
    """The spectrogram of `samples` (n,), in at most so many columns, however long it is: each is a mean of power.

    Raises ValueError for less than one frame (64 ms).
    """
    size, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    if samples.ndim != 1 or samples.size < size:
        raise ValueError(f"a spectrogram takes at least {size} samples of one channel, not {samples.shape}")
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    per_column = -(-len(frames) // most_columns)
    weights, hz = _triangles(size, sample_rate, bands)
    columns, times = [], []
    for start in range(0, len(frames), per_column):
        part = frames[start : start + per_column]
        spectrum = np.fft.rfft(part * window, axis=1) * (2.0 / window.sum())
        columns.append((np.abs(spectrum) ** 2).mean(axis=0) @ weights)
        times.append((start + (len(part) - 1) / 2) * hop / sample_rate + FRAME_S / 2)
    power = np.array(columns, dtype=np.float64).T
    mel = np.maximum(10.0 * np.log10(np.maximum(power, 1e-30)), FLOOR_DB)
    return MelSpectrogram(mel.astype(np.float32), np.array(times, dtype=np.float32), hz)


def mel_of(hertz: float | NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """A frequency on the mel scale, 1127 ln(1 + f / 700)."""
    return np.asarray(1_127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0))


def _triangles(size: int, sample_rate: int, bands: int) -> tuple[Floats, Floats]:
    """Weights (size // 2 + 1, bands) of height 1, evenly spaced on the mel scale, and their middles in Hz.

    Triangles that are narrower than a bin reach as far as its neighbours, so that none of them is empty.
    """
    edges = np.linspace(mel_of(LOWEST_HZ), mel_of(min(HIGHEST_HZ, sample_rate / 2)), bands + 2)
    bins = mel_of(np.fft.rfftfreq(size, 1.0 / sample_rate))
    reach = np.maximum(edges[1] - edges[0], np.gradient(bins))[:, None]
    weights = np.clip(1.0 - np.abs(bins[:, None] - edges[1:-1]) / reach, 0.0, None)
    middles = 700.0 * np.expm1(edges[1:-1] / 1_127.0)
    return weights.astype(np.float32), middles.astype(np.float32)
