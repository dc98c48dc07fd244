"""What rubs, rolls and rustles: noise whose level itself is noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import KNOTS_PER_SECOND, Chunk
from asdstream.audio.simulator.random_stream import generator, white_noise
from asdstream.audio.simulator.shaft import read_table
from asdstream.audio.simulator.voice import Excitation


def grains(chunk: Chunk, name: str, grains_hz: int, depth_db: float) -> NDArray[np.float32]:
    """Levels drawn anew `grains_hz` times a second, log-normal with `depth_db` and of mean square one, at the samples.

    They run straight from one draw to the next.
    """
    # The last value of a second is the first of the next, so that seconds made apart join.
    draws = [generator("grains", chunk.seed, name, chunk.index + ahead).standard_normal(grains_hz) for ahead in (0, 1)]
    depth = depth_db / 8.686
    levels = np.exp(depth * np.append(draws[0], draws[1][0]) - depth**2)
    if grains_hz != KNOTS_PER_SECOND:
        at = np.linspace(0.0, grains_hz, KNOTS_PER_SECOND + 1)
        levels = np.interp(at, np.arange(grains_hz + 1), levels)
    return chunk.at_samples(levels).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Friction:
    """White noise whose level is drawn anew `grains_hz` times a second, log-normal with `depth_db`, and runs from one
    draw to the next: plastic on plastic, a wheel on a rail, chips under a tool.

    `envelope` is periodic, read `envelope_ratio` times per revolution. Unit RMS at the rated speed and load.
    """

    name: str
    grains_hz: int = KNOTS_PER_SECOND
    depth_db: float = 4.0
    speed_power: float = 1.5
    load_power: float = 0.0
    swell_db: float = 0.5
    envelope: NDArray[np.float32] | None = None
    envelope_ratio: float = 1.0

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        sound = white_noise(chunk.rng(self.name), chunk.sample_rate)
        sound *= chunk.level(self.speed_power, self.load_power, self.swell_db, self.name)
        sound *= grains(chunk, self.name, self.grains_hz, self.depth_db)
        if self.envelope is not None:
            sound *= read_table(self.envelope, self.envelope_ratio * chunk.turns_at_samples())
        return sound


@dataclass(frozen=True, slots=True, eq=False)
class Uneven:
    """Another excitation whose level goes up and down as in Friction: syllables, gusts, a tool that bites."""

    excitation: Excitation
    name: str
    grains_hz: int
    depth_db: float

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        sound = self.excitation(chunk).copy()
        sound[: chunk.sample_rate] *= grains(chunk, self.name, self.grains_hz, self.depth_db)
        return sound
