"""Music and signals: notes one after the other, beeps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk
from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.shaft import read_table

_SCALE = np.array([0, 2, 4, 7, 9, 12, 14, 16])


@dataclass(frozen=True, slots=True, eq=False)
class Tune:
    """A radio: `notes_per_s` notes a second, each a step of a scale over `lowest_hz`, struck and dying away.

    `table` is one period of the instrument's sound. Some notes are left out.
    """

    name: str
    table: NDArray[np.float32]
    lowest_hz: float
    notes_per_s: int
    rests: float = 0.2

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        rng = chunk.rng(self.name)
        hertz = self.lowest_hz * 2.0 ** (rng.choice(_SCALE, self.notes_per_s) / 12.0)
        loud = np.exp(0.3 * rng.standard_normal(self.notes_per_s)) * (rng.random(self.notes_per_s) >= self.rests)
        at = np.arange(chunk.sample_rate) * (self.notes_per_s / chunk.sample_rate)
        note = np.minimum(at.astype(np.int64), self.notes_per_s - 1)
        since = at - note
        envelope = np.minimum(since / 0.03, 1.0) * np.exp(-2.5 * since) * np.minimum((1.0 - since) / 0.05, 1.0)
        # Its mean square over a note is 0.16; notes that rest are made up for by the others.
        envelope *= loud[note] / np.sqrt(0.16 * (1.0 - self.rests))
        sound = read_table(self.table, hertz[note] * since / self.notes_per_s)
        return np.asarray(sound * envelope, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Beeps:
    """A warning signal: `table` at `hertz`, `on` seconds of every `every` seconds.

    It sounds in `part` of all stretches of 7 s, which are drawn for each recording.
    """

    name: str
    table: NDArray[np.float32]
    hertz: float
    every: float
    on: float
    part: float

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        seconds = chunk.index + np.arange(chunk.sample_rate) / chunk.sample_rate
        place = seconds - self.every * np.floor(seconds / self.every)
        gate = np.clip(place / 0.005, 0.0, 1.0) * np.clip((self.on - place) / 0.005, 0.0, 1.0)
        sound = read_table(self.table, self.hertz * seconds) * gate / np.sqrt(self.on / self.every)
        return np.asarray(sound * self._sounds(chunk), dtype=np.float32)

    def _sounds(self, chunk: Chunk) -> float:
        if chunk.calm:
            return 1.0
        return float(generator("beeps", chunk.seed, self.name, chunk.index // 7).random() < self.part)
