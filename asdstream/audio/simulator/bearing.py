"""Rolling bearings: defect frequencies from the geometry, and what a defect sends into the housing."""

from dataclasses import dataclass
from math import cos, radians
from typing import Literal

import numpy as np

from asdstream.audio.simulator.flow import ripple
from asdstream.audio.simulator.pulse import PulseTrain

Part = Literal["outer_race", "inner_race", "ball"]


@dataclass(frozen=True, slots=True)
class BearingGeometry:
    """`balls` rolling elements of diameter over pitch diameter `ball_to_pitch`, at `contact_deg` degrees.

    The factors are per revolution of the shaft, outer race fixed (Randall and Antoni, Rolling element bearing
    diagnostics, 2011, eq. 1 to 4).
    """

    balls: int
    ball_to_pitch: float
    contact_deg: float

    @property
    def _g(self) -> float:
        return self.ball_to_pitch * cos(radians(self.contact_deg))

    @property
    def bpfo(self) -> float:
        """Balls passing a point of the outer race."""
        return self.balls / 2.0 * (1.0 - self._g)

    @property
    def bpfi(self) -> float:
        """Balls passing a point of the inner race."""
        return self.balls / 2.0 * (1.0 + self._g)

    @property
    def ftf(self) -> float:
        """Revolutions of the cage."""
        return 0.5 * (1.0 - self._g)

    @property
    def bsf(self) -> float:
        """Revolutions of a ball about its own axis; a spot on it strikes a race twice in each."""
        return (1.0 - self._g**2) / (2.0 * self.ball_to_pitch)


def draw_bearing(rng: np.random.Generator) -> BearingGeometry:
    """Deep-groove and angular-contact proportions."""
    return BearingGeometry(
        int(rng.integers(7, 15)), float(rng.uniform(0.16, 0.30)), float(rng.choice([0.0, 0.0, 15.0, 25.0]))
    )


def defect(geometry: BearingGeometry, part: Part, shaft_ratio: float, rated_hz: float) -> PulseTrain:
    """Impacts of a spall on `part` of a bearing on a shaft turning `shaft_ratio` times the main one.

    An outer-race spall sits still in the load zone; one on the inner race turns through it with the shaft, one on a
    ball with the cage. Slip makes each impact late by up to 2 % of the interval. `rated_hz` is the speed of the main
    shaft.
    """
    factor = {"outer_race": geometry.bpfo, "inner_race": geometry.bpfi, "ball": 2.0 * geometry.bsf}[part]
    zone_ratio = {"outer_race": 1.0, "inner_race": 1.0, "ball": geometry.ftf}[part] * shaft_ratio
    ratio = factor * shaft_ratio
    return PulseTrain(
        f"defect {part}",
        ratio,
        ratio * rated_hz,
        offset=0.37,
        jitter=0.02,
        scatter=0.2,
        zone=None if part == "outer_race" else ripple(0.8),
        zone_ratio=zone_ratio,
        speed_power=1.0,
        load_power=0.5,
    )
