"""Machines that stroke instead of turn: slides that go and return, valves that open and close."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk
from asdstream.audio.simulator.pulse import place
from asdstream.audio.simulator.shaft import TABLE, read_table


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """A carriage that travels from 0 to 1 during the first `move` of a cycle, and back from the half of it.

    Both moves are smooth (quintic: no jump in acceleration). `position` and `speed` are tables over one cycle,
    (TABLE + 1,); the speed is scaled so that its mean square over the cycle is one.
    """

    position: NDArray[np.float32]
    speed: NDArray[np.float32]


def stroke(move: float) -> Stroke:
    """`move` between 0.1 and 0.5 of the cycle."""
    x = np.arange(TABLE + 1) / TABLE
    forth = np.clip(x / move, 0.0, 1.0)
    back = np.clip((x - 0.5) / move, 0.0, 1.0)

    def eased(s: NDArray[np.float64]) -> NDArray[np.float64]:
        return s**3 * (10.0 - 15.0 * s + 6.0 * s**2)

    position = eased(forth) - eased(back)
    speed = 30.0 * (forth**2 * (1.0 - forth) ** 2 + back**2 * (1.0 - back) ** 2)
    return Stroke(position.astype(np.float32), (speed / np.sqrt(np.mean(speed**2))).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Travel:
    """A waveform read along the path of a carriage: `periods` of it from end to end (screw, belt teeth, rail joints).

    The level follows the speed of the carriage, so it is silent at rest.
    """

    table: NDArray[np.float32]
    stroke: Stroke
    periods: float
    load_power: float = 0.0

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        cycles = chunk.turns_at_samples()
        place = self.periods * read_table(self.stroke.position, cycles).astype(np.float64)
        sound = read_table(self.table, place) * read_table(self.stroke.speed, cycles)
        sound *= chunk.level(load_power=self.load_power)
        return sound


@dataclass(frozen=True, slots=True, eq=False)
class TravelPulses:
    """An impulse at each of `periods` equally spaced places along the path, in both directions, while it moves."""

    name: str
    stroke: Stroke
    periods: float
    cycle_hz: float
    scatter: float = 0.25

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        cycles = np.append(chunk.turns_at_samples(), chunk.turns()[-1])
        passed = np.floor(self.periods * read_table(self.stroke.position, cycles).astype(np.float64) + 0.5)
        positions = np.flatnonzero(np.diff(passed)).astype(np.float64)
        amplitudes = np.exp(self.scatter * chunk.rng(self.name).standard_normal(positions.size))
        amplitudes *= np.sqrt(chunk.sample_rate / (2.0 * self.periods * self.cycle_hz))
        return place(positions, amplitudes, chunk.sample_rate)


def burst(opens: float, closes: float, rise: float, decay: float) -> NDArray[np.float32]:
    """Envelope of what flows while a valve is open: up within `rise`, settling with `decay`; unit RMS, (TABLE + 1,).

    All four are parts of the cycle, with opens < closes <= 1.
    """
    x = np.arange(TABLE + 1) / TABLE
    since = x - opens
    flowing = np.clip(since / rise, 0.0, 1.0) * (0.35 + 0.65 * np.exp(-np.maximum(since, 0.0) / decay))
    envelope = flowing * np.clip((closes - x) / rise, 0.0, 1.0)
    return (envelope / max(float(np.sqrt(np.mean(envelope**2))), 1e-30)).astype(np.float32)
