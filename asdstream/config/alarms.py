"""When alarms are raised, kept quiet, and cleared."""

from typing import Self

from pydantic import Field, model_validator

from asdstream.config.fields import Section
from asdstream.config_problems import problem


class AlarmsSection(Section):
    """When an alarm is raised and when it clears."""

    k: int = Field(
        default=5, ge=1, le=1000, description="This many of the latest `n` windows over the threshold raise."
    )
    n: int = Field(default=8, ge=1, le=1000, description="How many windows are looked back on.")
    clear_windows: int = Field(
        default=10, ge=1, le=10_000, description="This many windows in a row at or under `clear_level` clear."
    )
    clear_level: float = Field(
        default=0.8, gt=0.0, le=1.0, description="Fraction of the way from normal sound (0) to the threshold (1)."
    )
    min_duration_s: float = Field(default=10.0, ge=0.0, le=86_400.0, description="An alarm stands at least this long.")
    update_interval_s: float = Field(
        default=60.0, ge=1.0, le=86_400.0, description="An alarm that goes on is published again at most this often."
    )
    false_alarms_per_day: float = Field(
        default=0.1,
        gt=0.0,
        le=1000.0,
        description="False alarms a day and channel that are bearable; sets the threshold.",
    )
    on_delay_s: float = Field(
        default=0.0, ge=0.0, le=86_400.0, description="Seconds that k of n must have held before the alarm is raised."
    )
    off_delay_s: float = Field(
        default=0.0, ge=0.0, le=86_400.0, description="Seconds that it must have been quiet before the alarm clears."
    )
    latching: bool = Field(
        default=False, description="Whether an anomaly stands until it is reset, also when it is over by itself."
    )
    must_acknowledge: bool = Field(
        default=False, description="Whether an alarm that has cleared stays on display until it is acknowledged."
    )
    re_alarm_s: float = Field(
        default=28_800.0,
        ge=0.0,
        le=2_592_000.0,
        description="An alarm that is acknowledged and still stands comes back after so many seconds; 0: never.",
    )
    re_alarm_severity: int = Field(
        default=200,
        ge=0,
        le=1000,
        description="One that is acknowledged comes back when it is so much more severe than it was then; 0: never.",
    )
    max_shelve_s: float = Field(
        default=604_800.0, ge=1.0, le=31_536_000.0, description="No alarm is shelved for longer at a time."
    )
    source_lost_after_s: float = Field(
        default=10.0, ge=1.0, le=86_400.0, description="Seconds without sound after which a channel counts as lost."
    )
    source_back_after_s: float = Field(
        default=0.0, ge=0.0, le=86_400.0, description="Seconds of sound after which it no longer does."
    )
    silent_after_s: float = Field(
        default=30.0, ge=1.0, le=86_400.0, description="Seconds as quiet as only a dead input is that raise an alarm."
    )
    clipped_after_s: float = Field(
        default=30.0, ge=1.0, le=86_400.0, description="Seconds of clipped sound that raise an alarm."
    )
    clipped_share: float = Field(
        default=0.01, gt=0.0, le=1.0, description="Sound of which this share of samples is clipped counts as clipped."
    )
    stalled_after_s: float = Field(
        default=60.0,
        ge=30.0,
        le=86_400.0,
        description="Seconds in which sound comes in, but no window becomes complete, that raise an alarm.",
    )
    unscored_after_s: float = Field(
        default=60.0,
        ge=30.0,
        le=86_400.0,
        description="Seconds in which windows become complete, but none is scored, that raise an alarm.",
    )
    overload_after_s: float = Field(
        default=60.0,
        ge=1.0,
        le=86_400.0,
        description="Seconds in which the engine leaves windows out that raise an alarm.",
    )
    disk_after_s: float = Field(
        default=60.0,
        ge=0.0,
        le=86_400.0,
        description="Seconds for which there must be too little room on the disk, or the store take nothing.",
    )
    disk_free_min_mb: float = Field(
        default=500.0,
        ge=0.0,
        le=1e6,
        description="Less room on the disk of the store raises an alarm; 0: only a store that takes nothing does.",
    )
    technical_clear_s: float = Field(
        default=10.0,
        ge=0.0,
        le=86_400.0,
        description="Seconds that silence, clipping, overload or a full disk must be over before their alarms clear.",
    )

    @model_validator(mode="after")
    def _k_is_of_n(self) -> Self:
        if self.k > self.n:
            raise problem("should be at most n (alarms.n is {n}), not {k}", "k", n=self.n, k=self.k)
        return self
