"""What people do to alarms: acknowledge, shelve, reset, take out of service."""

import pytest
from listened_pump import LOUD, QUIET, Pump, transitions

from asdstream.alarms.command import (
    Acknowledge,
    CommandRefusedError,
    Reset,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from asdstream.alarms.event import Act, AlarmKind, Condition, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.shelving import Shelving

POLICY = AlarmPolicy(k=2, n=3, clear_windows=3, min_duration_s=0.0, re_alarm_s=100.0, max_shelve_s=1000.0)
LATCHING = AlarmPolicy(k=2, n=3, clear_windows=3, min_duration_s=0.0, latching=True)
ID = "pump.anomaly"
ACK, RESET = Acknowledge(ID, "ann"), Reset(ID, "ann")


def alarming(policy: AlarmPolicy = POLICY) -> Pump:
    pump = Pump(policy)
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.RAISED]
    return pump


def test_an_acknowledgement_names_who_and_when_and_ends_with_the_occurrence() -> None:
    pump = alarming()
    (event,) = pump.obey(ACK)
    assert (event.transition, event.actor, event.state.acknowledged) == (
        Transition.ACKNOWLEDGED,
        "ann",
        Act("ann", 2.0),
    )
    pump.hear(QUIET, QUIET, QUIET, LOUD, LOUD)
    assert pump.transitions[-2:] == [Transition.CLEARED, Transition.RAISED]
    assert pump.anomaly.acknowledged is None


def test_an_acknowledged_alarm_that_still_stands_comes_back_after_a_while() -> None:
    pump = alarming()
    pump.obey(ACK)
    assert pump.wait(99.0) == []
    (event,) = pump.wait(1.0)
    assert (event.transition, event.actor, event.note) == (
        Transition.REALARMED,
        None,
        "acknowledged 100 s ago, it still stands",
    )
    assert pump.anomaly.acknowledged is None
    assert pump.anomaly.occurrence == pump.said[0].state.occurrence
    assert pump.wait(1000.0) == [], "nobody has acknowledged it since"


def test_an_acknowledged_alarm_that_becomes_much_more_severe_comes_back_at_once() -> None:
    pump = alarming()
    pump.obey(ACK)
    was = pump.anomaly.severity
    assert transitions(pump.hear(4.0)) == [], "one window alone says little"
    (event,) = pump.hear(4.0)
    assert event.transition is Transition.REALARMED
    assert event.state.severity >= was + POLICY.re_alarm_severity
    assert event.note == f"its severity has risen from {was}, when it was acknowledged, to {event.state.severity}"


def test_an_alarm_that_must_be_acknowledged_is_of_interest_until_it_is() -> None:
    pump = alarming(AlarmPolicy(k=2, n=3, clear_windows=3, min_duration_s=0.0, must_acknowledge=True))
    pump.hear(QUIET, QUIET, QUIET)
    assert not pump.anomaly.active
    assert pump.anomaly.of_interest
    pump.obey(ACK)
    assert not pump.anomaly.of_interest


def test_a_latched_alarm_stands_until_it_is_reset() -> None:
    pump = alarming(LATCHING)
    assert transitions(pump.hear(*[QUIET] * 50)) == [Transition.RETURNED]
    assert (pump.anomaly.active, pump.anomaly.latched, pump.anomaly.condition) == (True, True, Condition.NORMAL)
    reset, cleared = pump.obey(RESET)
    assert (reset.transition, reset.state.active, reset.state.latched) == (Transition.RESET, True, False)
    assert (cleared.transition, cleared.actor, cleared.state.cleared_at) == (Transition.CLEARED, "ann", pump.now)
    assert not pump.anomaly.of_interest


def test_a_latched_alarm_whose_condition_begins_again_is_updated_or_if_acknowledged_comes_back() -> None:
    pump = alarming(LATCHING)
    pump.hear(QUIET, QUIET, QUIET)
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.UPDATED]
    pump.obey(ACK)
    pump.hear(QUIET, QUIET, QUIET)
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.REALARMED]
    assert pump.transitions.count(Transition.RAISED) == 1
    assert len({event.state.occurrence for event in pump.said}) == 1


