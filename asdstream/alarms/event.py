"""What the alarm state machine says."""

from dataclasses import dataclass
from enum import StrEnum


class Transition(StrEnum):
    """What happened to an alarm."""

    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


class AlarmKind(StrEnum):
    """What the alarm is about."""

    ANOMALY = "anomaly"
    """The machine sounds wrong."""
    SOURCE = "source"
    """Technical: no sound comes in."""


@dataclass(frozen=True, slots=True)
class AlarmState:
    """An alarm as it stands.

    There is one alarm per channel and kind, so `alarm_id` is stable; `occurrence` (a ULID) is new with each raise.
    Times are UTC seconds since the epoch. `peak_score` is the largest score of this occurrence, `score` and
    `threshold` those of the latest window (None for technical alarms); `windows` counts the windows over the
    threshold.
    """

    alarm_id: str
    occurrence: str
    kind: AlarmKind
    channel: str
    machine: str
    active: bool
    raised_at: float
    updated_at: float
    cleared_at: float | None
    score: float | None
    peak_score: float | None
    threshold: float | None
    windows: int
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One transition. `event_id` (a ULID) lets consumers drop duplicates; `at` is UTC seconds since the epoch."""

    event_id: str
    transition: Transition
    at: float
    state: AlarmState
