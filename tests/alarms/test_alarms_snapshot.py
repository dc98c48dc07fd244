"""What a restart keeps, and what older databases hold."""

import json

import pytest
from listened_pump import BOOTED, LOUD, QUIET, Pump, transitions, window

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.command import Acknowledge, Shelve, TakeOutOfService
from asdstream.alarms.elapsed import Elapsed, Instant
from asdstream.alarms.event import Act, AlarmKind, Condition, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot

POLICY = AlarmPolicy(k=2, n=3, clear_windows=3, min_duration_s=0.0, re_alarm_s=100.0)
ID = "pump.anomaly"


def after_restart(pump: Pump, away_s: float = 0.0, clock_set_by_s: float = 0.0) -> Pump:
    snapshot = AlarmSnapshot.from_dict(json.loads(json.dumps(pump.alarms.snapshot().to_dict())))
    assert snapshot == pump.alarms.snapshot()
    again = Pump(POLICY, snapshot)
    again.now = pump.now + away_s + clock_set_by_s
    return again


def test_acknowledgement_shelving_and_service_survive() -> None:
    pump = Pump(POLICY)
    pump.hear(LOUD, LOUD)
    pump.obey(Acknowledge(ID, "ann"))
    pump.obey(Shelve(ID, "bob", until=500.0, one_shot=True))
    pump.obey(TakeOutOfService("pump.clipped", "cid"))
    again = after_restart(pump)
    assert again.alarms.states == pump.alarms.states
    assert again.anomaly.acknowledged == Act("ann", 2.0)
    assert again.state(AlarmKind.CLIPPED).out_of_service == Act("cid", 2.0)


def test_a_restart_counts_towards_every_delay_by_utc() -> None:
    pump = Pump(POLICY)
    pump.hear(LOUD, LOUD)
    pump.obey(Acknowledge(ID, "ann"))
    assert transitions(after_restart(pump, away_s=99.0).wait(0.0)) == []
    assert transitions(after_restart(pump, away_s=100.0).wait(0.0)) == [Transition.REALARMED]


def test_a_clock_that_was_set_back_meanwhile_makes_a_restart_last_no_time() -> None:
    pump = Pump(POLICY)
    pump.obey(Shelve(ID, "ann", until=500.0))
    again = after_restart(pump, clock_set_by_s=-86_400.0)
    assert again.wait(0.0) == []
    assert again.wait(499.0) == []
    assert transitions(again.wait(1.0)) == [Transition.UNSHELVED]


def test_the_axis_of_the_delays_follows_the_monotonic_clock_alone_while_the_daemon_runs() -> None:
    axis = Elapsed()
    assert axis.advance(Instant(50.0, 1e9)) == 0.0
    assert axis.advance(Instant(60.0, 0.0)) == 10.0
    assert axis.advance(Instant(55.0, 2e9)) == 10.0, "it never goes back"
    assert axis.advance(Instant(61.0, 2e9)) == 11.0


def test_an_occurrence_tells_the_name_that_the_machine_has_by_then() -> None:
    pump = Pump(POLICY)
    pump.hear(LOUD, LOUD, QUIET, QUIET, QUIET)
    renamed = ChannelAlarms(POLICY, "pump", "pump-8", lambda: "id", pump.alarms.snapshot())
    for second in (7.0, 8.0):
        events = renamed.observe(window(LOUD, second, BOOTED + second))
    assert events[0].state.machine == "pump-8"


OF_FIRST_LAYOUT = {
    "channel": "pump",
    "anomaly": {
        "alarm_id": "pump.anomaly",
        "occurrence": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "kind": "anomaly",
        "channel": "pump",
        "machine": "pump-7",
        "active": True,
        "raised_at": 1.0,
        "updated_at": 2.0,
        "cleared_at": None,
        "score": 0.15,
        "peak_score": 0.15,
        "threshold": 0.1,
        "windows": 3,
        "reason": "3 of the latest 5 windows over the threshold",
    },
    "source": None,
    "history": [None, 0.15, 0.15],
    "quiet_windows": 0,
    "lasted_s": 1.0,
    "since_told_s": 1.0,
    "news": True,
    "latest": 2.0,
}
"""As a daemon whose alarms were either active or not wrote it."""


def test_a_snapshot_of_the_first_layout_goes_on_where_it_was_taken() -> None:
    pump = Pump(POLICY, AlarmSnapshot.from_dict(OF_FIRST_LAYOUT))
    assert (pump.anomaly.active, pump.anomaly.condition) == (True, Condition.ABNORMAL)
    assert pump.anomaly.occurrence == "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    assert pump.anomaly.severity == 200
    pump.now = 2.0
    assert pump.hear(LOUD) == []
    assert pump.anomaly.windows == 4
    assert transitions(pump.hear(QUIET, QUIET, QUIET)) == [Transition.CLEARED]


@pytest.mark.parametrize("active", [True, False])
def test_a_lost_source_of_the_first_layout_is_still_lost(active: bool) -> None:
    source = OF_FIRST_LAYOUT["anomaly"] | {"alarm_id": "pump.source", "kind": "source", "active": active}  # type: ignore[operator]
    pump = Pump(POLICY, AlarmSnapshot.from_dict(OF_FIRST_LAYOUT | {"anomaly": None, "source": source}))
    assert pump.state(AlarmKind.SOURCE).active is active
    assert transitions(pump.wait(1.0)) == [Transition.UNKNOWN] * active
    assert transitions(pump.find()) == [Transition.CLEARED] * active


@pytest.mark.parametrize(
    "spoiled", [{}, {"anomaly": None}, {"channel": "pump", "alarms": [{}]}, OF_FIRST_LAYOUT | {"anomaly": {}}]
)
def test_anything_else_is_refused(spoiled: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        AlarmSnapshot.from_dict(spoiled)
