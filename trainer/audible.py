"""Noise that can be heard: a ratio to silence is no ratio."""

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.errors import DataError
from trainer.mixing import random_stretch
from trainer.waveforms import Waveforms

SILENCE_RMS = 1e-4
"""-80 dB full scale."""
ATTEMPTS = 100


def rms(sound: NDArray[np.float32]) -> float:
    """Root of the mean power of (n,)."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def audible_stretch(noise: Waveforms, samples: int, generator: torch.Generator) -> NDArray[np.float32]:
    """A random stretch of one of the recordings, (samples,), drawn anew while it is below -80 dB full scale.

    A recording that is shorter is repeated. Raises DataError where a hundred draws in a row are silent.
    """
    for _ in range(ATTEMPTS):
        stretch = random_stretch(noise, samples, generator)
        if rms(stretch) > SILENCE_RMS:
            return stretch
    raise DataError(
        f"{ATTEMPTS} stretches of noise in a row were silent, among them one of {noise.recordings[0].name}; "
        "recordings of noise should be heard"
    )
