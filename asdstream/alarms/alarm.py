"""The states of one alarm and the ways between them (ISA-18.2, OPC UA Part 9): pure, every input brings its time.

An alarm is told when its condition begins and ends; what counts as a condition is somebody else's business
(`asdstream.alarms.anomaly`, `asdstream.alarms.technical`). People acknowledge it, put it aside and reset it. Every
change of an axis is an event of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from asdstream.alarms.command import (
    Acknowledge,
    Command,
    CommandRefusedError,
    Reset,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from asdstream.alarms.event import Act, AlarmEvent, AlarmKind, AlarmState, Condition, Transition
from asdstream.alarms.finding import Finding
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.shelving import Shelving
from asdstream.evidence.evidence import Evidence

_RECURRED = "it was over and has begun again"


@dataclass(frozen=True, slots=True)
class AlarmMemory:
    """All that an alarm remembers.

    `shelf_ends` and `acknowledged_since` lie on the axis of `Elapsed`, unlike the times that the state tells;
    `acknowledged_severity` is how severe it was when it was acknowledged. `recurred` says that since then its condition
    was over and began again while it was kept quiet; `was_over`, while nobody can tell, that it was over before.
    """

    state: AlarmState
    shelf_ends: float = 0.0
    acknowledged_since: float = 0.0
    acknowledged_severity: int = 0
    recurred: bool = False
    was_over: bool = False


class Alarm:
    """One alarm. In every method `at` is UTC seconds, `elapsed` seconds on the axis of `Elapsed`.

    Of a machine that has another name by now, the next occurrence tells the new one.
    """

    def __init__(self, policy: AlarmPolicy, memory: AlarmMemory, machine: str, new_id: Callable[[], str]) -> None:
        self._policy = policy
        self._memory = memory
        self._machine = machine
        self._new_id = new_id

    @classmethod
    def fresh(
        cls, policy: AlarmPolicy, kind: AlarmKind, channel: str, machine: str, new_id: Callable[[], str]
    ) -> "Alarm":
        """One that was never raised; `channel` and `machine` are empty for an alarm of the node."""
        state = AlarmState(
            alarm_id=alarm_name(channel, kind),
            occurrence="",
            kind=kind,
            channel=channel,
            machine=machine,
            active=False,
            raised_at=None,
            updated_at=0.0,
            cleared_at=None,
            score=None,
            peak_score=None,
            threshold=None,
            windows=0,
            reason="",
        )
        return cls(policy, AlarmMemory(state), machine, new_id)

    @property
    def state(self) -> AlarmState:
        """As it stands or last stood."""
        return self._memory.state

    @property
    def memory(self) -> AlarmMemory:
        """From which the same alarm is made anew."""
        return self._memory

    def begin(self, at: float, found: Finding) -> list[AlarmEvent]:
        """The condition has begun to hold. One that stands already, being latched, is updated or comes back."""
        state = self.state
        if state.active:
            self._describe(at, found)
            self._change(condition=Condition.ABNORMAL)
            if state.acknowledged is not None and not state.quiet:
                return [self._realarm(at, _RECURRED)]
            self._memory = replace(self._memory, recurred=state.acknowledged is not None)
            return [self._event(Transition.UPDATED, at)]
        self._memory = replace(self._memory, recurred=False)
        self._change(
            occurrence=self._new_id(),
            machine=self._machine,
            active=True,
            condition=Condition.ABNORMAL,
            raised_at=at,
            cleared_at=None,
            severity=0,
            suppressed=state.quiet,
            # A technical alarm never waits for a reset: its trouble is over or it is not.
            latched=self._policy.latching and state.kind is AlarmKind.ANOMALY,
            acknowledge_needed=self._policy.must_acknowledge,
            acknowledged=None,
            clip=None,
            evidence=None,
        )
        self._describe(at, found)
        return [self._event(Transition.SUPPRESSED if state.quiet else Transition.RAISED, at)]

    def explain(self, clip: str | None, evidence: Evidence | None) -> None:
        """What is known of the sound of this occurrence; belongs to its beginning and is no transition of its own."""
        self._change(clip=clip, evidence=evidence)

    def go_on(self, at: float, found: Finding) -> list[AlarmEvent]:
        """The condition still holds; says so only where that made an acknowledged alarm much more severe."""
        self._describe(at, found)
        return self._realarm_if_worse(at)

    def tell(self, at: float, reason: str) -> list[AlarmEvent]:
        """There is something new about an alarm that stands; nothing is said while it is kept quiet."""
        self._change(updated_at=at, reason=reason)
        return [] if self.state.quiet else [self._event(Transition.UPDATED, at)]

    def end(self, at: float, reason: str) -> list[AlarmEvent]:
        """The condition no longer holds."""
        self._change(updated_at=at, reason=reason, condition=Condition.NORMAL)
        if self.state.latched:
            return [self._event(Transition.RETURNED, at)]
        return self._clear(at)

    def doubt(self, at: float) -> list[AlarmEvent]:
        """Nobody can tell any more whether the condition holds."""
        if self.state.condition is Condition.UNKNOWN:
            return []
        self._memory = replace(self._memory, was_over=self.state.condition is Condition.NORMAL)
        self._change(updated_at=at, condition=Condition.UNKNOWN)
        return [self._event(Transition.UNKNOWN, at)]

    def trust(self, at: float) -> list[AlarmEvent]:
        """The condition can be told again. Of an alarm that stands it is taken to hold until it is seen to be over, or
        was so before.
        """
        if self.state.condition is not Condition.UNKNOWN:
            return []
        holds = self.state.active and not self._memory.was_over
        self._change(updated_at=at, condition=Condition.ABNORMAL if holds else Condition.NORMAL)
        return [self._event(Transition.KNOWN, at)]

    def tick(self, at: float, elapsed: float) -> list[AlarmEvent]:
        """Time has passed: a shelving may be over, and an acknowledged alarm may come back."""
        events = []
        if self.state.shelving is not None and elapsed >= self._memory.shelf_ends:
            events += self._unshelve(at, None, "the time on the shelf is up")
        events += self._realarm_if_worse(at)
        state, waits_s = self.state, self._policy.re_alarm_s
        due = waits_s > 0.0 and elapsed - self._memory.acknowledged_since >= waits_s
        if due and state.active and state.acknowledged is not None and not state.quiet:
            events.append(self._realarm(at, f"acknowledged {waits_s:.0f} s ago, it still stands"))
        return events

    def obey(self, command: Command, at: float, elapsed: float) -> list[AlarmEvent]:
        """Do as somebody says; raises `CommandRefusedError` where that makes no sense, and then nothing has changed."""
        if not command.actor.strip():
            raise CommandRefusedError(f"{self.state.alarm_id}: nobody is named who does this; an actor is needed")
        match command:
            case Acknowledge():
                return self._acknowledge(at, elapsed, command.actor)
            case Shelve():
                return self._shelve(at, elapsed, command)
            case Unshelve():
                if self.state.shelving is None:
                    raise self._refusal("cannot be taken off the shelf: it is not shelved")
                return self._unshelve(at, command.actor, None)
            case Reset():
                return self._reset(at, command.actor)
            case TakeOutOfService():
                if self.state.out_of_service is not None:
                    raise self._refusal(f"is out of service already, by {self.state.out_of_service.actor}")
                self._change(updated_at=at, out_of_service=Act(command.actor, at))
                return [self._event(Transition.OUT_OF_SERVICE, at, command.actor)]
            case ReturnToService():
                if self.state.out_of_service is None:
                    raise self._refusal("cannot be put back into service: it is in service")
                self._change(updated_at=at, out_of_service=None)
                return [self._event(Transition.IN_SERVICE, at, command.actor), *self._announce(at)]

    def retire(self, at: float, reason: str) -> list[AlarmEvent]:
        """Nobody watches the condition any more: drop whatever stands, latched, shelved or not."""
        events = []
        if self.state.active:
            self._change(
                active=False, latched=False, condition=Condition.NORMAL, updated_at=at, cleared_at=at, reason=reason
            )
            events.append(self._event(Transition.CLEARED, at))
        if self.state.of_interest:
            self._change(
                condition=Condition.NORMAL,
                acknowledge_needed=False,
                shelving=None,
                out_of_service=None,
                updated_at=at,
                reason=reason,
            )
            events.append(self._event(Transition.RETIRED, at))
        return events

    def _acknowledge(self, at: float, elapsed: float, actor: str) -> list[AlarmEvent]:
        state = self.state
        if state.acknowledged is not None:
            raise self._refusal(f"is acknowledged already, by {state.acknowledged.actor}")
        if not state.active and not (state.acknowledge_needed and state.unacknowledged):
            raise self._refusal("cannot be acknowledged: it does not stand")
        if state.suppressed:
            raise self._refusal("cannot be acknowledged: kept quiet, it was not announced yet")
        self._memory = replace(
            self._memory, acknowledged_since=elapsed, acknowledged_severity=state.severity, recurred=False
        )
        self._change(updated_at=at, acknowledged=Act(actor, at))
        return [self._event(Transition.ACKNOWLEDGED, at, actor)]

    def _shelve(self, at: float, elapsed: float, command: Shelve) -> list[AlarmEvent]:
        lasts_s, longest_s = command.until - at, self._policy.max_shelve_s
        if not lasts_s > 0.0:
            raise self._refusal("cannot be shelved: the end of the shelving should lie in the future")
        if lasts_s > longest_s:
            raise self._refusal(
                f"cannot be shelved for {lasts_s:.0f} s: {longest_s:.0f} s at most are right (alarms.max_shelve_s)"
            )
        self._memory = replace(self._memory, shelf_ends=elapsed + lasts_s)
        self._change(updated_at=at, shelving=Shelving(command.actor, at, command.until, command.one_shot))
        return [self._event(Transition.SHELVED, at, command.actor)]

    def _unshelve(self, at: float, actor: str | None, note: str | None) -> list[AlarmEvent]:
        self._change(updated_at=at, shelving=None)
        return [self._event(Transition.UNSHELVED, at, actor, note), *self._announce(at)]

    def _reset(self, at: float, actor: str) -> list[AlarmEvent]:
        state = self.state
        if not state.latched:
            raise self._refusal("cannot be reset: it is not latched")
        if state.condition is Condition.ABNORMAL:
            raise self._refusal("cannot be reset: its condition still holds")
        if state.condition is Condition.UNKNOWN:
            raise self._refusal("cannot be reset: nobody can tell at present whether its condition is over")
        if state.acknowledge_needed and state.unacknowledged:
            raise self._refusal("cannot be reset: it should be acknowledged first")
        self._change(updated_at=at, latched=False)
        return [self._event(Transition.RESET, at, actor), *self._clear(at, actor)]

    def _clear(self, at: float, actor: str | None = None) -> list[AlarmEvent]:
        self._change(active=False, updated_at=at, cleared_at=at)
        events = [self._event(Transition.CLEARED, at, actor)]
        if self.state.shelving is not None and self.state.shelving.one_shot:
            events += self._unshelve(at, None, "shelved once, it has cleared")
        return events

    def _announce(self, at: float) -> list[AlarmEvent]:
        """Raise what began while it was kept quiet, and have come back what did so meanwhile."""
        if not self.state.active or self.state.quiet:
            return []
        if self.state.suppressed:
            self._change(suppressed=False)
            return [self._event(Transition.RAISED, at)]
        return [self._realarm(at, _RECURRED)] if self._memory.recurred else []

    def _realarm_if_worse(self, at: float) -> list[AlarmEvent]:
        state, step = self.state, self._policy.re_alarm_severity
        if not state.active or state.acknowledged is None or state.quiet or step == 0:
            return []
        was = self._memory.acknowledged_severity
        if state.severity < was + step:
            return []
        return [self._realarm(at, f"its severity has risen from {was}, when it was acknowledged, to {state.severity}")]

    def _realarm(self, at: float, note: str) -> AlarmEvent:
        self._memory = replace(self._memory, recurred=False)
        self._change(updated_at=at, acknowledged=None)
        return self._event(Transition.REALARMED, at, note=note)

    def _describe(self, at: float, found: Finding) -> None:
        self._change(
            updated_at=at,
            reason=found.reason,
            severity=max(self.state.severity, found.severity),
            score=found.score,
            peak_score=found.peak_score,
            threshold=found.threshold,
            windows=found.windows,
        )

    def _change(self, **fields: object) -> None:
        self._memory = replace(self._memory, state=replace(self.state, **fields))  # type: ignore[arg-type]

    def _event(
        self, transition: Transition, at: float, actor: str | None = None, note: str | None = None
    ) -> AlarmEvent:
        return AlarmEvent(self._new_id(), transition, at, self.state, actor, note)

    def _refusal(self, why: str) -> CommandRefusedError:
        return CommandRefusedError(f"{self.state.alarm_id} {why}")


def alarm_name(channel: str, kind: AlarmKind) -> str:
    """`<channel>.<kind>`; the bare kind for an alarm of the node, which no channel can be taken for."""
    return f"{channel}.{kind}" if channel else str(kind)
