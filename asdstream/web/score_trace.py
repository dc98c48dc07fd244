"""The scores of one channel over the last hour, in a fixed number of bins; the highest of each bin is kept."""

import math
from array import array

SPAN_S = 3600.0
BINS = 720
BIN_S = SPAN_S / BINS


class ScoreTrace:
    """A ring of 720 bins of 5 s; `now` is UTC seconds as we count them, since nodes' clocks may be off."""

    def __init__(self) -> None:
        self._scores = array("f", [math.nan]) * BINS
        self._latest: int | None = None

    def add(self, score: float, now: float) -> None:
        """Take in `score`, heard at `now`; what lies more than an hour before the latest is left out."""
        number = math.floor(now / BIN_S)
        if self._latest is None:
            self._latest = number
        elif number > self._latest:
            for passed in range(self._latest + 1, min(number, self._latest + BINS) + 1):
                self._scores[passed % BINS] = math.nan
            if number - self._latest > BINS:
                self._scores = array("f", [math.nan]) * BINS
            self._latest = number
        elif number <= self._latest - BINS:
            return
        known = self._scores[number % BINS]
        self._scores[number % BINS] = score if math.isnan(known) else max(known, score)

    def points(self, now: float) -> list[tuple[int, float]]:
        """Middle of each bin in milliseconds since the epoch, and the highest score in it; oldest first."""
        if self._latest is None:
            return []
        oldest = max(self._latest - BINS + 1, math.floor((now - SPAN_S) / BIN_S) + 1)
        return [
            (round((number + 0.5) * BIN_S * 1000), round(score, 6))
            for number in range(oldest, self._latest + 1)
            if not math.isnan(score := self._scores[number % BINS])
        ]
