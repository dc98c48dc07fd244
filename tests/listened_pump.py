"""A pump that is listened to on a simulated clock, for the tests of alarms."""

import itertools
from collections.abc import Iterable

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.command import Command
from asdstream.alarms.elapsed import Instant
from asdstream.alarms.event import AlarmEvent, AlarmKind, AlarmState, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.scoring.scored_window import ScoredWindow

LOUD, NEAR, QUIET = 1.5, 0.9, 0.2
BOOTED = 50.0
"""What the monotonic clock said when UTC began."""


def window(calibrated: float, ended_at: float, heard: float | None = None) -> ScoredWindow:
    return ScoredWindow(
        channel="pump",
        machine="pump-7",
        index=int(ended_at),
        started_at=ended_at - 10,
        ended_at=ended_at,
        captured=ended_at,
        score=calibrated / 10,
        calibrated=calibrated,
        threshold=0.1,
        nearest=(),
        heard=heard,
    )


def transitions(events: Iterable[AlarmEvent]) -> list[Transition]:
    return [event.transition for event in events]


class Pump:
    """The alarms of one channel, a second for each window, and everything that they said."""

    def __init__(self, policy: AlarmPolicy, snapshot: AlarmSnapshot | None = None, channel: str = "pump") -> None:
        numbers = itertools.count()
        self.alarms = ChannelAlarms(policy, channel, "pump-7", lambda: f"id-{next(numbers)}", snapshot)
        self.now = 0.0
        self.said: list[AlarmEvent] = []

    @property
    def instant(self) -> Instant:
        return Instant(BOOTED + self.now, self.now)

    @property
    def transitions(self) -> list[Transition]:
        return transitions(self.said)

    @property
    def anomaly(self) -> AlarmState:
        return self.state(AlarmKind.ANOMALY)

    def state(self, kind: AlarmKind) -> AlarmState:
        return self.alarms.state(f"pump.{kind}")

    def hear(self, *levels: float) -> list[AlarmEvent]:
        """One window a second."""
        events = []
        for level in levels:
            self.now += 1.0
            events += self.alarms.tick(self.instant)
            events += self.alarms.observe(window(level, self.now, BOOTED + self.now))
        return self._said(events)

    def wait(self, seconds: float) -> list[AlarmEvent]:
        """Nothing is heard meanwhile."""
        self.now += seconds
        return self._said(self.alarms.tick(self.instant))

    def lose(self, reason: str = "the microphone is away") -> list[AlarmEvent]:
        return self._said(self.alarms.source_lost(self.instant, reason))

    def find(self) -> list[AlarmEvent]:
        return self._said(self.alarms.source_back(self.instant))

    def check(self, troubles: dict[AlarmKind, str | None], seconds: int = 1) -> list[AlarmEvent]:
        """Once a second."""
        events = []
        for _ in range(seconds):
            self.now += 1.0
            events += self.alarms.check(self.instant, troubles)
        return self._said(events)

    def obey(self, command: Command) -> list[AlarmEvent]:
        return self._said(self.alarms.obey(command, self.instant))

    def _said(self, events: list[AlarmEvent]) -> list[AlarmEvent]:
        self.said += events
        return events
