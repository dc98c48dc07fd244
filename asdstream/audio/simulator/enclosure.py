"""What surrounds a machine and lets some of its sound out better than the rest."""

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.resonance import unit_energy
from asdstream.audio.simulator.spectrum import minimum_phase


def enclosure(rng: np.random.Generator, fall_db: tuple[float, float], sample_rate: int) -> NDArray[np.float64]:
    """A smooth curve with bumps of 4 dB an octave apart, falling by `fall_db` per octave above 400 Hz, unit energy.

    Covers, mountings and the side on which the microphone hangs make two machines of one build sound more different
    than their parts do.
    """
    hertz = 50.0 * 2.0 ** np.arange(0.0, 8.5, 0.75)
    fall = rng.uniform(*fall_db) * np.maximum(np.log2(hertz / 400.0), 0.0)
    decibels = rng.normal(0.0, 4.0, hertz.size) - fall
    return unit_energy(minimum_phase(list(zip(hertz, decibels, strict=True)), sample_rate))
