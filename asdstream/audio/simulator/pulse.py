"""Impacts: impulses at stated points of a revolution, or at random."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import EXCITATION_SECONDS, Chunk
from asdstream.audio.simulator.shaft import read_table


def place(positions: NDArray[np.float64], amplitudes: NDArray[np.float64], sample_rate: int) -> NDArray[np.float32]:
    """Impulses at fractional sample `positions`, each shared between its two neighbours, (1.25 sample_rate,)."""
    length = round(EXCITATION_SECONDS * sample_rate)
    positions = np.clip(positions, 0.0, length - 2.0)
    index = positions.astype(np.int64)
    fraction = positions - index
    sound = np.bincount(index, amplitudes * (1.0 - fraction), length)
    sound += np.bincount(index + 1, amplitudes * fraction, length)
    return sound.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PulseTrain:
    """One impulse whenever `ratio` x revolutions + `offset` passes a whole number.

    `jitter` delays each by up to that part of the interval (slip of the rolling elements, play), but at most 0.1 s;
    `scatter` is the standard deviation of the natural logarithm of the amplitude. `zone`, if given, is a periodic
    weight read `zone_ratio` times per revolution: the load zone through which a defect turns. `rated_hz` is the rate
    of the pulses for which the level is stated.
    """

    name: str
    ratio: float
    rated_hz: float
    offset: float = 0.0
    jitter: float = 0.0
    scatter: float = 0.1
    zone: NDArray[np.float32] | None = None
    zone_ratio: float = 1.0
    speed_power: float = 0.0
    load_power: float = 0.0

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        turns = chunk.turns()
        phase = self.ratio * turns + self.offset
        events = np.arange(np.ceil(phase[0]), np.ceil(phase[-1]))
        positions = np.interp(events, phase, chunk.knot_samples)
        rng = chunk.rng(self.name)
        interval = chunk.sample_rate / max(phase[-1] - phase[0], 1e-9)
        late = np.minimum(rng.random(events.size) * self.jitter * interval, 0.1 * chunk.sample_rate)
        amplitudes = np.exp(self.scatter * rng.standard_normal(events.size) - self.scatter**2)
        if self.zone is not None:
            amplitudes *= read_table(self.zone, self.zone_ratio * (events - self.offset) / self.ratio)
        amplitudes *= np.sqrt(chunk.sample_rate / self.rated_hz)
        sound = place(positions + late, amplitudes, chunk.sample_rate)
        if self.speed_power or self.load_power:
            gain = chunk.level(self.speed_power, self.load_power)
            sound[: chunk.sample_rate] *= gain
        return sound


@dataclass(frozen=True, slots=True, eq=False)
class RandomPulses:
    """Impulses at random moments, `rate_hz` on average; `zone` weighs them by where in its turn the shaft stands."""

    name: str
    rate_hz: float
    scatter: float = 0.8
    zone: NDArray[np.float32] | None = None
    zone_ratio: float = 1.0
    speed_power: float = 0.0
    load_power: float = 0.0

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        rng = chunk.rng(self.name)
        count = int(rng.poisson(self.rate_hz))
        positions = rng.random(count) * (chunk.sample_rate - 1)
        sign = np.where(rng.random(count) < 0.5, -1.0, 1.0)
        amplitudes = sign * np.exp(self.scatter * rng.standard_normal(count) - self.scatter**2)
        if self.zone is not None:
            turns = np.interp(positions, chunk.knot_samples, chunk.turns())
            amplitudes *= read_table(self.zone, self.zone_ratio * turns)
        amplitudes *= np.sqrt(chunk.sample_rate / self.rate_hz)
        sound = place(positions, amplitudes, chunk.sample_rate)
        if self.speed_power or self.load_power:
            sound[: chunk.sample_rate] *= chunk.level(self.speed_power, self.load_power)
        return sound
