"""What each fault adds to the sound of a machine.

Every fault is an addition to the healthy sound, whose level (over the healthy machine, at severity 1) is part of it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.bearing import BearingGeometry, Part, defect
from asdstream.audio.simulator.chunk import Chunk
from asdstream.audio.simulator.flow import Noise, jet, ripple
from asdstream.audio.simulator.gear import GearPair, mesh, tooth_notch
from asdstream.audio.simulator.pulse import PulseTrain, RandomPulses
from asdstream.audio.simulator.resonance import casing, draw_modes, ring, unit_energy
from asdstream.audio.simulator.shaft import Rotation, periodic, read_table
from asdstream.audio.simulator.spectrum import hump, minimum_phase
from asdstream.audio.simulator.voice import Voice
from asdstream.audio.simulator.wander import wander


@dataclass(frozen=True, slots=True, eq=False)
class FaultSound:
    """The voices of a fault; together they are heard `level_db` over the healthy machine at severity 1."""

    level_db: float
    voices: tuple[Voice, ...]


def imbalance(rng: np.random.Generator, flow: NDArray[np.float64] | None, below_order: float) -> FaultSound:
    """Once-per-revolution force with a few harmonics, growing with the square of the speed.

    The shaft also whirls, which modulates what flows past it (`flow`, the path of that noise) once per revolution.
    """
    orders = np.arange(1, 7)
    amplitudes = np.array([1.0, 0.45, 0.3, 0.2, 0.12, 0.08]) * np.exp(rng.normal(0.0, 0.2, 6))
    amplitudes[orders >= below_order] = 0.0
    table = periodic(orders, amplitudes, rng.uniform(0.0, 2.0 * np.pi, 6))
    voices = [Voice(Rotation(table, speed_power=2.0), 0.0)]
    if flow is not None:
        voices.append(Voice(Noise("whirl", 2.5, envelope=ripple(3.0)), -4.0, flow))
    return FaultSound(3.0, tuple(voices))


def looseness(rng: np.random.Generator, shaft_hz: float, sample_rate: int, shaft_ratio: float = 1.0) -> FaultSound:
    """Half-order harmonics of the shaft (a nut that lifts every other turn) and rattling at the casing."""
    orders = np.arange(1, 41)
    amplitudes = np.power(0.88, orders) * np.exp(rng.normal(0.0, 0.4, 40))
    amplitudes[orders * 0.5 * shaft_ratio * shaft_hz >= 0.45 * sample_rate] = 0.0
    table = periodic(orders, amplitudes, rng.uniform(0.0, 2.0 * np.pi, 40))
    modes = draw_modes(rng, 250.0, 3_500.0, 8, (0.01, 0.05))
    per_turn = 2.0 * shaft_ratio
    rattle = PulseTrain("rattle", per_turn, per_turn * shaft_hz, jitter=0.6, scatter=0.5, load_power=0.3)
    return FaultSound(
        1.0, (Voice(Rotation(table, 0.5 * shaft_ratio, 1.0), -1.0), Voice(rattle, 0.0, ring(modes, sample_rate)))
    )


def bearing_defect(
    rng: np.random.Generator,
    geometry: BearingGeometry,
    part: Part,
    *,
    shaft_hz: float,
    sample_rate: int,
    shaft_ratio: float = 1.0,
) -> FaultSound:
    """Impacts at the defect frequency ringing the housing between 1.5 and 7 kHz, and the roughness between them."""
    modes = draw_modes(rng, 1_500.0, 7_000.0, 7, (0.01, 0.05))
    housing = ring(modes, sample_rate)
    rough = Noise(f"rough {part}", 1.0, envelope=ripple(0.5), envelope_ratio=shaft_ratio)
    return FaultSound(
        -1.0,
        (
            Voice(defect(geometry, part, shaft_ratio, shaft_hz), 0.0, housing),
            Voice(rough, -12.0, casing(modes, sample_rate, 2.0)),
        ),
    )


def cracked_tooth(
    rng: np.random.Generator, pair: GearPair, shaft_ratio: float, shaft_hz: float, sample_rate: int
) -> FaultSound:
    """Once per revolution of the pinion the weak tooth knocks, and the mesh is louder while it carries."""
    modes = draw_modes(rng, 700.0, 4_500.0, 6, (0.01, 0.03))
    pinion_hz = shaft_ratio * shaft_hz
    table = mesh(rng, pair.pinion, 0.3, 0.45 * sample_rate / pinion_hz) * tooth_notch(pair.pinion)
    table /= np.sqrt(np.mean(table**2))
    knock = PulseTrain("cracked tooth", shaft_ratio, pinion_hz, scatter=0.15, speed_power=1.0, load_power=0.8)
    return FaultSound(
        1.0,
        (
            Voice(knock, 0.0, ring(modes, sample_rate)),
            Voice(Rotation(table, shaft_ratio, 1.0, 0.8), -5.0),
        ),
    )


def leak(
    rng: np.random.Generator,
    sample_rate: int,
    envelope: NDArray[np.float32] | None = None,
    envelope_ratio: float = 1.0,
) -> FaultSound:
    """A hiss between 1.5 and 6 kHz that goes on, or comes and goes with the pressure (`envelope`)."""
    hiss = Noise("leak", load_power=0.5, swell_db=0.8, envelope=envelope, envelope_ratio=envelope_ratio)
    return FaultSound(0.0, (Voice(hiss, 0.0, jet(rng, (1_500.0, 6_000.0), sample_rate)),))


def cavitation(rng: np.random.Generator, vanes: int, sample_rate: int) -> FaultSound:
    """Bubbles that collapse at random, most of them as a vane passes: a crackle above 1 kHz over a hiss."""
    modes = draw_modes(rng, 1_000.0, 7_000.0, 6, (0.03, 0.12))
    bubbles = RandomPulses("bubbles", rng.uniform(150.0, 500.0), 0.9, ripple(0.7, vanes), 1.0, 1.5, 0.5)
    gravel = Noise("gravel", 2.0, swell_db=1.0, envelope=ripple(0.6, vanes))
    hiss = unit_energy(minimum_phase(hump(rng.uniform(1_500.0, 4_000.0), 6.0, 3.0), sample_rate))
    return FaultSound(1.0, (Voice(bubbles, 0.0, ring(modes, sample_rate)), Voice(gravel, -3.0, hiss)))


@dataclass(frozen=True, slots=True, eq=False)
class Squeal:
    """A stick-slip tone of about `ratio` periods per revolution, sounding for part of each turn of the belt."""

    table: NDArray[np.float32]
    ratio: float
    belt_ratio: float
    depth: float = 0.01

    def __call__(self, chunk: Chunk) -> NDArray[np.float32]:
        turns = chunk.turns()
        drift = 0.0 if chunk.calm else wander(chunk.seed, "squeal", self.depth).integral(chunk.knots)
        periods = self.ratio * (turns + chunk.motion.hertz * drift)
        sound = read_table(self.table, chunk.at_samples(periods))
        grip = np.clip(0.4 + np.cos(2.0 * np.pi * self.belt_ratio * turns), 0.0, None)
        sound *= chunk.at_samples(grip).astype(np.float32)
        return sound


def belt_squeal(rng: np.random.Generator, shaft_hz: float, belt_ratio: float, sample_rate: int) -> FaultSound:
    """A squeal of 700 to 2500 Hz with harmonics, once per turn of the belt (`belt_ratio` turns per revolution)."""
    pitch = float(np.exp(rng.uniform(np.log(700.0), np.log(2_500.0))))
    orders = np.arange(1, 7)
    amplitudes = np.power(0.55, orders - 1) * np.exp(rng.normal(0.0, 0.4, 6))
    amplitudes[orders * pitch >= 0.45 * sample_rate] = 0.0
    table = periodic(orders, amplitudes, rng.uniform(0.0, 2.0 * np.pi, 6))
    chirp = Noise("belt friction", 1.0, envelope=ripple(0.7), envelope_ratio=belt_ratio)
    path = unit_energy(minimum_phase(hump(pitch, 9.0, 9.0), sample_rate))
    return FaultSound(0.0, (Voice(Squeal(table, pitch / shaft_hz, belt_ratio), 0.0), Voice(chirp, -8.0, path)))
