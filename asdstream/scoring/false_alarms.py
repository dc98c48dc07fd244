"""How often a false alarm is bearable, and how rarely one look at a healthy machine may then exceed the threshold."""

import math
from dataclasses import dataclass

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.scoring.errors import CalibrationError

DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class FalseAlarmRate:
    """At most `per_day` false alarms a day, where `k` of `n` consecutive windows, `hop_s` apart, raise an alarm.

    Raises CalibrationError where no probability follows from the numbers.
    """

    per_day: float
    hop_s: float
    k: int
    n: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.hop_s) and self.hop_s > 0):
            raise CalibrationError(f"the hop is {self.hop_s} s; more than 0 s is needed")
        if not 1 <= self.k <= self.n:
            raise CalibrationError(f"an alarm asks for {self.k} of {self.n} windows; 1 <= k <= n is needed")
        if not 0 < self.per_day < self.looks_per_day:
            raise CalibrationError(
                f"{self.per_day} false alarms a day are asked for; more than 0 and fewer than the "
                f"{self.looks_per_day:g} independent windows of a day are possible"
            )

    @property
    def looks_per_day(self) -> float:
        """Windows of a day that share no sound."""
        return DAY_SECONDS / max(WINDOW_SECONDS, self.hop_s)

    def look_probability(self) -> float:
        """The probability q with which one window of normal sound may exceed the threshold.

        Windows that share sound are taken as one look: they rise together, so k of n among them rules nothing out.
        The k windows of an alarm hold at least m = 1 + floor((k - 1) hop / 10 s) that share no sound, and the n
        windows at most M = 1 + floor((n - 1) hop / 10 s). An alarm begins with a look over the threshold that finds
        m - 1 more among the M - 1 before it, so with N looks a day q solves

            per_day = N q P(Binomial(M - 1, q) >= m - 1).

        At a hop of 1 s and n <= 10 this is q = per_day / N: k of n brings no credit, which errs to the safe side.
        """
        spacing = self.hop_s / WINDOW_SECONDS
        # Rounding guards against 0.1 * 100 falling short of the 10 s it means.
        needed = 1 + math.floor(round((self.k - 1) * spacing, 9))
        among = 1 + math.floor(round((self.n - 1) * spacing, 9))
        wanted = self.per_day / self.looks_per_day
        low, high = 0.0, 1.0
        for _ in range(100):
            middle = 0.5 * (low + high)
            if middle * _at_least(needed - 1, among - 1, middle) > wanted:
                high = middle
            else:
                low = middle
        return low


def _at_least(successes: int, trials: int, probability: float) -> float:
    if successes <= 0:
        return 1.0
    return math.fsum(
        math.comb(trials, i) * probability**i * (1 - probability) ** (trials - i) for i in range(successes, trials + 1)
    )