def test_one_that_begins_again_while_it_is_kept_quiet_comes_back_once_it_no_longer_is() -> None:
    pump = alarming(LATCHING)
    pump.obey(ACK)
    pump.hear(QUIET, QUIET, QUIET)
    pump.obey(Shelve(ID, "ann", pump.now + 100.0))
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.UPDATED]
    assert transitions(pump.wait(100.0)) == [Transition.UNSHELVED, Transition.REALARMED]
    assert pump.anomaly.acknowledged is None
    pump.obey(ACK)
    pump.obey(TakeOutOfService(ID, "ann"))
    assert transitions(pump.obey(ReturnToService(ID, "ann"))) == [Transition.IN_SERVICE]


def test_a_latched_alarm_that_was_over_when_its_sound_was_lost_is_over_when_that_is_back() -> None:
    pump = alarming(LATCHING)
    pump.obey(ACK)
    pump.hear(QUIET, QUIET, QUIET)
    pump.lose()
    pump.find()
    assert transitions(pump.hear(*[QUIET] * 5)) == [Transition.KNOWN], "nobody is told again that it is over"
    pump.lose()
    pump.find()
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.KNOWN, Transition.REALARMED]


def test_a_technical_alarm_never_latches() -> None:
    pump = Pump(LATCHING)
    pump.lose()
    assert pump.find()[0].transition is Transition.CLEARED


def test_a_shelved_alarm_is_watched_but_announced_only_when_its_time_is_up() -> None:
    pump = Pump(POLICY)
    (event,) = pump.obey(Shelve(ID, "ann", until=500.0))
    assert event.state.shelving == Shelving("ann", 0.0, 500.0)
    assert event.state.of_interest
    assert event.state.raised_at is None
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.SUPPRESSED]
    assert (pump.anomaly.active, pump.anomaly.suppressed) == (True, True)
    assert pump.wait(497.0) == []
    unshelved, raised = pump.wait(1.0)
    assert (unshelved.transition, unshelved.actor, unshelved.note) == (
        Transition.UNSHELVED,
        None,
        "the time on the shelf is up",
    )
    assert (raised.transition, raised.state.raised_at, raised.at) == (Transition.RAISED, 2.0, 500.0)


def test_the_clock_of_the_computer_ends_no_shelving() -> None:
    pump = Pump(POLICY)
    pump.obey(Shelve(ID, "ann", until=500.0))
    day_later = type(pump.instant)(pump.instant.monotonic + 1.0, 86_400.0)
    assert pump.alarms.tick(day_later) == []
    assert transitions(pump.alarms.tick(type(pump.instant)(pump.instant.monotonic + 500.0, 0.0))) == [
        Transition.UNSHELVED
    ]


def test_what_begins_and_ends_on_the_shelf_is_never_announced() -> None:
    pump = Pump(POLICY)
    pump.obey(Shelve(ID, "ann", until=500.0))
    pump.hear(LOUD, LOUD, QUIET, QUIET, QUIET)
    assert transitions(pump.obey(Unshelve(ID, "bob"))) == [Transition.UNSHELVED]
    assert Transition.RAISED not in pump.transitions


def test_an_alarm_shelved_once_comes_off_the_shelf_when_it_clears() -> None:
    pump = alarming()
    pump.obey(Shelve(ID, "ann", until=500.0, one_shot=True))
    events = pump.hear(QUIET, QUIET, QUIET)
    assert transitions(events) == [Transition.CLEARED, Transition.UNSHELVED]
    assert (events[1].actor, events[1].note) == (None, "shelved once, it has cleared")
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.RAISED]


def test_a_shelved_alarm_is_not_told_again_and_does_not_come_back_until_it_is_off_the_shelf() -> None:
    pump = alarming()
    pump.obey(ACK)
    pump.obey(Shelve(ID, "ann", until=500.0))
    assert pump.hear(*[2.0 + 0.1 * step for step in range(200)]) == []
    assert transitions(pump.obey(Unshelve(ID, "bob"))) == [Transition.UNSHELVED]
    assert transitions(pump.wait(1.0)) == [Transition.REALARMED]


