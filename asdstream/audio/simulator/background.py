"""What else can be heard where the machine stands."""

from collections.abc import Callable
from typing import Final

import numpy as np

from asdstream.audio.simulator.babble import babble
from asdstream.audio.simulator.chunk import Motion
from asdstream.audio.simulator.electric import Hum, hum_table
from asdstream.audio.simulator.elsewhere import Elsewhere
from asdstream.audio.simulator.flow import Noise, jet, turbulence
from asdstream.audio.simulator.friction import Friction, Uneven
from asdstream.audio.simulator.neighbours import neighbour
from asdstream.audio.simulator.profile import changing_speed, run_and_stop
from asdstream.audio.simulator.pulse import PulseTrain, RandomPulses
from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.resonance import draw_modes, ring, unit_energy
from asdstream.audio.simulator.room import room_response
from asdstream.audio.simulator.shaft import Rotation, harmonics
from asdstream.audio.simulator.spectrum import minimum_phase
from asdstream.audio.simulator.tune import Beeps, Tune
from asdstream.audio.simulator.voice import Voice


def _rumble(rng: np.random.Generator, slope_db: float, level_db: float, sample_rate: int) -> Voice:
    """Noise falling by `slope_db` per octave from 40 Hz, with bumps of 3 dB."""
    points = [(40.0 * 2.0**k, -slope_db * k + float(rng.normal(0.0, 3.0))) for k in range(-1, 10)]
    response = unit_energy(minimum_phase([(10.0, -20.0), *points], sample_rate))
    return Voice(Noise("background rumble", swell_db=1.5), level_db, response)


def _distant_machine(rng: np.random.Generator, number: int, level_db: float, sample_rate: int) -> Voice:
    """A machine elsewhere: harmonics of its own speed through a far and reverberant path."""
    hertz = float(rng.uniform(12.0, 60.0))
    table = harmonics(rng, 40, rng.uniform(0.8, 0.93), 0.45 * sample_rate / hertz)
    far = room_response("hall", int(rng.integers(1 << 30)), sample_rate)
    return Voice(Hum(table, hertz, name=f"distant machine {number}", depth=0.003), level_db, far)


