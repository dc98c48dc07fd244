"""Microphones: frequency response and self-noise."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
}


def microphones() -> tuple[str, ...]:
    return tuple(MICROPHONES)


def microphone_response(name: str, sample_rate: int) -> NDArray[np.float64]:
    """Impulse response of the microphone called `name`, minimum phase, unit gain where its response says 0 dB."""
    return minimum_phase(MICROPHONES[name].response_db, sample_rate)
