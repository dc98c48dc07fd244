import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listened_pump import LOUD, QUIET, Pump

from asdstream.alarms.event import Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.severity import Priority, anomaly_severity, priority_of

LEVELS = st.floats(-1e300, 1e300)
SECONDS = st.floats(0.0, 1e12)


@settings(max_examples=100, deadline=None)
@given(LEVELS, LEVELS, SECONDS, SECONDS)
def test_severity_grows_with_distance_and_with_time_between_200_and_1000(
    one: float, other: float, some_s: float, more_s: float
) -> None:
    near, far = sorted((one, other))
    short, long = sorted((some_s, more_s))
    assert 200 <= anomaly_severity(near, short) <= anomaly_severity(far, short) <= anomaly_severity(far, long) <= 1000


@pytest.mark.parametrize(
    ("level", "over_s", "severity", "priority"),
    [
        (1.0, 0.0, 200, Priority.LOW),
        (2.0, 0.0, 600, Priority.MEDIUM),
        (3.0, 0.0, 733, Priority.HIGH),
        (1.0, 3600.0, 400, Priority.MEDIUM),
        (1.0, 1e12, 600, Priority.MEDIUM),
        (2.0, 3600.0, 700, Priority.HIGH),
        (1e9, 0.0, 1000, Priority.HIGH),
    ],
)
def test_severity_is_that_of_the_formula(level: float, over_s: float, severity: int, priority: Priority) -> None:
    assert anomaly_severity(level, over_s) == severity
    assert priority_of(severity) is priority


def test_an_alarm_is_as_severe_as_k_of_n_windows_say_and_never_less_than_it_was() -> None:
    pump = Pump(AlarmPolicy(k=2, n=3))
    pump.hear(LOUD, 50.0)
    assert pump.anomaly.severity == anomaly_severity(LOUD, 0.0)
    pump.hear(2.0)
    worst = anomaly_severity(2.0, 1.0)
    assert pump.anomaly.severity == worst
    pump.hear(1.1, 1.1, QUIET, QUIET)
    assert pump.anomaly.severity == worst


def test_a_higher_priority_is_news() -> None:
    pump = Pump(AlarmPolicy(k=1, n=1, update_interval_s=1.0))
    pump.hear(1.15)
    assert pump.anomaly.priority is Priority.LOW
    (event,) = pump.hear(*[1.15] * 500)
    assert (event.transition, event.state.priority) == (Transition.UPDATED, Priority.MEDIUM)
    assert pump.anomaly.severity == anomaly_severity(1.15, 500.0)
