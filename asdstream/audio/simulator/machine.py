"""Which machine, how it runs, and where it is heard."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Final

from asdstream.audio.simulator.background import backgrounds
from asdstream.audio.simulator.chunk import RATED_LOAD
from asdstream.audio.simulator.design import Design, Nameplate
from asdstream.audio.simulator.machines.bearing_rig import bearing_rig
from asdstream.audio.simulator.machines.compressor import compressor
from asdstream.audio.simulator.machines.conveyor import conveyor
from asdstream.audio.simulator.machines.drone import drone
from asdstream.audio.simulator.machines.fan import fan
from asdstream.audio.simulator.machines.gearbox import gearbox
from asdstream.audio.simulator.machines.grinder import grinder
from asdstream.audio.simulator.machines.mill import mill
from asdstream.audio.simulator.machines.press import press
from asdstream.audio.simulator.machines.printer import printer
from asdstream.audio.simulator.machines.pump import pump
from asdstream.audio.simulator.machines.shaker import shaker
from asdstream.audio.simulator.machines.slider import slider
from asdstream.audio.simulator.machines.toy_car import toy_car
from asdstream.audio.simulator.machines.toy_train import toy_train
from asdstream.audio.simulator.machines.vacuum import vacuum
from asdstream.audio.simulator.machines.valve import valve
from asdstream.audio.simulator.microphone import microphones
from asdstream.audio.simulator.room import rooms
from asdstream.audio.source import AudioError

_DESIGNERS: Final[dict[str, Callable[[Nameplate], Design]]] = {
    "fan": fan,
    "pump": pump,
    "gearbox": gearbox,
    "slider": slider,
    "valve": valve,
    "bearing": bearing_rig,
    "compressor": compressor,
    "conveyor": conveyor,
    "toy_car": toy_car,
    "grinder": grinder,
    "press": press,
    "toy_train": toy_train,
    "vacuum": vacuum,
    "shaker": shaker,
    "printer": printer,
    "drone": drone,
    "mill": mill,
}


def machine_types() -> tuple[str, ...]:
    return tuple(_DESIGNERS)


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """A machine as it stands and runs.

    The same type and `identity` is the same physical machine: its resonances, teeth, bearings, place. `speed_rpm` of
    None is its rated speed (cycles per minute of a slider, valve or press); `load` is a part of full load. `snr_db` is
    the level of the machine over the background, both as the microphone hears them, in the long run: in a single
    recording both come and go by a few dB. Raises AudioError naming the value
    that is wrong.
    """

    machine_type: str
    identity: int = 0
    speed_rpm: float | None = None
    load: float = RATED_LOAD
    microphone: str = "flat"
    snr_db: float = 15.0
    background: str = "factory"
    room: str = "workshop"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("machine type", self.machine_type, machine_types()),
            ("microphone", self.microphone, microphones()),
            ("background", self.background, backgrounds()),
            ("room", self.room, rooms()),
        ):
            if value not in known:
                raise AudioError(
                    f"{what} {value!r} is not known to the simulator; it should be one of {', '.join(known)}"
                )
        if self.identity < 0:
            raise AudioError(f"the identity of a simulated machine is {self.identity}; it should be 0 or more")
        if self.speed_rpm is not None and not 1.0 <= self.speed_rpm <= 30_000.0:
            raise AudioError(
                f"the speed of a simulated machine is {self.speed_rpm} rpm; it should lie between 1 and 30000"
            )
        if not 0.05 <= self.load <= 1.2:
            raise AudioError(f"the load of a simulated machine is {self.load}; it should lie between 0.05 and 1.2")
        if not (isfinite(self.snr_db) and abs(self.snr_db) <= 80.0):
            raise AudioError(f"the SNR of a simulated machine is {self.snr_db} dB; it should lie between -80 and 80")


@lru_cache(maxsize=256)
def design(machine_type: str, identity: int, sample_rate: int = 16_000, speed_rpm: float | None = None) -> Design:
    """The machine of this type and identity, ready to be heard at `sample_rate` while running at `speed_rpm`."""
    return _DESIGNERS[machine_type](Nameplate(machine_type, identity, sample_rate, speed_rpm))


def rated_rpm(machine_type: str, identity: int) -> float:
    """Rated speed of a machine; of sliders, valves and presses the cycles per minute."""
    return design(machine_type, identity).rated_rpm


def faults_of(machine_type: str) -> tuple[str, ...]:
    """The faults that a machine of this type can have."""
    if machine_type not in _DESIGNERS:
        raise AudioError(
            f"machine type {machine_type!r} is not known to the simulator; "
            f"it should be one of {', '.join(machine_types())}"
        )
    return tuple(design(machine_type, 0).faults)


def attributes(spec: MachineSpec) -> dict[str, str]:
    """What a DCASE file name says of a recording: attribute names and values without underscores or dots."""
    rpm = rated_rpm(spec.machine_type, spec.identity) if spec.speed_rpm is None else spec.speed_rpm
    return {
        "id": str(spec.identity),
        "spd": f"{rpm:.0f}rpm",
        "load": f"{100.0 * spec.load:.0f}",
        "mic": spec.microphone,
        "noise": spec.background,
        "room": spec.room,
    }
