"""How often each of many may do something: a bucket of tokens for every one of them, for at most so many."""

import time
from collections.abc import Callable

from asdstream.token_bucket import TokenBucket

MOST_KEYS = 1000


class RateLimit:
    """`burst` at once and then `per_second`, for each key and, where given, for all together.

    The key that was seen longest ago is forgotten where there are too many, so that nobody fills the memory; what all
    together may do still holds then.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        all_per_second: float,
        all_burst: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._all = TokenBucket(all_per_second, all_burst, clock)
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, key: str) -> bool:
        """Whether `key` may do it now."""
        bucket = self._buckets.pop(key, None) or TokenBucket(self._per_second, self._burst, self._clock)
        if len(self._buckets) >= MOST_KEYS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = bucket
        return bucket.take() and self._all.take()
