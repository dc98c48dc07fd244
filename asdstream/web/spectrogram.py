"""How a recording looks: mel bands over time, in decibels of full scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDS = 64
MOST_COLUMNS = 256
LOWEST_HZ, HIGHEST_HZ = 20.0, 8000.0
FRAME_S, HOP_S = 0.064, 0.016
FLOOR_DB = -100.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Spectrogram:
    """`mel` (bands, columns) in dB: a sine of full scale is at 0. `times_s` (columns,), `hz` (bands,) are middles."""

    mel: Floats
    times_s: Floats
    hz: Floats

    def above(self, other: "Spectrogram") -> "Spectrogram":
        """How far each band lies above its mean over all of `other`, in dB.

        Machines are not in step with their own recordings, so no moment of `other` belongs to one of this.
        """
        usual = 10.0 * np.log10(np.mean(10.0 ** (other.mel / 10.0), axis=1, keepdims=True))
        return Spectrogram((self.mel - usual).astype(np.float32), self.times_s, self.hz)


def spectrogram(samples: Floats, sample_rate: int) -> Spectrogram:
    """The picture of `samples` (N,), in at most 256 columns. Raises ValueError for less than one frame (64 ms)."""
    size, hop = round(FRAME_S * sample_rate), round(HOP_S * sample_rate)
    if samples.ndim != 1 or samples.size < size:
        raise ValueError(f"a spectrogram takes at least {size} samples of one channel, not {samples.shape}")
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    per_column = -(-len(frames) // MOST_COLUMNS)
    weights, hz = _mel_bands(size, sample_rate)
    columns, times = [], []
    for start in range(0, len(frames), per_column):
        part = frames[start : start + per_column]
        spectrum = np.fft.rfft(part * window, axis=1) * (2.0 / window.sum())
        columns.append((np.abs(spectrum) ** 2).mean(axis=0) @ weights)
        times.append((start + (len(part) - 1) / 2) * hop / sample_rate + FRAME_S / 2)
    power = np.array(columns, dtype=np.float64).T
    mel = np.maximum(10.0 * np.log10(np.maximum(power, 1e-30)), FLOOR_DB)
    return Spectrogram(mel.astype(np.float32), np.array(times, dtype=np.float32), hz)


def _mel_bands(size: int, sample_rate: int) -> tuple[Floats, Floats]:
    """Triangles (size // 2 + 1, bands) of height 1, evenly spaced on the mel scale, and their middles in Hz."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127.0 * np.log1p(hertz / 700.0)

    ends = mel(np.array([LOWEST_HZ, min(HIGHEST_HZ, sample_rate / 2)]))
    edges = np.linspace(ends[0], ends[1], BANDS + 2)
    bins = mel(np.fft.rfftfreq(size, 1.0 / sample_rate).astype(np.float64))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    middles = 700.0 * np.expm1(edges[1:-1] / 1127.0)
    return np.clip(np.minimum(rising, falling), 0.0, None).astype(np.float32), middles.astype(np.float32)
