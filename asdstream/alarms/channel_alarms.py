"""The alarms of one channel as a pure state machine: windows, troubles and commands go in, transitions come out.

It has no clock: time is what the windows and the caller say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from asdstream.alarms.alarm import Alarm, alarm_name
from asdstream.alarms.anomaly import AnomalyAlarm
from asdstream.alarms.command import Command, CommandRefusedError
from asdstream.alarms.elapsed import Elapsed, Instant
from asdstream.alarms.event import AlarmEvent, AlarmKind, AlarmState
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.alarms.technical import TECHNICAL, TechnicalAlarm, Watched
from asdstream.evidence.evidence import Evidence
from asdstream.scoring.scored_window import ScoredWindow


class ChannelAlarms:
    """The anomaly alarm and the technical alarms of one channel, or with an empty name the alarms of the node.

    `new_id` makes ULIDs; a `snapshot` taken earlier continues where it was taken. While a technical alarm leaves
    unknown how the machine is, its anomaly alarm neither begins nor ends: silence is no evidence of health.

    Example:
        alarms = ChannelAlarms(AlarmPolicy(), "pump", "pump-7", new_id)
        for event in alarms.observe(scored_window): ...
    """

    def __init__(
        self,
        policy: AlarmPolicy,
        channel: str,
        machine: str,
        new_id: Callable[[], str],
        snapshot: AlarmSnapshot | None = None,
    ) -> None:
        if snapshot is not None and snapshot.channel != channel:
            raise ValueError(f'a snapshot of channel "{snapshot.channel}" does not fit channel "{channel}"')
        remembered = snapshot if snapshot is not None else AlarmSnapshot(channel)
        memories = {memory.state.kind: memory for memory in remembered.alarms}

        def alarm(kind: AlarmKind) -> Alarm:
            if kind in memories:
                return Alarm(policy, memories[kind], machine, new_id)
            return Alarm.fresh(policy, kind, channel, machine, new_id)

        self._channel = channel
        self._elapsed = Elapsed(remembered.elapsed, remembered.utc)
        self._anomaly = AnomalyAlarm(policy, alarm(AlarmKind.ANOMALY), remembered.windows, remembered.course)
        self._technical = {
            kind: TechnicalAlarm(policy, alarm(kind), remembered.watched.get(kind, Watched())) for kind in TECHNICAL
        }
        self._alarms = {
            alarm_name(channel, AlarmKind.ANOMALY): self._anomaly.alarm,
            **{technical.alarm.state.alarm_id: technical.alarm for technical in self._technical.values()},
        }

    @property
    def states(self) -> tuple[AlarmState, ...]:
        """The alarms as they stand or last stood."""
        return self.snapshot().states

    def state(self, alarm_id: str) -> AlarmState:
        """One of them; KeyError where it belongs to another channel."""
        return self._alarms[alarm_id].state

    def snapshot(self) -> AlarmSnapshot:
        """All that a new `ChannelAlarms` needs to go on from here."""
        return AlarmSnapshot(
            channel=self._channel,
            alarms=tuple(
                alarm.memory for alarm in self._alarms.values() if alarm.state.occurrence or alarm.state.of_interest
            ),
            windows=self._anomaly.windows,
            course=self._anomaly.course,
            watched={kind: technical.watched for kind, technical in self._technical.items() if technical.watched.seen},
            elapsed=self._elapsed.seconds,
            utc=self._elapsed.utc,
        )

    def observe(self, scored: ScoredWindow) -> list[AlarmEvent]:
        """Take in the next window, which counts unless the sound it holds may be none."""
        source, silent = self._technical[AlarmKind.SOURCE], self._technical[AlarmKind.SILENT]
        if source.troubled or silent.troubled or self._blind:
            return []
        return self._anomaly.observe(scored)

    def explain(self, events: Sequence[AlarmEvent], clip: str | None, evidence: Evidence | None) -> list[AlarmEvent]:
        """Add what is known of its sound to the anomaly alarm that has just begun, and to the `events` of it."""
        alarm = self._anomaly.alarm
        alarm.explain(clip, evidence)
        return [
            replace(event, state=replace(event.state, clip=clip, evidence=evidence))
            if event.state.occurrence == alarm.state.occurrence
            else event
            for event in events
        ]

    def source_lost(self, now: Instant, reason: str) -> list[AlarmEvent]:
        """No sound comes in, for `reason`; a repeated call tells only of a new reason."""
        return self._see(now, {AlarmKind.SOURCE: reason})

    def source_back(self, now: Instant) -> list[AlarmEvent]:
        """Sound comes in again."""
        return self._see(now, {AlarmKind.SOURCE: None})

    def check(self, now: Instant, troubles: Mapping[AlarmKind, str | None]) -> list[AlarmEvent]:
        """How the channel is at present: each trouble in one sentence, None where there is none.

        Of a kind that is left out nobody can say; that of the source then stays as it was told last.
        """
        for kind, technical in self._technical.items():
            if kind not in troubles and kind is not AlarmKind.SOURCE:
                technical.look_away()
        return self._see(now, troubles)

    def tick(self, now: Instant) -> list[AlarmEvent]:
        """Time has passed."""
        return self._see(now, {})

    def obey(self, command: Command, now: Instant) -> list[AlarmEvent]:
        """Do as somebody says; raises `CommandRefusedError`, and then nothing has changed but the time."""
        alarm = self._alarms.get(command.alarm_id)
        if alarm is None:
            raise CommandRefusedError(
                f'there is no alarm "{command.alarm_id}"; right would be one of {", ".join(self._alarms)}'
            )
        return alarm.obey(command, now.utc, self._elapsed.advance(now))

    def retire(self, now: Instant, reason: str) -> list[AlarmEvent]:
        """Clear whatever stands because nobody listens to this channel any more."""
        self._elapsed.advance(now)
        self._anomaly.forget_windows()
        for technical in self._technical.values():
            technical.look_away()
        return [event for alarm in self._alarms.values() for event in alarm.retire(now.utc, reason)]

    @property
    def _blind(self) -> bool:
        return any(technical.blinds for technical in self._technical.values())

    def _see(self, now: Instant, troubles: Mapping[AlarmKind, str | None]) -> list[AlarmEvent]:
        elapsed = self._elapsed.advance(now)
        events = []
        for kind, technical in self._technical.items():
            if kind in troubles:
                technical.see(troubles[kind])
            events += technical.settle(now.utc, elapsed)
        if self._technical[AlarmKind.SOURCE].troubled:
            self._anomaly.forget_windows()
        if self._blind:
            events += self._anomaly.alarm.doubt(now.utc)
        for alarm in self._alarms.values():
            events += alarm.tick(now.utc, elapsed)
        return events
