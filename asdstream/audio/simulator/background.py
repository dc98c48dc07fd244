"""What else can be heard where the machine stands."""

from collections.abc import Callable
from typing import Final

import numpy as np

from asdstream.audio.simulator.electric import Hum, hum_table
from asdstream.audio.simulator.flow import Noise, jet, turbulence
from asdstream.audio.simulator.pulse import RandomPulses
from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.resonance import draw_modes, ring, unit_energy
from asdstream.audio.simulator.room import room_response
from asdstream.audio.simulator.shaft import harmonics
from asdstream.audio.simulator.spectrum import minimum_phase
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


def _none(_rng: np.random.Generator, _sample_rate: int) -> list[Voice]:
    return []


_BACKGROUNDS: Final[dict[str, Callable[[np.random.Generator, int], list[Voice]]]] = {
    "factory": _factory,
    "workshop": _workshop,
    "office": _office,
    "outdoor": _outdoor,
    "none": _none,
}


def backgrounds() -> tuple[str, ...]:
    return tuple(_BACKGROUNDS)


def background_voices(name: str, identity: int, sample_rate: int) -> tuple[Voice, ...]:
    """The background called `name` at the place of machine `identity`; none for "none"."""
    return tuple(_BACKGROUNDS[name](generator("background", name, identity), sample_rate))
