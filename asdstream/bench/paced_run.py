"""What came of channels that sent their windows in real time."""

import math
from dataclasses import dataclass
from statistics import fmean

import numpy as np

FALLS_BEHIND = 0.01
"""Seconds by which latency grows in a second: more is a queue that only gets longer, however short it still is."""


@dataclass(frozen=True, slots=True)
class PacedRun:
    """Channels that each sent a window every `hop_s` seconds for `seconds`, through queue, engine and scorer.

    Of `windows`, `scored` were published, `shed` left out because a hop was widened, and `dropped` pushed out of the
    queue or refused. `latencies_s` are the seconds from the end of each published window until its score was encoded,
    in the order in which the windows ended. `busy` is the share of the time in which the engine computed.
    """

    channels: int
    hop_s: float
    seconds: float
    windows: int
    scored: int
    shed: int
    dropped: int
    latencies_s: tuple[float, ...]
    resident_bytes: int
    busy: float = 0.0

    @property
    def p50(self) -> float:
        """Half of the windows were published within so many seconds; infinite where none was."""
        return self._within(0.5)

    @property
    def p99(self) -> float:
        """Of a hundred windows 99 were published within so many seconds; infinite where none was."""
        return self._within(0.99)

    @property
    def growth(self) -> float:
        """Seconds by which latency grew in a second: how far the second half of the run lies over the first."""
        half = len(self.latencies_s) // 2
        if half == 0:
            return 0.0
        return (fmean(self.latencies_s[-half:]) - fmean(self.latencies_s[:half])) / (self.seconds / 2)

    @property
    def lost(self) -> int:
        """Windows that were not published."""
        return self.windows - self.scored

    @property
    def held(self) -> bool:
        """Whether every window was published, so that none was shed, and the queue did not grow and grow."""
        return self.lost == 0 and self.growth <= FALLS_BEHIND

    def _within(self, share: float) -> float:
        if not self.latencies_s:
            return math.inf
        return float(np.quantile(self.latencies_s, share, method="inverted_cdf"))
