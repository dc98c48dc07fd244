"""The alarms about the listening itself."""

import pytest
from listened_pump import LOUD, QUIET, Pump, transitions

from asdstream.alarms.event import AlarmKind, Condition, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.severity import Priority
from asdstream.alarms.technical import TECHNICAL

POLICY = AlarmPolicy(k=2, n=3, clear_windows=3, min_duration_s=0.0)
CHECKED = [AlarmKind.SILENT, AlarmKind.CLIPPED, AlarmKind.STALLED, AlarmKind.UNSCORED, AlarmKind.OVERLOAD]


def test_every_kind_but_the_anomaly_is_technical() -> None:
    assert set(TECHNICAL) == set(AlarmKind) - {AlarmKind.ANOMALY}


@pytest.mark.parametrize("kind", CHECKED)
def test_trouble_is_told_once_it_has_lasted_and_cleared_when_it_is_over(kind: AlarmKind) -> None:
    pump = Pump(POLICY)
    waits = {AlarmKind.SILENT: 30, AlarmKind.CLIPPED: 30}.get(kind, 60)
    assert pump.check({kind: "it is bad"}, seconds=waits) == []
    raised = pump.check({kind: "it is bad"})[0]
    assert (raised.transition, raised.state.alarm_id, raised.state.reason) == (
        Transition.RAISED,
        f"pump.{kind}",
        "it is bad",
    )
    assert pump.check({kind: "it is bad"}, seconds=100) == []
    (cleared,) = pump.check({kind: None}, seconds=11)
    assert (cleared.transition, cleared.state.reason) == (Transition.CLEARED, TECHNICAL[kind].over)


def test_trouble_that_comes_and_goes_is_neither_told_nor_cleared_before_it_has_lasted() -> None:
    pump = Pump(POLICY)
    for _ in range(20):
        assert pump.check({AlarmKind.CLIPPED: "loud"}, seconds=25) == []
        assert pump.check({AlarmKind.CLIPPED: None}) == []
    pump.check({AlarmKind.CLIPPED: "loud"}, seconds=31)
    for _ in range(20):
        assert pump.check({AlarmKind.CLIPPED: None}, seconds=9) == []
        assert pump.check({AlarmKind.CLIPPED: "loud"}) == []


def test_where_nobody_can_say_the_alarm_stays_as_it_is_and_delays_begin_anew() -> None:
    pump = Pump(POLICY)
    pump.check({AlarmKind.CLIPPED: "loud"}, seconds=31)
    pump.check({AlarmKind.CLIPPED: None}, seconds=9)
    assert pump.check({}, seconds=100) == []
    assert pump.check({AlarmKind.CLIPPED: None}, seconds=9) == []
    assert pump.state(AlarmKind.CLIPPED).active


def test_another_cause_updates_the_standing_alarm() -> None:
    pump = Pump(POLICY)
    pump.check({AlarmKind.UNSCORED: "nothing to score against"}, seconds=61)
    (event,) = pump.check({AlarmKind.UNSCORED: "the engine fails"})
    assert (event.transition, event.state.reason) == (Transition.UPDATED, "the engine fails")


@pytest.mark.parametrize("kind", [kind for kind in CHECKED if TECHNICAL[kind].blinding])
def test_what_leaves_the_machine_unheard_leaves_its_condition_unknown(kind: AlarmKind) -> None:
    pump = Pump(POLICY)
    pump.hear(LOUD, LOUD)
    pump.check({kind: "trouble"}, seconds=61)
    assert (pump.anomaly.active, pump.anomaly.condition) == (True, Condition.UNKNOWN)
    assert pump.hear(*[QUIET] * 20) == []


@pytest.mark.parametrize("kind", [AlarmKind.CLIPPED, AlarmKind.OVERLOAD])
def test_what_still_lets_it_be_heard_does_not(kind: AlarmKind) -> None:
    pump = Pump(POLICY)
    pump.check({kind: "trouble"}, seconds=61)
    assert transitions(pump.hear(LOUD, LOUD)) == [Transition.RAISED]


def test_a_dead_input_neither_raises_nor_clears_before_its_own_alarm_is_due() -> None:
    pump = Pump(POLICY)
    pump.hear(LOUD, LOUD)
    pump.check({AlarmKind.SILENT: "dead"})
    assert pump.hear(*[QUIET] * 10) == []
    assert pump.anomaly.active


def test_sound_that_comes_in_again_after_a_restart_clears_the_alarm_of_its_source() -> None:
    pump = Pump(POLICY)
    pump.lose()
    restarted = Pump(POLICY, pump.alarms.snapshot())
    assert transitions(restarted.check({AlarmKind.SOURCE: None})) == [Transition.CLEARED]


def test_alarms_of_the_node_are_named_without_a_channel() -> None:
    node = Pump(POLICY, channel="")
    (event,) = node.check({AlarmKind.DISK: "little room"}, seconds=61)
    assert (event.state.alarm_id, event.state.channel) == ("disk", "")


def test_each_kind_has_a_priority_of_its_own() -> None:
    pump = Pump(POLICY)
    pump.lose()
    pump.check({AlarmKind.CLIPPED: "loud"}, seconds=31)
    assert pump.state(AlarmKind.SOURCE).priority is Priority.HIGH
    assert pump.state(AlarmKind.CLIPPED).priority is Priority.LOW
