"""How often a second the sound of a band swells."""

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE

ENVELOPE_HZ = 1_000
SLOWEST_HZ = 0.5
FASTEST_HZ = 100.0
"""Faster beats are heard as a rough tone; slower ones come too seldom in ten seconds to be told from chance."""
LEAST_LIKENESS = 0.2
NEARLY = 0.8
"""A shorter lag whose likeness comes so close to the best one's is the period, and the best a multiple of it."""
LEAST_SWING = 0.2
"""Standard deviation of the envelope over its mean; under it the sound is steady, whatever its rhythm."""


def repetition_hz(samples: NDArray[np.float32], low_hz: float, high_hz: float) -> float | None:
    """The rate at which the power of 16 kHz mono `samples` (n,) between two frequencies repeats itself; None: not.

    From the autocorrelation of the band's envelope, as bearings are diagnosed (Randall and Antoni 2011, Rolling
    element bearing diagnostics). At least 0.5 and at most 100 a second, or half the width of the band.
    """
    envelope = _envelope(samples, low_hz, high_hz)
    if len(envelope) < 2 * ENVELOPE_HZ or not envelope.any():
        return None
    mean = float(envelope.mean())
    # The root tames single bangs, which would drown every rhythm.
    beat = np.sqrt(envelope)
    swing = float(beat.std() / beat.mean())
    if swing < LEAST_SWING or mean <= 0.0:
        return None
    likeness = _autocorrelation(beat - beat.mean())
    shortest = int(np.ceil(ENVELOPE_HZ / min(FASTEST_HZ, (high_hz - low_hz) / 2.0)))
    longest = min(int(ENVELOPE_HZ / SLOWEST_HZ), len(likeness) // 3)
    inner = likeness[1:-1]
    peaks = 1 + np.flatnonzero((inner > likeness[:-2]) & (inner >= likeness[2:]))
    peaks = peaks[(peaks >= shortest) & (peaks <= longest)]
    if not len(peaks):
        return None
    best = float(likeness[peaks].max())
    if best < LEAST_LIKENESS:
        return None
    lag = int(peaks[likeness[peaks] >= NEARLY * best][0])
    return round(ENVELOPE_HZ / _summit(likeness, lag), 2)


def _envelope(samples: NDArray[np.float32], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Power of the band over time, 1000 values a second."""
    count = len(samples)
    spectrum = np.fft.rfft(samples)
    analytic = np.zeros(count, np.complex64)
    first, last = round(low_hz * count / SAMPLE_RATE), round(high_hz * count / SAMPLE_RATE)
    analytic[first:last] = spectrum[first:last]
    power = np.square(np.abs(np.fft.ifft(analytic)))
    step = SAMPLE_RATE // ENVELOPE_HZ
    whole = count // step
    return np.asarray(power[: whole * step].reshape(whole, step).mean(axis=1), np.float64)


def _autocorrelation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """By lag, 1 at lag 0; what the values overlap less with growing lag is made up for."""
    count = len(values)
    spectrum = np.fft.rfft(values, 2 * count)
    raw = np.fft.irfft(np.square(np.abs(spectrum)))[:count]
    return np.asarray(raw / raw[0] * (count / (count - np.arange(count))))


def _summit(values: NDArray[np.float64], at: int) -> float:
    """Where the parabola through the peak and its neighbours is highest."""
    before, peak, after = values[at - 1 : at + 2]
    bend = before - 2.0 * peak + after
    return at + (0.0 if bend == 0.0 else float(0.5 * (before - after) / bend))
