"""Machines from physics: the simulator behind the demo, the tests and the default bundle."""

from asdstream.audio.simulator.background import backgrounds
from asdstream.audio.simulator.fault import Fault, FaultSchedule
from asdstream.audio.simulator.machine import MachineSpec, attributes, faults_of, machine_types, rated_rpm
from asdstream.audio.simulator.microphone import microphones
from asdstream.audio.simulator.room import rooms
from asdstream.audio.simulator.simulator import Simulator, SimulatorStream
from asdstream.audio.simulator.source import SimulatorSource

__all__ = [
    "Fault",
    "FaultSchedule",
    "MachineSpec",
    "Simulator",
    "SimulatorSource",
    "SimulatorStream",
    "attributes",
    "backgrounds",
    "faults_of",
    "machine_types",
    "microphones",
    "rated_rpm",
    "rooms",
]
