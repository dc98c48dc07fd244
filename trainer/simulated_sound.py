"""Training sound from the simulator."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.machine import MachineSpec, machine_types
from asdstream.audio.simulator.simulator import Simulator
from trainer.errors import RecipeError
from trainer.fingerprint import package_identity
from trainer.randomness import derived_seed, numpy_generator
from trainer.recipe import SimulatedMachine, SimulatorSound, VarietySettings
from trainer.sound import MachineSound, Recording, TrainingSound

SIMULATOR = "asdstream.audio.simulator"


def simulated_sound(settings: SimulatorSound, seed: int) -> TrainingSound:
    """Recordings of healthy simulated machines, each with its own seed, load and signal-to-noise ratio.

    Raises RecipeError for a machine type that the simulator does not know.
    """
    wanted = [machine.machine_type for machine in settings.machines]
    if settings.variety:
        wanted += settings.variety.machine_types or ()
    for machine_type in wanted:
        if machine_type not in machine_types():
            raise RecipeError(
                f"the simulator knows no machine type {machine_type!r}; it has {', '.join(machine_types())}"
            )
    variety = _variety(settings.variety, seed) if settings.variety else ()
    return TrainingSound(variety, tuple(_machine(machine, seed) for machine in settings.machines))


def _variety(settings: VarietySettings, seed: int) -> tuple[Recording, ...]:
    return tuple(
        _recording(settings, ("variety", machine_type, identity, number), seed)
        for machine_type in settings.machine_types or machine_types()
        for identity in settings.identities
        for number in range(settings.recordings)
    )


def _machine(settings: SimulatedMachine, seed: int) -> MachineSound:
    def recordings(purpose: str, count: int) -> tuple[Recording, ...]:
        return tuple(
            _recording(settings, (purpose, settings.machine_type, settings.identity, number), seed)
            for number in range(count)
        )

    return MachineSound(
        machine=settings.machine_type,
        source=recordings("train", settings.recordings),
        target=(),
        held_out=recordings("held out", settings.held_out),
    )


def _recording(settings: VarietySettings | SimulatedMachine, place: tuple[str, str, int, int], seed: int) -> Recording:
    _, machine_type, identity, _ = place
    generator = numpy_generator(seed, *place)
    spec = MachineSpec(
        machine_type,
        identity=identity,
        load=float(generator.uniform(*settings.load)),
        snr_db=float(generator.uniform(*settings.snr_db)),
    )
    sound_seed = derived_seed(seed, *place, "sound") % 2**32
    return Recording(
        name="/".join(map(str, place)),
        identity=f"{package_identity(SIMULATOR)} {spec} {sound_seed} {settings.seconds:g}",
        seconds=settings.seconds,
        read=partial(_render, spec, sound_seed, settings.seconds),
    )


def _render(spec: MachineSpec, seed: int, seconds: float) -> NDArray[np.float32]:
    return Simulator(spec, seed).render(seconds)
