"""How often a false alarm is bearable, and how rarely a window of normal sound may then exceed the threshold."""

import math
from dataclasses import dataclass

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
        possible = DAY_SECONDS / (self.k * self.hop_s)
        if not 0 < self.per_day < possible:
            raise CalibrationError(
                f"{self.per_day} false alarms a day are asked for; more than 0 and fewer than {possible:g} are "
                f"possible with {self.k} windows, {self.hop_s:g} s apart, to an alarm"
            )

    def window_probability(self) -> float:
        """The probability q with which a window of normal sound may exceed the threshold.

        Overlapping windows rise together, and a machine's state outlasts a window, so k of n windows must not be
        counted as k independent looks. But every alarm takes k windows over the threshold that no other alarm takes,
        provided an alarm clears only when they have passed. The 86400 / hop windows of a day hold on average
        q 86400 / hop such windows, whatever their correlation, hence at most q 86400 / (k hop) alarms:

            q = per_day k hop / 86400.

        With k hop = 10 s this counts 8640 looks a day, windows that share no sound. n does not enter.

        Where the engine cannot keep up and the hop is widened for a while (asdstream.engine.overload), the threshold
        stays: fewer windows a day hold fewer over it, so that alarms can only become rarer, and later by that factor.
        """
        return self.per_day * self.k * self.hop_s / DAY_SECONDS