def _clanks(rng: np.random.Generator, rate_hz: float, level_db: float, sample_rate: int) -> Voice:
    """Tools and parts being dropped: rare impacts on something that rings, a few times a minute."""
    modes = draw_modes(rng, 400.0, 6_000.0, 9, (0.004, 0.02))
    far = room_response("hall", int(rng.integers(1 << 30)), sample_rate)
    response = unit_energy(np.convolve(ring(modes, sample_rate)[: sample_rate // 20], far)[: sample_rate // 2])
    return Voice(RandomPulses("background clanks", rate_hz, scatter=0.6), level_db, response)


def _factory(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    voices = [_rumble(rng, rng.uniform(2.5, 5.0), 0.0, sample_rate)]
    voices += [_distant_machine(rng, n, rng.uniform(-16.0, -6.0), sample_rate) for n in range(2)]
    voices.append(
        Voice(Noise("background air", swell_db=2.0), rng.uniform(-22.0, -12.0), jet(rng, (2e3, 5e3), sample_rate))
    )
    voices.append(_clanks(rng, rng.uniform(0.05, 0.3), rng.uniform(-14.0, -8.0), sample_rate))
    return voices


def _workshop(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    hum = Voice(Hum(hum_table(rng), float(rng.choice([50.0, 60.0]))), rng.uniform(-14.0, -6.0))
    return [
        _rumble(rng, rng.uniform(4.0, 6.0), 0.0, sample_rate),
        Voice(Noise("background ventilation", swell_db=1.0), -4.0, turbulence(rng, (150.0, 600.0), sample_rate)),
        hum,
        _clanks(rng, rng.uniform(0.2, 0.6), rng.uniform(-10.0, -5.0), sample_rate),
    ]


def _office(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    return [
        Voice(Noise("background ventilation", swell_db=0.7), 0.0, turbulence(rng, (100.0, 400.0), sample_rate)),
        _rumble(rng, rng.uniform(5.0, 7.0), -4.0, sample_rate),
        Voice(Hum(hum_table(rng), 50.0), rng.uniform(-20.0, -12.0)),
    ]


def _outdoor(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    return [
        _rumble(rng, rng.uniform(5.0, 8.0), 0.0, sample_rate),
        Voice(Noise("background wind", swell_db=4.0), -3.0, turbulence(rng, (60.0, 200.0), sample_rate)),
        Voice(Noise("background traffic", swell_db=3.0), -6.0, turbulence(rng, (500.0, 1_200.0), sample_rate)),
    ]


def _crowd(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    return [
        _rumble(rng, rng.uniform(4.0, 6.0), -3.0, sample_rate),
        *babble(rng, int(rng.integers(3, 7)), 0.0, sample_rate),
        _clanks(rng, rng.uniform(0.1, 0.5), rng.uniform(-14.0, -8.0), sample_rate),
    ]


def _construction(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    modes = draw_modes(rng, 250.0, 5_000.0, 14, (0.006, 0.04))
    far = room_response("hall", int(rng.integers(1 << 30)), sample_rate)
    struck = unit_energy(np.convolve(ring(modes, sample_rate), far)[: sample_rate // 2])
    rate = float(rng.uniform(1.2, 9.0))
    blows = PulseTrain("hammer", 1.0, rate, 0.0, 0.15, 0.35, speed_power=1.0)
    hammer = Elsewhere(blows, "hammer", Motion(rate, speed_depth=0.06, profile=run_and_stop(rng, (2, 8), (2, 9))))
    return [
        _rumble(rng, rng.uniform(3.0, 6.0), 0.0, sample_rate),
        Voice(hammer, rng.uniform(-9.0, -2.0), struck),
        _clanks(rng, rng.uniform(0.3, 1.5), rng.uniform(-12.0, -6.0), sample_rate),
        *neighbour(rng, 0, rng.uniform(-12.0, -3.0), sample_rate),
    ]


def _warehouse(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    far = room_response("hall", int(rng.integers(1 << 30)), sample_rate)
    pitch, every = float(rng.uniform(900.0, 3_200.0)), float(rng.uniform(0.4, 1.3))
    tone = harmonics(rng, 3, 0.3, 0.45 * sample_rate / pitch)
    engine = Rotation(harmonics(rng, 60, rng.uniform(0.85, 0.95), 150.0), 0.5, 1.0, 0.0, 3.0, "engine")
    motion = Motion(float(rng.uniform(15.0, 45.0)), speed_depth=0.03, profile=changing_speed(rng, 5, (2, 7), 0.4, 1.5))
    return [
        _rumble(rng, rng.uniform(4.0, 6.0), 0.0, sample_rate),
        Voice(Noise("background ventilation", swell_db=1.0), -6.0, turbulence(rng, (150.0, 800.0), sample_rate)),
        Voice(Beeps("reversing", tone, pitch, every, 0.5 * every, 0.5), rng.uniform(-12.0, -4.0), far),
        Voice(Elsewhere(engine, "forklift", motion), rng.uniform(-9.0, -2.0), far),
        _clanks(rng, rng.uniform(0.1, 0.6), rng.uniform(-12.0, -6.0), sample_rate),
    ]


def _rain(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    roof = ring(draw_modes(rng, 700.0, 7_000.0, 16, (0.02, 0.1)), sample_rate)
    drops = RandomPulses("drops", float(rng.uniform(80.0, 600.0)), 0.6)
    return [
        Voice(Noise("background rain", swell_db=2.0), 0.0, turbulence(rng, (1_200.0, 5_000.0), sample_rate)),
        Voice(Uneven(drops, "showers", 2, 3.0), rng.uniform(-8.0, 0.0), roof),
        Voice(Friction("gusts", 1, 4.0, 0.0, swell_db=3.0), -4.0, turbulence(rng, (60.0, 250.0), sample_rate)),
        _rumble(rng, rng.uniform(4.0, 7.0), -4.0, sample_rate),
    ]


def _plant(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    return [
        _rumble(rng, rng.uniform(3.0, 6.0), 0.0, sample_rate),
        *neighbour(rng, 0, rng.uniform(-4.0, 3.0), sample_rate),
        *neighbour(rng, 1, rng.uniform(-9.0, -1.0), sample_rate),
    ]


def _radio(rng: np.random.Generator, sample_rate: int) -> list[Voice]:
    box = [(60.0, -24.0), (250.0, -3.0), (600.0, 0.0), (3_000.0, 2.0), (5_500.0, -6.0), (8_000.0, -24.0)]
    path = np.convolve(minimum_phase(box, sample_rate), room_response("workshop", int(rng.integers(99)), sample_rate))
    path = unit_energy(path)
    beat = int(rng.choice([2, 3, 4]))
    parts = [
        Voice(
            Tune(f"part {n}", harmonics(rng, 12, rng.uniform(0.5, 0.8), 0.1 * sample_rate / lowest), lowest, notes),
            rng.uniform(-8.0, -2.0),
            path,
        )
        for n, (lowest, notes) in enumerate([(float(rng.uniform(70, 120)), 1), (220.0, beat), (440.0, 2 * beat)])
    ]
    return [
        _rumble(rng, rng.uniform(4.0, 6.0), -1.0, sample_rate),
        *parts,
        Voice(Elsewhere(PulseTrain("drum", 1.0, beat, scatter=0.3), "drum", Motion(beat)), -8.0, path),
        *babble(rng, 1, rng.uniform(-12.0, -4.0), sample_rate),
    ]


def _none(_rng: np.random.Generator, _sample_rate: int) -> list[Voice]:
    return []


_BACKGROUNDS: Final[dict[str, Callable[[np.random.Generator, int], list[Voice]]]] = {
    "factory": _factory,
    "workshop": _workshop,
    "office": _office,
    "outdoor": _outdoor,
    "crowd": _crowd,
    "construction": _construction,
    "warehouse": _warehouse,
    "rain": _rain,
    "plant": _plant,
    "radio": _radio,
    "none": _none,
}


def backgrounds() -> tuple[str, ...]:
    return tuple(_BACKGROUNDS)


def background_voices(name: str, identity: int, sample_rate: int) -> tuple[Voice, ...]:
    """The background called `name` at the place of machine `identity`; none for "none"."""
    return tuple(_BACKGROUNDS[name](generator("background", name, identity), sample_rate))
