"""Training sound from the simulator."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.background import backgrounds
from asdstream.audio.simulator.fault import Fault
from asdstream.audio.simulator.machine import MachineSpec, faults_of, machine_types, rated_rpm
from asdstream.audio.simulator.microphone import microphones
from asdstream.audio.simulator.room import rooms
from asdstream.audio.simulator.simulator import Simulator
from trainer.errors import RecipeError
from trainer.fingerprint import package_identity
from trainer.randomness import derived_seed, numpy_generator
from trainer.recipe import SimulatedMachine, SimulatorSound, VarietySettings
from trainer.sound import MachineSound, Recording, TrainingSound

SIMULATOR = "asdstream.audio.simulator"

HEALTHY = "healthy"
LOUDEST = 0.99
"""Peak of a recording; a fault on top of its machine may pass 1, and nobody sets up a microphone that loud."""
FASTEST_RPM = 30_000.0
"""The simulator turns no machine faster."""

_NOISY: Final = tuple(name for name in backgrounds() if name != "none")


@dataclass(frozen=True, slots=True)
class _Heard:
    """What is rendered: a machine with or without its background, or the background alone.

    `speed` is a part of the rated speed, which is only looked up when the machine is heard: it takes its whole design.
    """

    spec: MachineSpec
    speed: float = 1.0
    fault: Fault | None = None
    machine: bool = True
    background: bool = True


def simulated_sound(settings: SimulatorSound, seed: int) -> TrainingSound:
    """Recordings of healthy machines for prototypes, and as the recipe says a variety of machines, states and places.

    A label tells type, identity, operating point and state (`fan_id_7_point_2_inner_race`); the recordings of one
    label differ by their seeds. Raises RecipeError for a machine type that the simulator does not know.
    """
    wanted = [machine.machine_type for machine in settings.machines]
    if settings.variety:
        wanted += settings.variety.machine_types or ()
    for machine_type in wanted:
        if machine_type not in machine_types():
            raise RecipeError(
                f"the simulator knows no machine type {machine_type!r}; it has {', '.join(machine_types())}"
            )
    machines = tuple(_machine(machine, seed) for machine in settings.machines)
    if settings.variety is None:
        return TrainingSound((), machines)
    return TrainingSound(tuple(_variety(settings.variety, seed)), machines, tuple(_backgrounds(settings.variety, seed)))


def _machine(settings: SimulatedMachine, seed: int) -> MachineSound:
    def recordings(purpose: str, count: int) -> tuple[Recording, ...]:
        made = []
        for number in range(count):
            place = (purpose, settings.machine_type, settings.identity, number)
            spec = _drawn(settings, settings.machine_type, settings.identity, numpy_generator(seed, *place))
            label = f"{settings.machine_type}_id_{settings.identity}_{HEALTHY}"
            made.append(_recording(_Heard(spec), settings.seconds, label, place, seed))
        return tuple(made)

    return MachineSound(
        machine=settings.machine_type,
        source=recordings("train", settings.recordings),
        target=(),
        held_out=recordings("held out", settings.held_out),
    )


def _variety(settings: VarietySettings, seed: int) -> Iterator[Recording]:
    for machine_type in settings.machine_types or machine_types():
        for identity in settings.identities:
            for point in range(settings.points):
                for state, fault in _states(settings, machine_type, (identity, point), seed):
                    label = f"{machine_type}_id_{identity}_point_{point}_{state}"
                    for number in range(settings.recordings):
                        place = ("variety", machine_type, identity, point, state, number)
                        spec, speed = _point(settings, machine_type, identity, point, number, seed)
                        heard = _Heard(spec, speed, fault, background=settings.backgrounds == 0)
                        yield _recording(heard, settings.seconds, label, place, seed)


def _states(
    settings: VarietySettings, machine_type: str, point: tuple[int, int], seed: int
) -> Iterator[tuple[str, Fault | None]]:
    """The healthy state, and some of the faults that the type can have, each as far as it has come at this point."""
    yield HEALTHY, None
    generator = numpy_generator(seed, "faults", machine_type, *point)
    known = faults_of(machine_type)
    for index in generator.permutation(len(known))[: settings.faults]:
        yield known[index], Fault(known[index], float(generator.uniform(*settings.severity)))


def _point(
    settings: VarietySettings, machine_type: str, identity: int, point: int, number: int, seed: int
) -> tuple[MachineSpec, float]:
    """The machine at this point, and its part of the rated speed."""
    if settings.points == 1:
        generator = numpy_generator(seed, "variety", machine_type, identity, number)
        return _drawn(settings, machine_type, identity, generator), float(generator.uniform(*settings.speed))
    generator = numpy_generator(seed, "point", machine_type, identity, point)
    spec = replace(
        _drawn(settings, machine_type, identity, generator),
        room=str(generator.choice(rooms())),
        microphone=str(generator.choice(microphones())),
        background=str(generator.choice(_NOISY)),
    )
    return spec, float(generator.uniform(*settings.speed))


def _drawn(
    settings: VarietySettings | SimulatedMachine, machine_type: str, identity: int, generator: np.random.Generator
) -> MachineSpec:
    return MachineSpec(
        machine_type,
        identity=identity,
        load=float(generator.uniform(*settings.load)),
        snr_db=float(generator.uniform(*settings.snr_db)),
    )


def _backgrounds(settings: VarietySettings, seed: int) -> Iterator[Recording]:
    """Backgrounds in turn, each at a place of its own through a microphone drawn for it."""
    for number in range(settings.backgrounds):
        place = ("background", _NOISY[number % len(_NOISY)], number)
        generator = numpy_generator(seed, *place)
        spec = MachineSpec(
            "fan",  # never heard
            identity=int(generator.integers(1 << 30)),
            snr_db=0.0,
            background=_NOISY[number % len(_NOISY)],
            microphone=str(generator.choice(microphones())),
        )
        yield _recording(_Heard(spec, machine=False), settings.seconds, "", place, seed)


def _recording(heard: _Heard, seconds: float, label: str, place: tuple[str | int, ...], seed: int) -> Recording:
    sound_seed = derived_seed(seed, *place, "sound") % 2**32
    return Recording(
        name="/".join(map(str, place)),
        identity=f"{package_identity(SIMULATOR)} {heard} {sound_seed} {seconds:g}",
        seconds=seconds,
        read=partial(_render, heard, sound_seed, seconds),
        label=label,
    )


def _render(heard: _Heard, seed: int, seconds: float) -> NDArray[np.float32]:
    spec = heard.spec
    if heard.speed != 1.0:
        rpm = heard.speed * rated_rpm(spec.machine_type, spec.identity)
        spec = replace(spec, speed_rpm=min(rpm, FASTEST_RPM))
    simulator = Simulator(spec, seed)
    if heard.machine and heard.background:
        return simulator.render(seconds, heard.fault)
    parts = simulator.render_parts(seconds, heard.fault)
    sound = parts.machine + parts.fault if heard.machine else parts.background
    peak = float(np.abs(sound).max())
    return sound if peak <= LOUDEST else sound * np.float32(LOUDEST / peak)
