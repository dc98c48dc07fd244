"""One second of simulated time, as every sound source of a scene sees it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.simulator.profile import SpeedProfile
from asdstream.audio.simulator.random_stream import generator
from asdstream.audio.simulator.wander import FAST, wander

RATED_LOAD = 0.6
"""The load at which the levels of a machine are stated."""
KNOTS_PER_SECOND = 250
"""Speed and load vary far below 1 Hz: they are computed this often and interpolated in between."""
EXCITATION_SECONDS = 1.25
"""An excitation may run past the end of its chunk (a late pulse) by a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How a shaft turns: speed follows load (slip of the motor) and both wander slowly.

    `hertz` is the mean speed, `ratio` that speed over the rated one, `load` the mean load (1 = full), `slip` the
    relative loss of speed per unit of load, `speed_depth` and `load_depth` the standard deviations of the wander,
    `flutter_depth` the one of the uneven running above it. With a `profile` the machine starts and stops; `hertz` is
    then its speed at 1.
    """

    hertz: float
    ratio: float = 1.0
    load: float = RATED_LOAD
    slip: float = 0.0
    speed_depth: float = 0.0
    load_depth: float = 0.0
    flutter_depth: float = 0.0
    profile: SpeedProfile | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Second number `index` of the recording `seed` (negative before its start), at `sample_rate`.

    `calm` leaves out every slow variation.
    """

    index: int
    seed: int
    sample_rate: int
    motion: Motion
    calm: bool = False
    _made: dict[object, NDArray[np.float64]] = field(default_factory=dict)

    def rng(self, name: str) -> np.random.Generator:
        """The random numbers of the source `name` in this second."""
        return generator("chunk", self.seed, name, self.index)

    @property
    def knots(self) -> NDArray[np.float64]:
        """Seconds since the start of the recording, of shape (251,), both ends of the chunk included."""
        return np.arange(KNOTS_PER_SECOND + 1) / KNOTS_PER_SECOND + float(self.index)

    @property
    def knot_samples(self) -> NDArray[np.float64]:
        """Where the knots lie, in samples since the start of the chunk, of shape (251,)."""
        return np.asarray(np.arange(KNOTS_PER_SECOND + 1) * (self.sample_rate / KNOTS_PER_SECOND), dtype=np.float64)

    def at_samples(self, knot_values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate values given at the knots to the samples, of shape (sample_rate,)."""
        steps, odd = divmod(self.sample_rate, KNOTS_PER_SECOND)
        if odd:
            at = np.arange(self.sample_rate, dtype=np.float64)
            return np.asarray(np.interp(at, self.knot_samples, knot_values), dtype=np.float64)
        # The common rates have a whole number of samples between knots, which is three times as fast.
        between = np.arange(steps) / steps
        return (knot_values[:-1, None] + np.diff(knot_values)[:, None] * between).ravel()

    def _since_start_of(self, profile: SpeedProfile) -> NDArray[np.float64]:
        """Seconds since a beginning of the profile, at the knots; each recording finds the machine at another one."""
        start = 0.0 if self.calm else float(generator("profile", self.seed).random())
        return self.knots + start * profile.period_s

    def running(self) -> NDArray[np.float64]:
        """Seconds of full speed that would have turned the shaft as far, at the knots: time as the drive sees it."""
        if self.motion.profile is None:
            return self.knots
        if "running" not in self._made:
            self._made["running"] = self.motion.profile.run_s(self._since_start_of(self.motion.profile))
        return self._made["running"]

    def load(self) -> NDArray[np.float64]:
        """Load at the knots."""
        if "load" not in self._made:
            load = np.full(KNOTS_PER_SECOND + 1, self.motion.load)
            if not self.calm and self.motion.load_depth:
                load += wander(self.seed, "load", self.motion.load_depth).value(self.running())
            self._made["load"] = np.clip(load, 0.05, 1.5)
        return self._made["load"]

    def turns(self) -> NDArray[np.float64]:
        """Revolutions of the shaft since the start of the recording, at the knots."""
        if "turns" not in self._made:
            running = self.running()
            advance = running.copy()
            if not self.calm:
                if self.motion.speed_depth:
                    advance += wander(self.seed, "speed", self.motion.speed_depth).integral(running)
                if self.motion.flutter_depth:
                    advance += wander(self.seed, "flutter", self.motion.flutter_depth, FAST).integral(running)
                if self.motion.load_depth and self.motion.slip:
                    load = wander(self.seed, "load", self.motion.load_depth)
                    advance -= self.motion.slip * load.integral(running)
            self._made["turns"] = self.motion.hertz * advance
        return self._made["turns"]

    def speed(self) -> NDArray[np.float64]:
        """Speed over its mean, at the knots."""
        if "speed" not in self._made:
            speed = np.ones(KNOTS_PER_SECOND + 1)
            if not self.calm:
                if self.motion.speed_depth:
                    speed += wander(self.seed, "speed", self.motion.speed_depth).value(self.running())
                if self.motion.flutter_depth:
                    speed += wander(self.seed, "flutter", self.motion.flutter_depth, FAST).value(self.running())
                if self.motion.load_depth and self.motion.slip:
                    load = wander(self.seed, "load", self.motion.load_depth)
                    speed -= self.motion.slip * load.value(self.running())
            if self.motion.profile is not None:
                speed *= self.motion.profile.speed(self._since_start_of(self.motion.profile))
            self._made["speed"] = speed
        return self._made["speed"]

    def turns_at_samples(self) -> NDArray[np.float64]:
        """Revolutions of the shaft at the samples, of shape (sample_rate,)."""
        if "turns_at_samples" not in self._made:
            self._made["turns_at_samples"] = self.at_samples(self.turns())
        return self._made["turns_at_samples"]

    def level(
        self, speed_power: float = 0.0, load_power: float = 0.0, swell_db: float = 0.0, name: str = ""
    ) -> NDArray[np.float32] | np.float32:
        """(speed / rated speed)^speed_power x (load / rated load)^load_power, times a slow rise and fall with a
        standard deviation of `swell_db` that all of this `name` share; at the samples."""
        level = np.ones(KNOTS_PER_SECOND + 1)
        if speed_power:
            level *= (self.speed() * self.motion.ratio) ** speed_power
        if load_power:
            level *= (self.load() / RATED_LOAD) ** load_power
        if swell_db and not self.calm:
            level *= 10.0 ** (wander(self.seed, f"swell {name}", swell_db).value(self.knots) / 20.0)
        if level[0] == level[-1] and np.ptp(level) == 0.0:
            return np.float32(level[0])
        return self.at_samples(level).astype(np.float32)
