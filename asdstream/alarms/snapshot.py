"""Everything the alarm of a channel remembers, so that a restart changes nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from asdstream.alarms.event import AlarmKind, AlarmState


@dataclass(frozen=True, slots=True)
class AlarmSnapshot:
    """The memory of a `ChannelAlarm`.

    `anomaly` and `source` are the alarms as they stand or last stood. `history` holds the latest windows, oldest
    first: the score of one over the threshold, None for any other. `quiet_windows` counts the latest windows in a row
    at or under the clear level, `lasted_s` and `since_told_s` sum the time between windows since the raise and since
    the latest event, `news` says whether there is something to tell, `latest` is the end of the latest window in UTC
    seconds.
    """

    channel: str
    anomaly: AlarmState | None = None
    source: AlarmState | None = None
    history: tuple[float | None, ...] = ()
    quiet_windows: int = 0
    lasted_s: float = 0.0
    since_told_s: float = 0.0
    news: bool = False
    latest: float | None = None

    @property
    def states(self) -> tuple[AlarmState, ...]:
        """Both alarms, as far as they were ever raised."""
        return tuple(state for state in (self.anomaly, self.source) if state is not None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "AlarmSnapshot":
        """The inverse of `to_dict`, also after JSON; raises KeyError, TypeError or ValueError on anything else."""
        fields = dict(data)
        fields["history"] = tuple(fields["history"])
        for kind in ("anomaly", "source"):
            if fields[kind] is not None:
                fields[kind] = AlarmState(**{**fields[kind], "kind": AlarmKind(fields[kind]["kind"])})
        return cls(**fields)
