"""Whatever happens in whatever order, these hold."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from listened_pump import LOUD, NEAR, QUIET, Pump

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
from asdstream.alarms.event import AlarmEvent, AlarmKind, AlarmState, Condition, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.alarms.technical import TECHNICAL

DETAILS = {"updated_at", "score", "peak_score", "threshold", "windows", "reason", "severity", "machine"}
"""What may change without a transition; everything else is an axis."""
MOVES: dict[Transition, set[str]] = {
    Transition.RAISED: {"active", "condition", "occurrence", "raised_at", "cleared_at", "suppressed", "latched"}
    | {"acknowledge_needed", "acknowledged"},
    Transition.SUPPRESSED: {"active", "condition", "occurrence", "raised_at", "cleared_at", "suppressed", "latched"}
    | {"acknowledge_needed", "acknowledged"},
    Transition.UPDATED: {"condition"},
    Transition.CLEARED: {"active", "condition", "cleared_at"},
    Transition.RETURNED: {"condition"},
    Transition.REALARMED: {"acknowledged", "condition"},
    Transition.ACKNOWLEDGED: {"acknowledged"},
    Transition.RESET: {"latched"},
    Transition.SHELVED: {"shelving"},
    Transition.UNSHELVED: {"shelving"},
    Transition.OUT_OF_SERVICE: {"out_of_service"},
    Transition.IN_SERVICE: {"out_of_service"},
    Transition.UNKNOWN: {"condition"},
    Transition.KNOWN: {"condition"},
}
BY_SOMEBODY = {
    Transition.ACKNOWLEDGED,
    Transition.RESET,
    Transition.SHELVED,
    Transition.OUT_OF_SERVICE,
    Transition.IN_SERVICE,
}

POLICIES = st.builds(
    AlarmPolicy,
    k=st.just(2),
    n=st.just(3),
    clear_windows=st.just(2),
    on_delay_s=st.sampled_from([0.0, 2.0]),
    off_delay_s=st.sampled_from([0.0, 2.0]),
    min_duration_s=st.sampled_from([0.0, 3.0]),
    update_interval_s=st.just(2.0),
    latching=st.booleans(),
    must_acknowledge=st.booleans(),
    re_alarm_s=st.sampled_from([0.0, 5.0]),
    max_shelve_s=st.just(60.0),
    source_back_after_s=st.sampled_from([0.0, 2.0]),
    silent_after_s=st.just(2.0),
    unscored_after_s=st.just(3.0),
    clipped_after_s=st.just(2.0),
    technical_clear_s=st.just(2.0),
)
ANOMALY, SOURCE, CLIPPED = "pump.anomaly", "pump.source", "pump.clipped"
Happening = Callable[[Pump], list[AlarmEvent]]


def hears(*levels: float) -> Happening:
    return lambda pump: pump.hear(*levels)


def checks(**troubles: str | None) -> Happening:
    return lambda pump: pump.check({AlarmKind(kind): trouble for kind, trouble in troubles.items()})


def waits(seconds: float) -> Happening:
    return lambda pump: pump.wait(seconds)


def commands(command: Command) -> Happening:
    """The end of a shelving is told from now on."""

    def obeyed(pump: Pump) -> list[AlarmEvent]:
        order = replace(command, until=pump.now + command.until) if isinstance(command, Shelve) else command
        before = pump.alarms.states
        try:
            return pump.obey(order)
        except CommandRefusedError:
            assert pump.alarms.states == before, "what is refused changes nothing"
            return []

    return obeyed


def both(one: Happening, other: Happening) -> Happening:
    return lambda pump: one(pump) + other(pump)


HAPPENINGS = st.lists(
    st.sampled_from(
        [
            *[hears(LOUD, LOUD, LOUD)] * 8,
            *[hears(QUIET, QUIET, QUIET, QUIET)] * 8,
            *[hears(5.0, 5.0), hears(LOUD, QUIET, LOUD), hears(NEAR, NEAR), hears(math.nan), hears(QUIET), hears(LOUD)],
            *[waits(0.5), waits(1.0), waits(4.0), waits(4.0), waits(20.0), waits(100.0)],
            *[lambda pump: pump.lose("away"), lambda pump: pump.lose("gone")],
            *[lambda pump: pump.find()] * 4,
            *[checks(silent="dead"), checks(silent="dead", clipped="loud"), checks(unscored="none"), checks()],
            *[checks(silent=None, clipped=None, unscored=None, source=None)] * 6,
            *[commands(Acknowledge(ANOMALY, "ann"))] * 4,
            *[commands(Reset(ANOMALY, "ann"))] * 4,
            *[commands(Shelve(ANOMALY, "ann", 3.0)), commands(Shelve(ANOMALY, "ann", 30.0, one_shot=True))],
            *[commands(Shelve(ANOMALY, "ann", lasts_s)) for lasts_s in (-1.0, 0.0, 1e6)],
            *[commands(Unshelve(ANOMALY, "ann"))] * 2,
            *[both(commands(Shelve(ANOMALY, "ann", 10.0)), commands(TakeOutOfService(ANOMALY, "bob")))] * 2,
            *[commands(TakeOutOfService(ANOMALY, "ann")), *[commands(ReturnToService(ANOMALY, "ann"))] * 2],
            *[
                commands(Acknowledge(SOURCE, "ann")),
                commands(Acknowledge(CLIPPED, "ann")),
                commands(Reset(SOURCE, "a")),
            ],
            *[commands(Shelve(SOURCE, "ann", 10.0, one_shot=True)), commands(TakeOutOfService(CLIPPED, "ann"))],
            commands(ReturnToService(CLIPPED, "ann")),
        ]
    ),
    min_size=15,
    max_size=60,
)


def states_of(pump: Pump) -> dict[str, AlarmState]:
    return {f"pump.{kind}": pump.state(kind) for kind in AlarmKind}


def axes(state: AlarmState) -> dict[str, object]:
    return {name: getattr(state, name) for name in AlarmState.__dataclass_fields__ if name not in DETAILS}


def check_event(before: AlarmState, event: AlarmEvent) -> None:
    """It moves what it says, and only that."""
    after, kind = event.state, event.transition
    moved = {name for name, value in axes(after).items() if value != axes(before)[name]}
    assert moved <= MOVES[kind], f"{kind} moved {moved - MOVES[kind]}"
    assert (event.actor is not None) == (kind in BY_SOMEBODY) or kind in (Transition.CLEARED, Transition.UNSHELVED)
    match kind:
        case Transition.RAISED:
            assert not after.quiet, "what is kept quiet is not announced"
            assert after.active
            assert not before.active or before.suppressed, "no two raises without a clear"
            assert not after.suppressed
        case Transition.SUPPRESSED:
            assert after.quiet
            assert after.active
            assert not before.active
            assert after.suppressed
        case Transition.CLEARED:
            assert before.active
            assert not after.active
            assert after.cleared_at == event.at
            assert not after.latched, "latched: first a reset"
            assert before.condition is not Condition.UNKNOWN, "nobody knows that it is over"
        case Transition.RETURNED:
            assert after.latched
            assert before.condition is Condition.ABNORMAL
            assert after.condition is Condition.NORMAL
        case Transition.UPDATED:
            assert before.active
            assert after.active
        case Transition.REALARMED:
            assert before.acknowledged is not None
            assert after.acknowledged is None
            assert after.active
            assert not after.quiet
        case Transition.ACKNOWLEDGED:
            assert before.acknowledged is None
            assert after.acknowledged is not None
            assert after.occurrence
            assert not after.suppressed
        case Transition.RESET:
            assert before.latched
            assert before.condition is Condition.NORMAL
        case Transition.SHELVED | Transition.OUT_OF_SERVICE:
            assert after.quiet
        case Transition.UNSHELVED:
            assert before.shelving is not None
            assert after.shelving is None
        case Transition.UNKNOWN | Transition.KNOWN:
            assert (before.condition is Condition.UNKNOWN) == (kind is Transition.KNOWN)
            assert (after.condition is Condition.UNKNOWN) == (kind is Transition.UNKNOWN)


def check_state(state: AlarmState) -> None:
    """No alarm is ever otherwise."""
    if not state.active:
        assert state.condition is not Condition.ABNORMAL
        assert not state.latched
    elif state.condition is Condition.NORMAL:
        assert state.latched, "what stands although it is over waits for a reset"
    if state.kind in TECHNICAL:
        assert not state.latched
        assert state.condition is not Condition.UNKNOWN
        assert state.severity in (0, TECHNICAL[state.kind].severity)
    assert bool(state.occurrence) == (state.raised_at is not None) == (state.severity > 0)
    assert 0 <= state.severity <= 1000
    if state.acknowledged is not None:
        assert not state.suppressed
        assert state.occurrence
    if state.suppressed and state.active:
        assert state.quiet, "off the shelf it is announced"


@settings(max_examples=150, deadline=None)
@given(POLICIES, HAPPENINGS)
def test_no_sequence_reaches_a_forbidden_state(policy: AlarmPolicy, happenings: list[Happening]) -> None:
    pump = Pump(policy)
    known = states_of(pump)
    seen: set[str] = set()
    for happening in happenings:
        was_severe = {state.occurrence: state.severity for state in known.values()}
        for event in happening(pump):
            assert event.event_id not in seen
            seen.add(event.event_id)
            check_event(known[event.state.alarm_id], event)
            known[event.state.alarm_id] = event.state
        now = states_of(pump)
        for name, state in now.items():
            assert axes(state) == axes(known[name]), "no axis moves without an event"
            assert state.severity >= was_severe.get(state.occurrence, 0), "an occurrence never becomes less severe"
            check_state(state)
            assert state.shelving is None or state.shelving.until > pump.now, "every shelving has an end"
        blind = any(now[f"pump.{kind}"].active for kind, facts in TECHNICAL.items() if facts.blinding)
        assert not blind or now["pump.anomaly"].condition is Condition.UNKNOWN, "a dead source never reads as normal"
        known = now


@settings(max_examples=100, deadline=None)
@given(POLICIES, HAPPENINGS, st.sets(st.integers(0, 60), max_size=3))
def test_the_same_events_give_the_same_transitions_after_any_restart(
    policy: AlarmPolicy, happenings: list[Happening], restarts: set[int]
) -> None:
    straight, restarted = Pump(policy), Pump(policy)
    for position, happening in enumerate(happenings):
        if position in restarts:
            text = json.dumps(restarted.alarms.snapshot().to_dict())
            again = Pump(policy, AlarmSnapshot.from_dict(json.loads(text)))
            again.now = restarted.now
            restarted = again
        expected, found = happening(straight), happening(restarted)
        assert list(map(told, found)) == list(map(told, expected))


def told(event: AlarmEvent) -> tuple[object, ...]:
    """All of it but the ids."""
    return event.transition, event.at, event.actor, event.note, replace(event.state, occurrence="")
