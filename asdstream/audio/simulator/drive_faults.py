"""Faults of small drives: what bent, worn, sparking and stuck things add to the sound of a machine."""

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.fault_sounds import FaultSound
from asdstream.audio.simulator.flow import Noise, ripple
from asdstream.audio.simulator.friction import Friction
from asdstream.audio.simulator.gear import mesh
from asdstream.audio.simulator.pulse import PulseTrain, RandomPulses
from asdstream.audio.simulator.resonance import casing, draw_modes, ring, unit_energy
from asdstream.audio.simulator.shaft import TABLE, Rotation, harmonics, periodic
from asdstream.audio.simulator.spectrum import hump, minimum_phase
from asdstream.audio.simulator.voice import Voice


def rub(width: float) -> NDArray[np.float32]:
    """Envelope of a contact during about `width` of each turn; unit RMS, (TABLE + 1,)."""
    x = np.arange(TABLE + 1) / TABLE
    touch = np.exp(-0.5 * (np.minimum(x, 1.0 - x) / width) ** 2)
    return np.asarray(touch / np.sqrt(np.mean(touch**2)), dtype=np.float32)


def bent_shaft(rng: np.random.Generator, shaft_hz: float, sample_rate: int, shaft_ratio: float = 1.0) -> FaultSound:
    """A shaft that runs out of true: it rubs and knocks once a turn, and shakes what holds it at 1, 2 and 3 a turn."""
    modes = draw_modes(rng, 250.0, 5_000.0, 14, (0.02, 0.08))
    frame = casing(modes, sample_rate, 4.0)
    hertz = shaft_ratio * shaft_hz
    knock = PulseTrain("bent shaft", shaft_ratio, hertz, 0.2, 0.03, 0.25, speed_power=1.5)
    shake = harmonics(rng, 12, 0.7, 0.45 * sample_rate / hertz)
    scrape = Friction(
        "bent shaft rub", 250, 3.0, 1.5, envelope=rub(float(rng.uniform(0.06, 0.15))), envelope_ratio=shaft_ratio
    )
    return FaultSound(
        1.0,
        (
            Voice(scrape, 0.0, frame),
            Voice(knock, -3.0, ring(modes, sample_rate)),
            Voice(Rotation(shake, shaft_ratio, 2.0), -3.0, frame),
        ),
    )


def worn_teeth(
    rng: np.random.Generator, teeth: int, shaft_hz: float, sample_rate: int, shaft_ratio: float = 1.0
) -> FaultSound:
    """Several teeth of a wheel are deformed or melted: each lands with a knock of its own strength, every turn alike,
    and the mesh carries strong side bands of that wheel."""
    hertz = shaft_ratio * shaft_hz
    strengths = np.exp(rng.normal(0.0, 1.2, teeth)) * (rng.random(teeth) < 0.5)
    strengths[int(rng.integers(teeth))] = 3.0
    tooth = np.round(np.arange(TABLE + 1) * teeth / TABLE).astype(np.int64) % teeth
    zone = strengths[tooth] / np.sqrt(np.mean(strengths**2))
    landing = PulseTrain(
        "worn teeth",
        teeth * shaft_ratio,
        teeth * hertz,
        0.0,
        0.3,
        0.3,
        zone.astype(np.float32),
        shaft_ratio,
        speed_power=1.0,
        load_power=0.4,
    )
    modes = draw_modes(rng, 600.0, 6_500.0, 16, (0.015, 0.06))
    uneven = mesh(rng, teeth, 1.2, 0.45 * sample_rate / hertz)
    return FaultSound(
        1.0,
        (
            Voice(landing, 0.0, ring(modes, sample_rate)),
            Voice(Rotation(uneven, shaft_ratio, 1.0, 0.4), -4.0, casing(modes, sample_rate, 2.0)),
        ),
    )


def foreign_object(rng: np.random.Generator, shaft_hz: float, sample_rate: int, shaft_ratio: float = 1.0) -> FaultSound:
    """Something loose is thrown about: hit about once a turn, it clatters a few times and grinds in between."""
    modes = draw_modes(rng, 800.0, 7_000.0, 12, (0.006, 0.04))
    hertz = shaft_ratio * shaft_hz
    path = ring(modes, sample_rate)
    hits = PulseTrain("object hit", shaft_ratio, hertz, 0.6, 0.5, 0.7, speed_power=1.0)
    # A stone in a fast wheel bounces no more often for that.
    clatter = RandomPulses("object clatter", float(np.clip(3.0 * hertz, 4.0, 60.0)), 0.9, speed_power=1.0)
    grind = Friction("object grind", 50, 6.0, 1.0, envelope=ripple(0.8), envelope_ratio=shaft_ratio)
    return FaultSound(0.0, (Voice(hits, 0.0, path), Voice(clatter, -1.0, path), Voice(grind, -9.0, path)))


