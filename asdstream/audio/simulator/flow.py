"""Moving air and water: turbulence, jets, cavitating bubbles; all of it noise with a shape in frequency and time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk
from asdstream.audio.simulator.random_stream import white_noise
from asdstream.audio.simulator.resonance import unit_energy
from asdstream.audio.simulator.shaft import TABLE, read_table
from asdstream.audio.simulator.spectrum import hump, minimum_phase


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """White Gaussian noise, modulated by a periodic `envelope` read `envelope_ratio` times per revolution.

    The level of aerodynamic noise goes with about the 2.5th power of the speed (in amplitude) and rises with load.
    """

    name: str
    speed_power: float = 0.0
    load_power: float = 0.0
    swell_db: float = 0.0
    envelope: NDArray[np.float32] | None = None
    envelope_ratio: float = 1.0

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        sound = white_noise(chunk.rng(self.name), chunk.sample_rate)
        sound *= chunk.level(self.speed_power, self.load_power, self.swell_db, self.name)
        if self.envelope is not None:
            sound *= read_table(self.envelope, self.envelope_ratio * chunk.turns_at_samples())
        return sound


def ripple(depth: float, cycles: int = 1, phase: float = 0.0) -> NDArray[np.float32]:
    """Envelope 1 + depth cos(2 pi cycles x + phase), of shape (TABLE + 1,), scaled to unit RMS."""
    x = np.arange(TABLE + 1) / TABLE
    envelope = 1.0 + depth * np.cos(2.0 * np.pi * cycles * x + phase)
    return np.asarray(envelope / np.sqrt(1.0 + depth**2 / 2.0), dtype=np.float32)


def turbulence(rng: np.random.Generator, centre_hz: tuple[float, float], sample_rate: int) -> NDArray[np.float64]:
    """A broad hump with a few bumps (ducts, grilles), drawn log-uniformly between the two centres; unit energy."""
    centre = float(np.exp(rng.uniform(*np.log(centre_hz))))
    points = hump(centre, rng.uniform(3.0, 7.0), rng.uniform(4.0, 9.0))
    bumpy = [(hertz, decibels + float(rng.normal(0.0, 3.0))) for hertz, decibels in points]
    return unit_energy(minimum_phase(bumpy, sample_rate))


def jet(rng: np.random.Generator, centre_hz: tuple[float, float], sample_rate: int) -> NDArray[np.float64]:
    """The hiss of gas leaving a small hole: a hump high up, steep towards low frequencies; unit energy."""
    centre = float(np.exp(rng.uniform(*np.log(centre_hz))))
    return unit_energy(minimum_phase(hump(centre, rng.uniform(8.0, 12.0), rng.uniform(3.0, 6.0)), sample_rate))
