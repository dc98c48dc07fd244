"""A machine as designed: what it sounds like healthy, how it runs, what each fault would add."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.bearing import BearingGeometry
from asdstream.audio.simulator.chunk import RATED_LOAD, Motion
from asdstream.audio.simulator.fault_sounds import FaultSound
from asdstream.audio.simulator.gear import GearPair
from asdstream.audio.simulator.profile import SpeedProfile
from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.voice import Voice


@dataclass(frozen=True, slots=True)
class Nameplate:
    """Which machine is being designed; everything physical is drawn from its type and `identity` alone.

    `speed_rpm` is the speed it will run at (None: its rated one), needed only to leave out what cannot be sampled.
    """

    machine_type: str
    identity: int
    sample_rate: int
    speed_rpm: float | None = None

    def rng(self, part: str) -> np.random.Generator:
        """Random numbers for one part, so that a change to one part leaves the others as they are."""
        return generator("machine", self.machine_type, self.identity, part)

    def rated_rpm(self, low: float, high: float) -> float:
        """The rated speed, log-uniform between the two, to the tenth."""
        return round(float(np.exp(self.rng("rated speed").uniform(log(low), log(high)))), 1)

    def below_order(self, rated_rpm: float, ratio: float = 1.0) -> float:
        """Orders of a shaft turning `ratio` times the main one that stay well under half the sampling rate."""
        fastest_hz = max(rated_rpm, self.speed_rpm or 0.0) / 60.0 * ratio
        return 0.42 * self.sample_rate / fastest_hz


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A designed machine. `slip`, the depths and `profile` are as in Motion; `bearing_ratio` and `gear_ratio`
    are revolutions of the shaft that carries the bearing, or the pinion, per revolution of the main one; `enclosure`,
    if there is one, is the impulse response of what surrounds the machine."""

    rated_rpm: float
    voices: tuple[Voice, ...]
    faults: Mapping[str, FaultSound]
    slip: float = 0.0
    speed_depth: float = 0.002
    load_depth: float = 0.08
    flutter_depth: float = 0.0
    profile: SpeedProfile | None = None
    bearing: BearingGeometry | None = None
    bearing_ratio: float = 1.0
    gear: GearPair | None = None
    gear_ratio: float = 1.0
    enclosure: NDArray[np.float64] | None = None

    def motion(self, speed_rpm: float | None = None, load: float = RATED_LOAD) -> Motion:
        """How it runs at `speed_rpm` (None: the rated speed) under `load`."""
        rpm = self.rated_rpm if speed_rpm is None else speed_rpm
        return Motion(
            hertz=rpm / 60.0,
            ratio=rpm / self.rated_rpm,
            load=load,
            slip=self.slip,
            speed_depth=self.speed_depth,
            load_depth=self.load_depth * load / RATED_LOAD,
            flutter_depth=self.flutter_depth,
            profile=self.profile,
        )
