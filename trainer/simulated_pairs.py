"""Clean machine sound and noise from the simulator, for separators of machines that nobody recorded cleanly."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.background import backgrounds
from asdstream.audio.simulator.fault import Fault
from asdstream.audio.simulator.machine import MachineSpec, faults_of, machine_types, rated_rpm
from asdstream.audio.simulator.microphone import microphones
from asdstream.audio.simulator.room import rooms
from asdstream.audio.simulator.simulator import Simulator
from trainer import synthetic_noise
from trainer.errors import RecipeError
from trainer.fingerprint import file_identity, package_identity
from trainer.pairs import PairSound
from trainer.randomness import derived_seed, numpy_generator
from trainer.simulated_sound import SIMULATOR
from trainer.sound import Recording


@dataclass(frozen=True, slots=True)
class SimulatedPairSettings:
    """How much is simulated, and how it varies.

    Attributes:
        machine_types: what the separator is for; every type where None.
        identities: machines of each type; none of them is a machine of the demonstration.
        recordings: clean recordings of each machine, each in another place, at another load and speed.
        faulty: share of them with a fault of any severity, which belongs to the machine and is to be kept.
        ambience: share of them that keep some steady background, as recordings from factories that pass for clean
            do. It belongs to what is to be kept, or a separator would take a steady machine for noise.
        ambience_snr_db: level of the machine over that.
        noises: recordings of noise: backgrounds, synthetic noise, and machines of other types if there are any.
        seconds: length of each recording.
    """

    machine_types: tuple[str, ...] | None = None
    identities: int = 8
    recordings: int = 6
    faulty: float = 0.5
    ambience: float = 0.75
    ambience_snr_db: tuple[float, float] = (0.0, 20.0)
    noises: int = 300
    seconds: float = 10.0


STEADY: Final = ("factory", "workshop", "office")
"""Backgrounds that always sound alike."""
NOISY: Final = tuple(name for name in backgrounds() if name != "none")
FIRST_IDENTITY: Final = 5_000
"""Machines that separators learn from; those of recipes and demonstrations have smaller numbers."""


def simulated_pairs(settings: SimulatedPairSettings, seed: int) -> PairSound:
    """Clean recordings and noise, always the same for the same settings and seed.

    Raises RecipeError for a machine type that the simulator does not know.
    """
    wanted = settings.machine_types or machine_types()
    for machine_type in wanted:
        if machine_type not in machine_types():
            raise RecipeError(
                f"the simulator knows no machine type {machine_type!r}; it has {', '.join(machine_types())}"
            )
    clean = tuple(
        _clean(settings, machine_type, identity, number, seed)
        for machine_type in wanted
        for identity in range(settings.identities)
        for number in range(settings.recordings)
    )
    others = tuple(name for name in machine_types() if name not in wanted)
    return PairSound(clean, tuple(_noise(settings, others, number, seed) for number in range(settings.noises)))


def _clean(settings: SimulatedPairSettings, machine_type: str, identity: int, number: int, seed: int) -> Recording:
    place = ("clean", machine_type, identity, number)
    rng = numpy_generator(seed, *place)
    ambience = bool(rng.random() < settings.ambience)
    spec = _spec(rng, machine_type, FIRST_IDENTITY + identity, settings.ambience_snr_db, STEADY)
    fault = None
    if rng.random() < settings.faulty:
        kinds = faults_of(machine_type)
        fault = Fault(kinds[int(rng.integers(len(kinds)))], float(rng.uniform(0.2, 1.0)))
    return _recording(settings, place, seed, partial(_render_machine, spec, fault, ambience), (spec, fault, ambience))


def _noise(settings: SimulatedPairSettings, others: tuple[str, ...], number: int, seed: int) -> Recording:
    rng = numpy_generator(seed, "noise", number)
    kinds = ("synthetic", "synthetic", "background", *(("machine",) if others else ()))
    kind = kinds[number % len(kinds)]
    place = ("noise", kind, number)
    if kind == "synthetic":
        identity = file_identity(Path(synthetic_noise.__file__))
        return _recording(settings, place, seed, synthetic_noise.synthetic_noise, identity)
    types = others if kind == "machine" else machine_types()
    spec = _spec(rng, str(rng.choice(types)), FIRST_IDENTITY + number, (0.0, 0.0), NOISY)
    if kind == "machine":
        return _recording(settings, place, seed, partial(_render_machine, spec, None, True), spec)
    return _recording(settings, place, seed, partial(_render_background, spec), spec)


def _spec(
    rng: np.random.Generator,
    machine_type: str,
    identity: int,
    snr_db: tuple[float, float],
    among: tuple[str, ...],
) -> MachineSpec:
    return MachineSpec(
        machine_type,
        identity=identity,
        speed_rpm=rated_rpm(machine_type, identity) * float(rng.uniform(0.8, 1.2)),
        load=float(rng.uniform(0.3, 1.0)),
        microphone=str(rng.choice(microphones())),
        snr_db=float(rng.uniform(*snr_db)),
        background=str(rng.choice(among)),
        room=str(rng.choice(rooms())),
    )


def _recording(
    settings: SimulatedPairSettings,
    place: tuple[str | int, ...],
    seed: int,
    render: Callable[[int, float], NDArray[np.float32]],
    identity: object,
) -> Recording:
    sound_seed = derived_seed(seed, *place, "sound") % 2**32
    return Recording(
        name="/".join(map(str, place)),
        identity=f"{package_identity(SIMULATOR)} {identity} {sound_seed} {settings.seconds:g}",
        seconds=settings.seconds,
        read=partial(render, sound_seed, settings.seconds),
    )


def _render_machine(
    spec: MachineSpec, fault: Fault | None, ambience: bool, seed: int, seconds: float
) -> NDArray[np.float32]:
    parts = Simulator(spec, seed).render_parts(seconds, fault)
    return parts.machine + parts.fault + (parts.background if ambience else np.float32(0.0))


def _render_background(spec: MachineSpec, seed: int, seconds: float) -> NDArray[np.float32]:
    return Simulator(spec, seed).render_parts(seconds).background
