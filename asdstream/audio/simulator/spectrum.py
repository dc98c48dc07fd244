"""Filters from a drawn spectrum: magnitude at a few frequencies in, minimum-phase impulse response out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESPONSE_SECONDS = 0.048


def minimum_phase(points: Sequence[tuple[float, float]], sample_rate: int) -> NDArray[np.float64]:
    """Impulse response (0.048 sample_rate,) whose magnitude runs through `points` of (Hz, dB), straight on a log axis.

    The phase follows from the folded real cepstrum (Oppenheim and Schafer, Discrete-Time Signal Processing, ch. 13).
    """
    size = 1 << (int(0.128 * sample_rate) - 1).bit_length()
    hertz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    x, y = np.array(sorted(points)).T
    decibels = np.interp(np.log(np.maximum(hertz, 1.0)), np.log(x), y)
    cepstrum = np.fft.irfft(decibels * (np.log(10.0) / 20.0), size)
    fold = np.zeros(size)
    fold[[0, size // 2]] = 1.0
    fold[1 : size // 2] = 2.0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum * fold)), size)[: round(RESPONSE_SECONDS * sample_rate)]
    fade = len(response) // 4
    response[-fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, fade))
    return np.asarray(response)


def hump(centre_hz: float, rise_db: float, fall_db: float, floor_db: float = -60.0) -> list[tuple[float, float]]:
    """A spectrum with one broad maximum: `rise_db` per octave below `centre_hz`, `fall_db` per octave above it."""
    octaves = np.arange(-9, 10)
    points = []
    for octave in octaves:
        slope = rise_db * octave if octave < 0 else -fall_db * octave
        # A rounded top: at the centre itself nature has no corner.
        points.append((centre_hz * 2.0**octave, max(slope, floor_db) - (1.5 if octave else 0.0) + 1.5))
    return [(hertz, decibels) for hertz, decibels in points if 5.0 < hertz < 100_000.0]
