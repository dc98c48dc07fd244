"""When an alarm is raised, told again and cleared."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """The numbers behind the alarm of a channel.

    `k` of the latest `n` windows over the threshold raise it. `clear_windows` windows in a row at or under
    `clear_level`, where 0 is the median of normal sound and 1 the threshold, clear it, but not before it has stood for
    `min_duration_s`. While it stands and worsens or comes back, it is told again at most every `update_interval_s`.
    Windows further apart than `gap_s` do not count as neighbours. Times are seconds.
    """

    k: int = 5
    n: int = 8
    clear_windows: int = 10
    clear_level: float = 0.8
    min_duration_s: float = 10.0
    update_interval_s: float = 60.0
    gap_s: float = 30.0

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise ValueError(f"k should lie between 1 and n = {self.n}, not at {self.k}")
        if self.clear_windows < 1:
            raise ValueError(f"clear_windows should be at least 1, not {self.clear_windows}")
        if not 0.0 < self.clear_level <= 1.0:
            raise ValueError(f"clear_level should lie above 0 and at most at 1, not at {self.clear_level}")
        if min(self.min_duration_s, self.update_interval_s, self.gap_s) < 0.0:
            raise ValueError("durations should not be negative")
