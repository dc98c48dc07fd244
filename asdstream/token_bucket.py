"""A bound on how often something may happen: so many at once, and then so many a second."""

import time
from collections.abc import Callable


class TokenBucket:
    """Holds at most `burst` tokens and gains `per_second`. Used by one thread at a time.

    Example:
        >>> bucket = TokenBucket(1.0, 2, clock=lambda: 0.0)
        >>> [bucket.take(), bucket.take(), bucket.take()]
        [True, True, False]
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled = clock()

    @property
    def next_s(self) -> float:
        """Seconds until there is a token; 0 where there is one."""
        self._fill()
        return max(0.0, (1.0 - self._tokens) / self._per_second)

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._per_second)
        self._filled = now

    def take(self) -> bool:
        """Take a token, where there is one."""
        self._fill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
