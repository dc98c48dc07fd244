"""Noise of every kind, drawn from a seed: what a separator should learn to take away."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE
from trainer.randomness import numpy_generator

Sound = NDArray[np.float64]

_OCTAVES = np.geomspace(31.25, 8_000.0, 9)


def synthetic_noise(seed: int, seconds: float) -> NDArray[np.float32]:
    """One to three noises at a time, (round(16000 seconds),) at 16 kHz, with a peak of 0.5.

    Hiss and rumble of any colour that come and go, unsteady harmonic tones as of engines, saws and voices, impacts on
    things that ring, crackle as of rain and pouring, beeps and sweeps.
    """
    rng = numpy_generator(seed, "synthetic noise")
    samples = round(seconds * SAMPLE_RATE)
    total = np.zeros(samples)
    for _ in range(int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))):
        kind = _KINDS[int(rng.choice(len(_KINDS), p=_SHARES))]
        sound = kind(rng, samples)
        total += sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9) * 10.0 ** (rng.uniform(-12.0, 0.0) / 20.0)
    return (0.5 * total / max(float(np.abs(total).max()), 1e-9)).astype(np.float32)


def _coloured(rng: np.random.Generator, samples: int) -> Sound:
    """Hiss or rumble: a slope from -9 to +3 dB per octave with bumps, swelling slowly or fluttering."""
    slope = rng.uniform(-9.0, 3.0) * np.arange(9) + rng.normal(0.0, rng.uniform(0.0, 8.0), 9)
    return _filtered(rng.standard_normal(samples), slope) * _envelope(rng, samples)


def _harmonic(rng: np.random.Generator, samples: int) -> Sound:
    """Up to forty harmonics of a wandering frequency, with formants, switched on and off now and then."""
    hertz = np.exp(rng.uniform(np.log(25.0), np.log(500.0)))
    wander = rng.choice([0.005, 0.03, 0.2], p=[0.4, 0.35, 0.25]) * _slow(rng, samples, np.exp(rng.uniform(-2.0, 2.0)))
    phase = 2.0 * np.pi * np.cumsum(hertz * np.exp(wander)) / SAMPLE_RATE
    decay = rng.uniform(0.2, 1.6)
    sound = np.zeros(samples)
    for number in range(1, min(40, int(7_000.0 / hertz)) + 1):
        sound += rng.lognormal(0.0, 0.8) / number**decay * np.sin(number * phase + rng.uniform(0.0, 2.0 * np.pi))
    sound = _filtered(sound, rng.normal(0.0, 5.0, 9))
    return sound * _envelope(rng, samples) * _switched(rng, samples)


def _impacts(rng: np.random.Generator, samples: int) -> Sound:
    """Knocks, a few a second at most, of a few objects that ring each in its own way."""
    sound = np.zeros(samples)
    for _ in range(int(rng.integers(1, 4))):
        size = round(rng.uniform(0.05, 0.6) * SAMPLE_RATE)
        time = np.arange(size) / SAMPLE_RATE
        ring = np.zeros(size)
        for hertz in np.exp(rng.uniform(np.log(150.0), np.log(7_000.0), int(rng.integers(2, 9)))):
            decay = np.exp(-time / np.exp(rng.uniform(np.log(0.003), np.log(0.15))))
            ring += rng.lognormal() * np.sin(2.0 * np.pi * hertz * time) * decay
        ring += rng.uniform(0.0, 1.0) * rng.standard_normal(size) * np.exp(-time / 0.004)
        count = 1 + rng.poisson(np.exp(rng.uniform(np.log(0.3), np.log(6.0))) * samples / SAMPLE_RATE)
        for start, strength in zip(rng.integers(0, samples, count), rng.lognormal(0.0, 0.7, count), strict=True):
            end = min(samples, start + size)
            sound[start:end] += strength * ring[: end - start]
    return sound


def _crackle(rng: np.random.Generator, samples: int) -> Sound:
    """Many small impulses of very different strength: rain, pouring, frying."""
    density = np.exp(rng.uniform(np.log(20.0), np.log(4_000.0))) / SAMPLE_RATE
    drops = (rng.random(samples) < density) * rng.standard_normal(samples) * rng.lognormal(0.0, 1.2, samples)
    slope = rng.uniform(-4.0, 4.0) * np.arange(9) + rng.normal(0.0, 4.0, 9)
    return _filtered(drops, slope) * _envelope(rng, samples)


def _signals(rng: np.random.Generator, samples: int) -> Sound:
    """Beeps, whistles and sirens."""
    time = np.arange(samples) / SAMPLE_RATE
    hertz = np.exp(rng.uniform(np.log(300.0), np.log(5_000.0)))
    sweep = rng.uniform(0.0, 0.5) * np.sin(2.0 * np.pi * rng.uniform(0.1, 4.0) * time + rng.uniform(0.0, 6.3))
    tone = np.sin(2.0 * np.pi * np.cumsum(hertz * np.exp(sweep)) / SAMPLE_RATE)
    return np.asarray(tone * _switched(rng, samples))


_KINDS: Final[tuple[Callable[[np.random.Generator, int], Sound], ...]] = (
    _coloured,
    _harmonic,
    _impacts,
    _crackle,
    _signals,
)
_SHARES: Final = (0.35, 0.3, 0.15, 0.12, 0.08)


def _filtered(sound: Sound, gain_db: Sound) -> Sound:
    """`sound` with these gains at the octaves from 31 Hz to 8 kHz, straight lines between them."""
    hertz = np.maximum(np.fft.rfftfreq(len(sound), 1.0 / SAMPLE_RATE), 1.0)
    gain = np.interp(np.log(hertz), np.log(_OCTAVES), gain_db)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound) * 10.0 ** (gain / 20.0), len(sound)))


def _slow(rng: np.random.Generator, samples: int, hertz: float) -> Sound:
    """A random curve of unit deviation, or nearly, with `hertz` turning points a second."""
    count = int(samples / SAMPLE_RATE * hertz) + 3
    places = np.linspace(0.0, samples, count)
    return np.asarray(np.interp(np.arange(samples), places, rng.standard_normal(count)))


def _envelope(rng: np.random.Generator, samples: int) -> Sound:
    """A gain that is steady, swells, or flutters."""
    depth_db = float(rng.choice([0.5, 4.0, 10.0]))
    return np.asarray(10.0 ** (depth_db / 20.0 * _slow(rng, samples, float(np.exp(rng.uniform(-1.5, 2.5))))))


def _switched(rng: np.random.Generator, samples: int) -> Sound:
    """On all the time, or on and off every now and then with soft edges."""
    if rng.random() < 0.5:
        return np.ones(samples)
    gate = (_slow(rng, samples, float(np.exp(rng.uniform(-0.5, 2.0)))) > rng.uniform(-1.0, 0.5)).astype(np.float64)
    edge = np.hanning(321)
    smooth = np.convolve(gate, edge / edge.sum(), mode="same")
    return smooth if smooth.any() else np.ones(samples)
