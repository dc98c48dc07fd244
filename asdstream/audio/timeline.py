"""When a sample was heard, in UTC and on the monotonic clock, counted in samples.

A sound card's clock is off by up to some 100 parts per million (seconds a day), and the computer's clock may be set.
So the count is tied to UTC by an anchor, which moves by these rules:

- Sound cannot arrive before it was heard. A block that arrives earlier than the count says proves the anchor late,
  and the anchor moves back at once.
- A block that arrives late proves nothing, for delivery takes its time. Only when every block of a minute was late does
  the anchor move on, by the least lateness of that minute.
- When UTC jumps against the monotonic clock, somebody set the computer's clock, and the anchor jumps along.
- After a break the anchor is taken anew from the first block.

With a drift of 100 ppm the times are thus right to 6 ms and the shortest delay of delivery. A source that is not
paced by real time is anchored once and then counted, so that its windows stay a hop apart.
"""

import math

OBSERVED_S = 60.0
LATENESS_IGNORED_S = 0.005
CLOCK_STEP_S = 0.5


class Timeline:
    """Maps the seconds of sound since the last restart to both clocks, which are passed in."""

    def __init__(self, paced: bool = True) -> None:
        self._paced = paced
        self._anchor: float | None = None
        self._seconds = 0.0
        self._utc_minus_monotonic = 0.0
        self._least_lateness = math.inf
        self._observed_since = 0.0
        self.corrections = 0
        """How often the anchor was moved by more than the jitter of delivery."""

    def restart(self) -> None:
        """A break: the next sound begins at second 0. What is not paced goes on where it stood."""
        if self._paced or self._anchor is None:
            self._anchor = None
        else:
            self._anchor += self._seconds
        self._seconds = 0.0

    def arrived(self, seconds: float, now: float, utc: float) -> None:
        """So many seconds of sound since the restart are here, at monotonic second `now`, which is `utc` in UTC."""
        self._seconds = seconds
        offset = utc - now
        if self._anchor is None:
            self._anchor = utc - seconds
            self._observe_anew(now)
            self._utc_minus_monotonic = offset
            return
        if not self._paced:
            return
        step = offset - self._utc_minus_monotonic
        self._utc_minus_monotonic = offset
        if abs(step) > CLOCK_STEP_S:
            self._anchor += step
            self.corrections += 1
            self._observe_anew(now)
        lateness = utc - (self._anchor + seconds)
        self._least_lateness = min(self._least_lateness, max(lateness, 0.0))
        if lateness < 0.0:
            self._anchor += lateness
            self.corrections += lateness < -LATENESS_IGNORED_S
        elif now - self._observed_since >= OBSERVED_S:
            if self._least_lateness > LATENESS_IGNORED_S:
                self._anchor += self._least_lateness
                self.corrections += 1
            self._observe_anew(now)

    def utc_at(self, seconds: float) -> float:
        """UTC of the moment so many seconds after the restart; ValueError before any sound has arrived."""
        if self._anchor is None:
            raise ValueError("no sound has arrived since the restart, so its time is not known")
        return self._anchor + seconds

    def monotonic_at(self, seconds: float) -> float:
        """The monotonic second of that moment, which does not jump when somebody sets the computer's clock."""
        return self.utc_at(seconds) - self._utc_minus_monotonic

    def _observe_anew(self, now: float) -> None:
        self._least_lateness = math.inf
        self._observed_since = now
