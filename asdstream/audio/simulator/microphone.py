"""Microphones: frequency response and self-noise."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.spectrum import minimum_phase


@dataclass(frozen=True, slots=True)
class MicrophoneKind:
    """Sensitivity as points of (Hz, dB), and self-noise in dBFS."""

    response_db: tuple[tuple[float, float], ...]
    self_noise_dbfs: float


MICROPHONES: Final[dict[str, MicrophoneKind]] = {
    "flat": MicrophoneKind(((10, -6), (20, 0), (20_000, 0)), -84.0),
    "mems": MicrophoneKind(((20, -14), (60, -3), (100, 0), (3_000, 0), (7_000, 3), (12_000, 9), (20_000, 2)), -74.0),
    "electret": MicrophoneKind(
        ((20, -20), (80, -4), (150, 0), (1_500, 0), (4_000, 3), (6_500, 1), (10_000, -6), (20_000, -18)), -70.0
    ),
    "dynamic": MicrophoneKind(
        ((20, -24), (80, -8), (200, -1), (1_000, 0), (3_500, 4), (6_000, 5), (9_000, -3), (16_000, -20)), -78.0
    ),
    "boundary": MicrophoneKind(((20, -4), (60, 2), (200, 3), (700, 0), (2_500, -2), (5_000, 2), (20_000, -2)), -76.0),
    "phone": MicrophoneKind(
        ((20, -40), (80, -18), (160, -6), (300, 0), (1_000, 0), (2_200, 4), (4_500, 2), (7_000, -4), (12_000, -20)),
        -66.0,
    ),
    "usb": MicrophoneKind(
        (
            (20, -24),
            (90, -8),
            (200, 2),
            (450, -3),
            (900, 0),
            (1_700, 6),
            (2_600, -4),
            (4_200, 8),
            (6_200, -5),
            (9_000, 3),
        ),
        -62.0,
    ),
    "contact": MicrophoneKind(
        ((20, -10), (60, 0), (350, 2), (800, 6), (1_400, 2), (2_500, -8), (4_000, -16), (7_000, -26), (16_000, -40)),
        -70.0,
    ),
}


RANDOM: Final = "random"
"""No model: a response and a self-noise drawn for each machine, as different as those of whatever lies at hand."""


def microphones() -> tuple[str, ...]:
    return (*MICROPHONES, RANDOM)


def microphone_kind(name: str, identity: int) -> MicrophoneKind:
    """The microphone called `name` that hangs at machine `identity`."""
    return _drawn(identity) if name == RANDOM else MICROPHONES[name]


def microphone_response(name: str, sample_rate: int, identity: int = 0) -> NDArray[np.float64]:
    """Impulse response of a microphone, minimum phase, unit gain where its response says 0 dB."""
    return minimum_phase(microphone_kind(name, identity).response_db, sample_rate)


def _drawn(identity: int) -> MicrophoneKind:
    """Bumps within 8 dB, two thirds of an octave apart and alike next to each other, between two drawn band limits."""
    rng = generator("microphone", identity)
    hertz = 125.0 * 2.0 ** np.arange(0.0, 7.0, 2.0 / 3.0)
    walk = np.cumsum(rng.normal(0.0, 3.0, hertz.size))
    decibels = np.clip(walk - walk.mean(), -8.0, 8.0)
    low, high = rng.uniform(3.0, 14.0), rng.uniform(0.0, 24.0)
    points = [(20.0, decibels[0] - 2.5 * low), (62.0, decibels[0] - low), *zip(hertz, decibels, strict=True)]
    points.append((20_000.0, decibels[-1] - high))
    return MicrophoneKind(tuple((float(x), float(y)) for x, y in points), float(rng.uniform(-82.0, -64.0)))
