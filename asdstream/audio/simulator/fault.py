"""What can go wrong, how badly, and when."""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.source import AudioError

FAULTS = (
    "imbalance",
    "looseness",
    "outer_race",
    "inner_race",
    "ball",
    "cracked_tooth",
    "leak",
    "cavitation",
    "belt_squeal",
    "bent_shaft",
    "worn_teeth",
    "foreign_object",
    "commutator_sparks",
    "flat_spot",
    "blockage",
    "lost_steps",
)


def _check(kind: str, severity: float) -> None:
    if kind not in FAULTS:
        raise AudioError(f"fault {kind!r} is not known to the simulator; it should be one of {', '.join(FAULTS)}")
    if not 0.0 <= severity <= 1.0:
        raise AudioError(f"the severity of a simulated fault is {severity}; it should lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is there all the time; `severity` 0 is none, 1 is shortly before the machine breaks.

    The amplitude of what is heard goes with the square of the severity (halved: 12 dB less), so that a young fault
    hides in the healthy sound as it does in life.
    """

    kind: str
    severity: float = 1.0

    def __post_init__(self) -> None:
        _check(self.kind, self.severity)

    def scheduled(self) -> "FaultSchedule":
        return FaultSchedule(self.kind, -inf, 0.0, self.severity)


@dataclass(frozen=True, slots=True)
class FaultSchedule:
    """A fault that begins `start_s` into the recording, grows linearly for `ramp_s` to `severity`, and stays.

    At `end_s` it is repaired.
    """

    kind: str
    start_s: float
    ramp_s: float
    severity: float = 1.0
    end_s: float = inf

    def __post_init__(self) -> None:
        _check(self.kind, self.severity)
        if not (self.ramp_s >= 0.0 and self.start_s <= self.end_s):
            raise AudioError(
                f"a fault schedule runs from {self.start_s} s to {self.end_s} s with a ramp of {self.ramp_s} s; "
                "it should end after it starts, and the ramp should not be negative"
            )

    def severity_at(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Severity at `seconds` of the recording, same shape; exactly 0 before the start and from the end on."""
        if self.start_s == -inf or self.ramp_s == 0.0:
            grown = np.full(seconds.shape, self.severity)
        else:
            grown = self.severity * np.clip((seconds - self.start_s) / self.ramp_s, 0.0, 1.0)
        return np.where((seconds >= self.start_s) & (seconds < self.end_s), grown, 0.0)
