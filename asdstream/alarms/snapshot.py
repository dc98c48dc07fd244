"""Everything the alarms of a channel remember, so that a restart changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from asdstream.alarms.alarm import AlarmMemory
from asdstream.alarms.anomaly import Course
from asdstream.alarms.condition import WindowMemory
from asdstream.alarms.event import AlarmKind, AlarmState, Condition
from asdstream.alarms.severity import LEAST
from asdstream.alarms.technical import TECHNICAL, Watched


@dataclass(frozen=True, slots=True)
class AlarmSnapshot:
    """The memory of `ChannelAlarms`.

    `alarms` are those that were ever raised or are of interest, `windows` and `course` belong to the anomaly,
    `watched` to the technical alarms. `elapsed` is where the axis of all delays stood at `utc`.
    """

    channel: str
    alarms: tuple[AlarmMemory, ...] = ()
    windows: WindowMemory = field(default_factory=WindowMemory)
    course: Course = field(default_factory=Course)
    watched: Mapping[AlarmKind, Watched] = field(default_factory=dict)
    elapsed: float = 0.0
    utc: float | None = None

    @property
    def states(self) -> tuple[AlarmState, ...]:
        """The alarms, as they stand or last stood."""
        return tuple(memory.state for memory in self.alarms)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "AlarmSnapshot":
        """The inverse of `to_dict`, also after JSON; raises KeyError, TypeError or ValueError on anything else.

        What was written when an alarm was either active or not is read as well.
        """
        return _ADAPTER.validate_python(_of_first_layout(data) if "anomaly" in data else data)


_ADAPTER = TypeAdapter(AlarmSnapshot)


def _of_first_layout(data: Mapping[str, Any]) -> dict[str, Any]:
    """Database schema 1: one anomaly and one source, flat. How far windows were over the threshold is not in it."""
    alarms = []
    for state in (data["anomaly"], data["source"]):
        if state is not None:
            kind = AlarmKind(state["kind"])
            condition = Condition.ABNORMAL if state["active"] else Condition.NORMAL
            severity = TECHNICAL[kind].severity if kind in TECHNICAL else LEAST
            alarms.append({"state": {**state, "condition": condition, "severity": severity}})
    history = [None if score is None else {"score": score, "level": 1.0} for score in data["history"]]
    source = data["source"]
    lost = source is not None and source["active"]
    return {
        "channel": data["channel"],
        "alarms": alarms,
        "windows": {"history": history, "quiet_windows": data["quiet_windows"], "latest": data["latest"]},
        "course": {key: data[key] for key in ("lasted_s", "since_told_s", "news")},
        "watched": {AlarmKind.SOURCE: {"seen": True, "trouble": source["reason"]}} if lost else {},
    }