def test_out_of_service_keeps_quiet_until_back_in_service_shelved_or_not() -> None:
    pump = Pump(POLICY)
    (event,) = pump.obey(TakeOutOfService(ID, "ann"))
    assert event.state.out_of_service == Act("ann", 0.0)
    pump.obey(Shelve(ID, "ann", until=100.0))
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.SUPPRESSED]
    assert transitions(pump.wait(200.0)) == [Transition.UNSHELVED], "still out of service"
    assert transitions(pump.obey(ReturnToService(ID, "bob"))) == [Transition.IN_SERVICE, Transition.RAISED]


def test_commands_that_make_no_sense_are_refused_with_a_reason_and_change_nothing() -> None:
    pump = Pump(LATCHING)

    def refused(command: object, reason: str) -> None:
        before = pump.alarms.states
        with pytest.raises(CommandRefusedError, match=reason):
            pump.obey(command)  # type: ignore[arg-type]
        assert pump.alarms.states == before

    refused(ACK, r"pump\.anomaly cannot be acknowledged: it does not stand")
    refused(RESET, "cannot be reset: it is not latched")
    refused(Unshelve(ID, "ann"), "cannot be taken off the shelf: it is not shelved")
    refused(ReturnToService(ID, "ann"), "cannot be put back into service: it is in service")
    refused(Shelve(ID, "ann", until=0.0), "the end of the shelving should lie in the future")
    refused(Shelve(ID, "ann", until=float("nan")), "the end of the shelving should lie in the future")
    refused(Shelve(ID, "ann", until=1e9), r"604800 s at most are right \(alarms.max_shelve_s\)")
    refused(Acknowledge(ID, "  "), "an actor is needed")
    refused(Acknowledge("fan.anomaly", "ann"), 'there is no alarm "fan.anomaly"; right would be one of pump.anomaly')
    pump.hear(LOUD, LOUD)
    refused(RESET, "cannot be reset: its condition still holds")
    pump.obey(ACK)
    refused(ACK, "is acknowledged already, by ann")
    pump.hear(QUIET, QUIET, QUIET)
    pump.lose()
    refused(RESET, "nobody can tell at present whether its condition is over")
    pump.obey(TakeOutOfService(ID, "ann"))
    refused(TakeOutOfService(ID, "bob"), "is out of service already, by ann")


def test_what_was_not_announced_cannot_be_acknowledged() -> None:
    pump = Pump(POLICY)
    pump.obey(TakeOutOfService(ID, "ann"))
    pump.hear(LOUD, LOUD)
    with pytest.raises(CommandRefusedError, match="kept quiet, it was not announced yet"):
        pump.obey(ACK)


def test_a_latched_alarm_that_must_be_acknowledged_is_acknowledged_before_it_is_reset() -> None:
    pump = alarming(AlarmPolicy(k=2, n=3, clear_windows=3, min_duration_s=0.0, latching=True, must_acknowledge=True))
    pump.hear(QUIET, QUIET, QUIET)
    with pytest.raises(CommandRefusedError, match="it should be acknowledged first"):
        pump.obey(RESET)
    pump.obey(ACK)
    assert transitions(pump.obey(RESET)) == [Transition.RESET, Transition.CLEARED]


def test_a_channel_that_is_retired_drops_what_was_latched_shelved_and_out_of_service() -> None:
    pump = alarming(LATCHING)
    pump.obey(Shelve(ID, "ann", until=500.0))
    pump.obey(TakeOutOfService("pump.clipped", "ann"))
    events = pump.alarms.retire(pump.instant, "the channel is no longer configured")
    assert [(event.transition, event.state.kind) for event in events] == [
        (Transition.CLEARED, AlarmKind.ANOMALY),
        (Transition.RETIRED, AlarmKind.ANOMALY),
        (Transition.RETIRED, AlarmKind.CLIPPED),
    ]
    assert not any(state.of_interest for state in pump.alarms.states)
