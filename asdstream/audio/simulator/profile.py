"""Machines that do not run all the time: they start, stop, change speed, and begin again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_POINTS = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class SpeedProfile:
    """Speed over one period of `period_s` seconds, as a part of the full one, and what it adds up to.

    `speeds` and `travelled` hold 4097 equally spaced values, the latter in seconds of full speed.
    """

    period_s: float
    speeds: NDArray[np.float64]
    travelled: NDArray[np.float64]

    def speed(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Speed at any `seconds`, of shape (n,), 1 = full."""
        return np.interp(self._place(seconds)[1], np.arange(_POINTS + 1), self.speeds)

    def run_s(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The integral of the speed from 0 to `seconds`, of shape (n,)."""
        periods, place = self._place(seconds)
        # A parabola between two points, because a chord would make the speed a staircase, which can be heard.
        index = np.minimum(place.astype(np.int64), _POINTS - 1)
        within = place - index
        step = self.period_s / _POINTS
        slope = self.speeds[index + 1] - self.speeds[index]
        travelled = self.travelled[index] + step * within * (self.speeds[index] + 0.5 * slope * within)
        return np.asarray(periods * self.travelled[-1] + travelled)

    def _place(self, seconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        periods = np.floor(seconds / self.period_s)
        return periods, (seconds / self.period_s - periods) * _POINTS


def speed_profile(period_s: float, points: list[tuple[float, float]]) -> SpeedProfile:
    """The profile through `points` of (seconds, speed), each step eased so that the acceleration has no jump.

    The seconds rise from 0 to less than `period_s`; the profile returns to its first point at the end.
    """
    at, speed = np.array([*points, (period_s, points[0][1])]).T
    t = np.linspace(0.0, period_s, _POINTS + 1)
    index = np.clip(np.searchsorted(at, t, side="right") - 1, 0, len(at) - 2)
    x = np.clip((t - at[index]) / (at[index + 1] - at[index]), 0.0, 1.0)
    speeds = speed[index] + (speed[index + 1] - speed[index]) * x * x * (3.0 - 2.0 * x)
    steps = 0.5 * (speeds[1:] + speeds[:-1]) * period_s / _POINTS
    return SpeedProfile(period_s, speeds, np.concatenate([[0.0], np.cumsum(steps)]))


def run_and_stop(rng: np.random.Generator, run_s: tuple[float, float], rest_s: tuple[float, float]) -> SpeedProfile:
    """Stands, spins up, runs, coasts down, stands."""
    rest, run = float(rng.uniform(*rest_s)), float(rng.uniform(*run_s))
    up, down = float(rng.uniform(0.3, 1.2)), float(rng.uniform(0.5, 2.0))
    end = rest + up + run
    return speed_profile(end + down, [(0.0, 0.0), (rest, 0.0), (rest + up, 1.0), (end, 1.0)])


def changing_speed(
    rng: np.random.Generator, steps: int, step_s: tuple[float, float], slowest: float, change_s: float
) -> SpeedProfile:
    """A round of `steps` speeds between `slowest` and 1, each held a while, with `change_s` from one to the next."""
    speeds = rng.uniform(slowest, 1.0, steps)
    speeds[int(rng.integers(steps))] = 1.0
    points, at = [], 0.0
    for speed in speeds:
        held = float(rng.uniform(*step_s))
        points += [(at, float(speed)), (at + held, float(speed))]
        at += held + change_s
    return speed_profile(at, points)
