"""Sound of a shaft that is not the one of the machine in front of the microphone."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk, Motion
from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.voice import Excitation


@lru_cache(maxsize=16)
def _chunk(index: int, seed: int, place: str, sample_rate: int, motion: Motion, calm: bool) -> Chunk:
    # One chunk for all parts of the machine, because the motion of its shaft is worked out only once in it.
    return Chunk(index, int(generator("elsewhere", seed, place).integers(1 << 62)), sample_rate, motion, calm)


@dataclass(frozen=True, slots=True, eq=False)
class Elsewhere:
    """The `excitation` of a machine that stands at `place` and runs with its own `motion`."""

    excitation: Excitation
    place: str
    motion: Motion

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        return self.excitation(_chunk(chunk.index, chunk.seed, self.place, chunk.sample_rate, self.motion, chunk.calm))
