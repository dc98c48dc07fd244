"""What is to be measured, checked before the minutes that it takes."""

from dataclasses import dataclass, field
from typing import Literal

from asdstream.config import ConfigError, EngineSection

Separate = Literal["auto", "on", "off", "both"]
FRAMES_PER_SECOND = 100
"""Windows that lie a whole number of these apart share their frames."""
LEAST_HOPS = 2
"""In fewer, nothing goes on, and whether a queue grows cannot be seen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which bundle, in which engine, hearing what, and how long each part of the measurement takes.

    `machine_type` is None for the bundle's first, `channels` for the largest number that is held. Latency is measured
    at `load` (0 to 1) times that number. Raises ConfigError for a hop or a length that is of no use.
    """

    bundle: str = "builtin:demo"
    engine: EngineSection = field(default_factory=EngineSection)
    machine_type: str | None = None
    hop_s: float = 1.0
    separate: Separate = "auto"
    channels: int | None = None
    load: float = 0.7
    seconds: float = 20.0

    def __post_init__(self) -> None:
        frames = round(self.hop_s * FRAMES_PER_SECOND)
        if abs(self.hop_s * FRAMES_PER_SECOND - frames) > 1e-6:
            raise ConfigError(
                f"the hop of {self.hop_s:g} s is no multiple of 10 ms, so that windows would share no frames; "
                f"{frames / FRAMES_PER_SECOND:g} s is right"
            )
        if self.seconds < LEAST_HOPS * self.hop_s:
            raise ConfigError(
                f"{self.seconds:g} seconds are too few at a hop of {self.hop_s:g} s; "
                f"at least {LEAST_HOPS * self.hop_s:g} are needed"
            )
