"""A sign that a thread goes on: it beats in every round, and others see for how long it has not."""

import time
from collections.abc import Callable


class Pulse:
    """Beaten by one thread, looked at by any. Standing still is measured on the monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._latest = clock()

    def beat(self) -> None:
        """The thread has come round once more."""
        self._latest = self._clock()

    @property
    def still_s(self) -> float:
        """Seconds since the latest beat, or since the pulse was made."""
        return self._clock() - self._latest
