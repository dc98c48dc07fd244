"""Time as alarms count it: on the monotonic clock while the daemon runs, by UTC across a restart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks: monotonic seconds, of which only differences mean anything, and UTC seconds."""

    monotonic: float
    utc: float


class Elapsed:
    """Seconds on an axis of their own that only grows, so that somebody who sets the clock ends no shelving early.

    A restart goes on from the `seconds` and the `utc` of the snapshot. How long it took is told by UTC, since no
    monotonic clock goes on over it; a clock that was set back meanwhile makes it last no time.
    """

    def __init__(self, seconds: float = 0.0, utc: float | None = None) -> None:
        self.seconds = seconds
        self.utc = utc
        self._monotonic: float | None = None

    def advance(self, now: Instant) -> float:
        """Move on to `now`; gives the seconds on the axis."""
        if self._monotonic is not None:
            self.seconds += max(0.0, now.monotonic - self._monotonic)
            self._monotonic = max(now.monotonic, self._monotonic)
        else:
            self.seconds += 0.0 if self.utc is None else max(0.0, now.utc - self.utc)
            self._monotonic = now.monotonic
        self.utc = now.utc
        return self.seconds
