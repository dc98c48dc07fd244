"""Structures that ring: impulse responses of second-order resonators."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RING_SECONDS = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """Natural frequencies in Hz, damping ratios and participation of a structure, each of shape (modes,)."""

    hertz: NDArray[np.float64]
    damping: NDArray[np.float64]
    participation: NDArray[np.float64]


def draw_modes(
    rng: np.random.Generator,
    low_hz: float,
    high_hz: float,
    count: int,
    damping: tuple[float, float],
    fall_db: float = 0.0,
) -> Modes:
    """Modes spread evenly on a log scale, one in each part of it, with random sign and a scatter of 5 dB.

    Participation falls by `fall_db` per octave, as in plastic, which radiates its high modes poorly.
    """
    edges = np.geomspace(low_hz, high_hz, count + 1)
    hertz = edges[:-1] * (edges[1:] / edges[:-1]) ** rng.random(count)
    sign = rng.choice(np.array([-1.0, 1.0]), count)
    zeta = rng.uniform(*damping, count)
    decibels = rng.normal(0.0, 5.0, count) - fall_db * np.log2(hertz / low_hz)
    return Modes(hertz, zeta, sign * 10.0 ** (decibels / 20.0))


def unit_energy(response: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale to a sum of squares of one, so that white noise keeps its RMS."""
    return np.asarray(response / max(float(np.sqrt(np.sum(response**2))), 1e-30))


def ring(modes: Modes, sample_rate: int) -> NDArray[np.float64]:
    """Sum of decaying sinusoids, (0.12 sample_rate,), unit energy.

    Each mode answers an impulse with exp(-zeta w t) sin(w sqrt(1 - zeta^2) t). Modes above 0.47 of the sampling rate
    cannot be heard and are left out; if none is left the answer is a bare impulse.
    """
    t = np.arange(round(RING_SECONDS * sample_rate)) / sample_rate
    heard = modes.hertz < 0.47 * sample_rate
    w = 2.0 * np.pi * modes.hertz[heard, None]
    zeta = modes.damping[heard, None]
    partials = np.exp(-zeta * w * t) * np.sin(w * np.sqrt(1.0 - zeta**2) * t)
    # Equal participation means equal energy, however long a mode rings.
    partials /= np.sqrt(np.sum(partials**2, axis=1, keepdims=True)) + 1e-30
    response = modes.participation[heard] @ partials
    if not heard.any():
        response[0] = 1.0
    fade = len(t) // 8
    response[-fade:] *= np.linspace(1.0, 0.0, fade)
    return unit_energy(response)


def casing(modes: Modes, sample_rate: int, ringing: float) -> NDArray[np.float64]:
    """Direct sound plus `ringing` parts (in energy) of resonance: what a housing does to the sound inside it."""
    response = np.sqrt(ringing) * ring(modes, sample_rate)
    response[0] += 1.0
    return unit_energy(response)
