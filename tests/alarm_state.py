"""An alarm as a test wants it."""

from dataclasses import replace
from typing import Any

from asdstream.alarms.event import AlarmKind, AlarmState

_RAISED = AlarmState(
    alarm_id="fan-1.anomaly",
    occurrence="0",
    kind=AlarmKind.ANOMALY,
    channel="fan-1",
    machine="fan",
    active=True,
    raised_at=1.0,
    updated_at=1.0,
    cleared_at=None,
    score=0.4,
    peak_score=0.4,
    threshold=0.35,
    windows=5,
    reason="",
)


def raised_alarm(**changes: Any) -> AlarmState:
    """The anomaly alarm of `fan-1`, raised by five windows; `changes` are other fields of it."""
    return replace(_RAISED, **changes)


def silent_alarm() -> AlarmState:
    """The same before it was ever raised."""
    never = dict.fromkeys(("raised_at", "score", "peak_score", "threshold"))
    return raised_alarm(occurrence="", active=False, updated_at=0.0, windows=0, **never)
