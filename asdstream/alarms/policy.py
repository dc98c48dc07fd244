"""When an alarm is raised, told again and cleared."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """The numbers behind the alarms of a channel; times are seconds.

    Attributes:
        k: so many of the latest `n` windows over the threshold make the condition of an anomaly.
        n: how many windows are looked back on.
        on_delay_s: the condition must have held for so long before the alarm is raised.
        clear_windows: so many windows in a row at or under `clear_level` end it.
        clear_level: 0 is the median of normal sound, 1 the threshold.
        off_delay_s: the sound must have been that normal for so long before the alarm clears.
        min_duration_s: an anomaly stands at least this long.
        update_interval_s: one that worsens or comes back is told again at most this often.
        gap_s: windows further apart do not count as neighbours.
        latching: an anomaly whose condition is over stands until it is reset.
        must_acknowledge: an alarm that has cleared stays of interest until it is acknowledged.
        re_alarm_s: one that is acknowledged and stands comes back after so long; 0: never.
        re_alarm_severity: one that is acknowledged comes back when it is so much more severe than it was; 0: never.
        max_shelve_s: no alarm is put aside for longer at a time.
        source_back_after_s: sound must have come in for so long before the source counts as back.
        silent_after_s, clipped_after_s, stalled_after_s, unscored_after_s, overload_after_s, disk_after_s: how long the
            condition of that technical alarm must have held.
        technical_clear_s: the conditions silent, clipped, overload and disk must have been gone for so long.
    """

    k: int = 5
    n: int = 8
    on_delay_s: float = 0.0
    clear_windows: int = 10
    clear_level: float = 0.8
    off_delay_s: float = 0.0
    min_duration_s: float = 10.0
    update_interval_s: float = 60.0
    gap_s: float = 30.0
    latching: bool = False
    must_acknowledge: bool = False
    re_alarm_s: float = 28_800.0
    re_alarm_severity: int = 200
    max_shelve_s: float = 604_800.0
    source_back_after_s: float = 0.0
    silent_after_s: float = 30.0
    clipped_after_s: float = 30.0
    stalled_after_s: float = 60.0
    unscored_after_s: float = 60.0
    overload_after_s: float = 60.0
    disk_after_s: float = 60.0
    technical_clear_s: float = 10.0

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise ValueError(f"k should lie between 1 and n = {self.n}, not at {self.k}")
        if self.clear_windows < 1:
            raise ValueError(f"clear_windows should be at least 1, not {self.clear_windows}")
        if not 0.0 < self.clear_level <= 1.0:
            raise ValueError(f"clear_level should lie above 0 and at most at 1, not at {self.clear_level}")
        durations = (
            *(self.on_delay_s, self.off_delay_s, self.min_duration_s, self.update_interval_s, self.gap_s),
            *(self.re_alarm_s, self.max_shelve_s, self.source_back_after_s, self.silent_after_s, self.clipped_after_s),
            *(self.stalled_after_s, self.unscored_after_s, self.overload_after_s, self.disk_after_s),
            *(self.technical_clear_s, self.re_alarm_severity),
        )
        if not all(0.0 <= one < math.inf for one in durations):
            raise ValueError("durations should be finite and not negative")
