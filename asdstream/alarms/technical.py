"""The alarms that say that the listening itself is in trouble: which there are, how bad, and after how long."""

from collections.abc import Mapping
from dataclasses import dataclass

from asdstream.alarms.alarm import Alarm
from asdstream.alarms.delay import Delay
from asdstream.alarms.event import AlarmEvent, AlarmKind, Condition
from asdstream.alarms.finding import Finding
from asdstream.alarms.policy import AlarmPolicy


@dataclass(frozen=True, slots=True)
class TechnicalKind:
    """How severe it is, whether it leaves unknown how the machine is, and what is said once it is over."""

    severity: int
    blinding: bool
    over: str


TECHNICAL: Mapping[AlarmKind, TechnicalKind] = {
    AlarmKind.SOURCE: TechnicalKind(700, True, "sound comes in again"),
    AlarmKind.STALLED: TechnicalKind(700, True, "windows become complete again"),
    AlarmKind.UNSCORED: TechnicalKind(700, True, "windows are scored again"),
    AlarmKind.SILENT: TechnicalKind(700, True, "the sound is louder than that of a dead input"),
    AlarmKind.CLIPPED: TechnicalKind(300, False, "the sound is no longer clipped"),
    AlarmKind.OVERLOAD: TechnicalKind(400, False, "the engine keeps up"),
    AlarmKind.DISK: TechnicalKind(500, False, "there is room on the disk"),
}
"""A machine that nobody hears is as urgent as one that sounds wrong; what still lets it be heard is less so."""


def delay_of(policy: AlarmPolicy, kind: AlarmKind) -> Delay:
    """After how long the trouble counts. Whether a source is lost, capture says after a time of its own."""
    return {
        AlarmKind.SOURCE: Delay(0.0, policy.source_back_after_s),
        # Both are seen from the absence of progress, and one step of it ends them.
        AlarmKind.STALLED: Delay(policy.stalled_after_s),
        AlarmKind.UNSCORED: Delay(policy.unscored_after_s),
        AlarmKind.SILENT: Delay(policy.silent_after_s, policy.technical_clear_s),
        AlarmKind.CLIPPED: Delay(policy.clipped_after_s, policy.technical_clear_s),
        AlarmKind.OVERLOAD: Delay(policy.overload_after_s, policy.technical_clear_s),
        AlarmKind.DISK: Delay(policy.disk_after_s, policy.technical_clear_s),
    }[kind]


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen last.

    `trouble` in one sentence, None where there is none; `seen` is False while nobody can say either. `since` is when it
    began to differ from the alarm, on the axis of `Elapsed`; None where it does not.
    """

    seen: bool = False
    trouble: str | None = None
    since: float | None = None


class TechnicalAlarm:
    """Moves one technical alarm by what is seen of its trouble."""

    def __init__(self, policy: AlarmPolicy, alarm: Alarm, watched: Watched) -> None:
        self.alarm = alarm
        self.watched = watched
        self._kind = TECHNICAL[alarm.state.kind]
        self._delay = delay_of(policy, alarm.state.kind)

    @property
    def blinds(self) -> bool:
        """Whether nobody can tell how the machine is, because of this."""
        return self._kind.blinding and self.alarm.state.active

    @property
    def troubled(self) -> bool:
        """Whether the trouble was there when last looked at, however short."""
        return self.watched.seen and self.watched.trouble is not None

    def see(self, trouble: str | None) -> None:
        """Whether there is trouble now; takes effect with the next `settle`."""
        self.watched = Watched(True, trouble, self.watched.since)

    def look_away(self) -> None:
        """Nobody can say: the alarm stays as it is, and what was delayed begins anew."""
        self.watched = Watched()

    def settle(self, at: float, elapsed: float) -> list[AlarmEvent]:
        """Raise or clear it, now that time has passed or something else is seen."""
        if not self.watched.seen:
            return []
        state, trouble = self.alarm.state, self.watched.trouble
        held = state.condition is Condition.ABNORMAL
        holds, since = self._delay.change(held, trouble is not None, self.watched.since, elapsed)
        self.watched = Watched(True, trouble, since)
        if held and not holds:
            return self.alarm.end(at, self._kind.over)
        if trouble is not None and holds and not held:
            return self.alarm.begin(at, Finding(trouble, self._kind.severity))
        if trouble is not None and held and trouble != state.reason:
            return self.alarm.tell(at, trouble)
        return []