def commutator_sparks(rng: np.random.Generator, segments: int, sample_rate: int) -> FaultSound:
    """Worn brushes: a crackle above 2 kHz that comes with the passing segments, and a rasp of the same rhythm."""
    spark = unit_energy(minimum_phase(hump(float(rng.uniform(3_500.0, 6_000.0)), 9.0, 3.0), sample_rate))
    crackle = RandomPulses("sparks", float(rng.uniform(80.0, 300.0)), 0.9, ripple(1.0), 1.0, 1.0, 0.8)
    rasp = Noise("brush rasp", 1.0, 0.8, 1.0, ripple(0.9, segments))
    once = Friction("brush bounce", 125, 6.0, 1.0, 0.8, envelope=rub(0.1))
    return FaultSound(0.0, (Voice(crackle, 0.0, spark), Voice(rasp, -4.0, spark), Voice(once, -4.0, spark)))


def flat_spot(rng: np.random.Generator, shaft_hz: float, sample_rate: int, shaft_ratio: float = 1.0) -> FaultSound:
    """A wheel or roller with a flat: it drops once a turn, bounces, and drums on what it rolls on."""
    hertz = shaft_ratio * shaft_hz
    modes = draw_modes(rng, 150.0, 3_500.0, 14, (0.015, 0.06))
    drop = PulseTrain("flat spot", shaft_ratio, hertz, 0.0, 0.02, 0.2, speed_power=1.0)
    bounce = PulseTrain("flat spot bounce", shaft_ratio, hertz, -0.22, 0.08, 0.4, speed_power=1.0)
    path = ring(modes, sample_rate)
    drum = Rotation(harmonics(rng, 30, 0.9, 0.45 * sample_rate / hertz), shaft_ratio, 1.5)
    return FaultSound(
        1.0, (Voice(drop, 0.0, path), Voice(bounce, -6.0, path), Voice(drum, -5.0, casing(modes, sample_rate, 4.0)))
    )


def blockage(rng: np.random.Generator, shaft_hz: float, sample_rate: int) -> FaultSound:
    """Too little air: the flow stalls and surges below 500 Hz, and whistles through what is left of its way."""
    surge = unit_energy(minimum_phase(hump(float(rng.uniform(100.0, 350.0)), 6.0, 9.0), sample_rate))
    pitch = float(np.exp(rng.uniform(np.log(900.0), np.log(3_500.0))))
    gap = unit_energy(minimum_phase(hump(pitch, 18.0, 18.0), sample_rate))
    orders = np.arange(1, 4)
    amplitudes = np.where(orders * pitch < 0.45 * sample_rate, 0.4 ** (orders - 1), 0.0)
    tone = periodic(orders, amplitudes, rng.uniform(0.0, 2.0 * np.pi, 3))
    return FaultSound(
        0.0,
        (
            Voice(Friction("surge", 10, 5.0, 1.5), 0.0, surge),
            Voice(Friction("whistle", 25, 4.0, 2.0), -2.0, gap),
            Voice(Rotation(tone, pitch / shaft_hz, 1.5, 0.0, 1.0, "whistle"), -8.0),
        ),
    )


def lost_steps(rng: np.random.Generator, periods: int, shaft_hz: float, sample_rate: int) -> FaultSound:
    """A stepper that cannot follow: it falls back a pole with a knock, again and again, and growls in between."""
    modes = draw_modes(rng, 300.0, 5_000.0, 14, (0.015, 0.06))
    path = ring(modes, sample_rate)
    every = float(rng.uniform(3.0, 9.0))
    falls = PulseTrain("lost steps", every, every * shaft_hz, 0.0, 0.7, 0.5, speed_power=0.5, load_power=0.5)
    growl = Friction("stall growl", 25, 7.0, 0.5, 0.5, envelope=ripple(1.0, periods))
    low = unit_energy(minimum_phase(hump(float(rng.uniform(250.0, 700.0)), 6.0, 6.0), sample_rate))
    return FaultSound(1.0, (Voice(falls, 0.0, path), Voice(growl, -3.0, low)))
