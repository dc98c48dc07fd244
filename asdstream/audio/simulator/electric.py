"""Hum of the mains: twice the line frequency and its multiples from anything with an iron core."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk
from asdstream.audio.simulator.shaft import periodic, read_table
from asdstream.audio.simulator.wander import wander


@dataclass(frozen=True, slots=True, eq=False)
class Hum:
    """A periodic waveform of `line_hz` periods per second, tied to no shaft.

    Its frequency wanders by `depth` (standard deviation, relative): a few parts in ten thousand on a grid. What bears
    the same `name` wanders together.
    """

    table: NDArray[np.float32]
    line_hz: float
    load_power: float = 0.0
    name: str = "mains"
    depth: float = 3e-4

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        advance = chunk.knots
        if not chunk.calm:
            advance = advance + wander(chunk.seed, self.name, self.depth).integral(chunk.knots)
        sound = read_table(self.table, chunk.at_samples(self.line_hz * advance))
        sound *= chunk.level(load_power=self.load_power)
        return sound


def hum_table(rng: np.random.Generator) -> NDArray[np.float32]:
    """Twice the line frequency strongest, even multiples of it falling, a little of the odd ones from asymmetry."""
    even = np.arange(2, 21, 2)
    odd = np.arange(1, 12, 2)
    levels = np.concatenate(
        [
            0.75 ** np.arange(even.size) * np.exp(rng.normal(0.0, 0.5, even.size)),
            np.full(odd.size, rng.uniform(0, 0.12)),
        ]
    )
    orders = np.concatenate([even, odd])
    return periodic(orders, levels, rng.uniform(0.0, 2.0 * np.pi, orders.size))
