"""What rubs, rolls and rustles: noise whose level itself is noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import KNOTS_PER_SECOND, Chunk
from asdstream.audio.simulator.random_stream import generator, white_noise
from asdstream.audio.simulator.shaft import read_table


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
        sound *= chunk.at_samples(self._grains(chunk)).astype(np.float32)
        if self.envelope is not None:
            sound *= read_table(self.envelope, self.envelope_ratio * chunk.turns_at_samples())
        return sound

    def _grains(self, chunk: Chunk) -> NDArray[np.float64]:
        # The last value of a second is the first of the next, so that seconds made apart join.
        draws = [
            generator("grains", chunk.seed, self.name, index).standard_normal(self.grains_hz)
            for index in (chunk.index, chunk.index + 1)
        ]
        nepers = self.depth_db / 8.686 * np.append(draws[0], draws[1][0])
        levels = np.exp(nepers - (self.depth_db / 8.686) ** 2)
        if self.grains_hz == KNOTS_PER_SECOND:
            return levels
        return np.interp(
            np.arange(KNOTS_PER_SECOND + 1) / KNOTS_PER_SECOND, np.linspace(0, 1, self.grains_hz + 1), levels
        )
