"""How long batches of each size take, learnt from those that were computed. Pure: the seconds are passed in."""

from collections import deque
from statistics import median

REMEMBERED = 64
"""Batches. A size that was not among them has to be tried again, since the machine may have changed."""
RECENT = 5
"""Batches of a size whose median is what it takes: one that met a stall, or sound that was new, does not count."""


class BatchTimes:
    """Seconds that a batch takes, by the number of its windows."""

    def __init__(self) -> None:
        self._computed: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self._usual: dict[int, float] = {}

    def computed(self, windows: int, seconds: float) -> None:
        """A batch of so many windows took so long."""
        self._computed.append((windows, seconds))
        recent: dict[int, list[float]] = {}
        for size, took in reversed(self._computed):
            latest = recent.setdefault(size, [])
            if len(latest) < RECENT:
                latest.append(took)
        self._usual = {size: median(latest) for size, latest in recent.items()}

    def knows(self, windows: int) -> bool:
        """Whether such a batch has been computed lately."""
        return windows in self._usual

    def of(self, windows: int) -> float:
        """Seconds that a batch of so many windows takes at most; 0 before the first batch.

        It takes no longer than a larger one, nor than smaller ones in a row: what those say counts as well, so that a
        size that was slow once, and is therefore no longer taken, is not held to it.
        """
        return min((seconds * max(1.0, windows / size) for size, seconds in self._usual.items()), default=0.0)
