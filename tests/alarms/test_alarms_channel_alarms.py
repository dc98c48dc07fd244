"""What the windows of a channel and the loss of its sound do to its alarms."""

import math
from collections.abc import Iterable
from itertools import count

import pytest
from listened_pump import LOUD, NEAR, QUIET, Pump, transitions, window

from asdstream.alarms.channel_alarms import ChannelAlarms
from asdstream.alarms.elapsed import Instant
from asdstream.alarms.event import AlarmEvent, AlarmKind, Condition, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot

POLICY = AlarmPolicy(k=3, n=5, clear_windows=4, clear_level=0.8, min_duration_s=6.0, update_interval_s=10.0)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_policy_that_would_never_raise_or_never_clear_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        AlarmPolicy(on_delay_s=wrong)
    with pytest.raises(ValueError, match="clear_level should lie above 0"):
        AlarmPolicy(clear_level=wrong)


def new_alarm(snapshot: AlarmSnapshot | None = None, policy: AlarmPolicy = POLICY) -> ChannelAlarms:
    numbers = count()
    return ChannelAlarms(policy, "pump", "pump-7", lambda: f"id-{next(numbers)}", snapshot)


def play(alarm: ChannelAlarms, levels: Iterable[float], start: float = 0.0) -> list[AlarmEvent]:
    return [event for at, level in enumerate(levels) for event in alarm.observe(window(level, start + at))]


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds)


def test_k_of_n_windows_over_the_threshold_raise_the_alarm_once() -> None:
    events = play(new_alarm(), [QUIET, LOUD, QUIET, LOUD, 2.0, LOUD, LOUD])
    assert transitions(events) == [Transition.RAISED]
    state = events[0].state
    assert events[0].at == state.raised_at == 4.0
    assert (state.alarm_id, state.kind, state.active) == ("pump.anomaly", AlarmKind.ANOMALY, True)
    assert (state.peak_score, state.windows, state.threshold) == (0.2, 3, 0.1)
    assert (state.condition, state.acknowledged, state.latched) == (Condition.ABNORMAL, None, False)
    assert state.reason == "3 of the latest 5 windows over the threshold"


def test_fewer_than_k_of_the_latest_n_windows_do_not() -> None:
    assert play(new_alarm(), [LOUD, LOUD, QUIET, QUIET, QUIET, LOUD, LOUD, QUIET]) == []


def test_only_a_full_run_of_quiet_windows_clears() -> None:
    alarm = new_alarm()
    play(alarm, [LOUD] * 3)
    assert play(alarm, [QUIET, QUIET, QUIET, NEAR] * 3, start=3) == []
    events = play(alarm, [QUIET] * 4, start=15)
    assert transitions(events) == [Transition.CLEARED]
    assert events[0].state.cleared_at == events[0].at == 18.0
    assert not events[0].state.active


def test_a_score_between_clear_level_and_threshold_keeps_the_alarm_standing() -> None:
    alarm = new_alarm()
    play(alarm, [LOUD] * 3)
    assert play(alarm, [NEAR] * 50, start=3) == []
    assert alarm.states[0].active


def test_an_alarm_stands_for_its_minimum_duration() -> None:
    alarm = new_alarm(policy=AlarmPolicy(k=1, n=1, clear_windows=1, min_duration_s=6.0))
    events = play(alarm, [LOUD] + [QUIET] * 10)
    assert [(event.transition, event.at) for event in events] == [(Transition.RAISED, 0.0), (Transition.CLEARED, 6.0)]


def test_a_worsening_alarm_is_told_again_at_most_every_update_interval() -> None:
    events = play(new_alarm(), [LOUD + 0.1 * step for step in range(33)])
    assert [(event.transition, event.at) for event in events] == [
        (Transition.RAISED, 2.0),
        (Transition.UPDATED, 12.0),
        (Transition.UPDATED, 22.0),
        (Transition.UPDATED, 32.0),
    ]
    assert len({event.state.occurrence for event in events}) == 1
    assert len({event.event_id for event in events}) == 4
    assert events[-1].state.peak_score == events[-1].state.score


def test_an_alarm_that_neither_worsens_nor_comes_back_is_not_told_again() -> None:
    assert transitions(play(new_alarm(), [LOUD] * 100)) == [Transition.RAISED]


def test_an_alarm_that_comes_back_before_it_has_cleared_is_an_update_of_the_same_occurrence() -> None:
    events = play(new_alarm(), [LOUD] * 3 + [QUIET] * 3 + [LOUD] * 20)
    assert transitions(events) == [Transition.RAISED, Transition.UPDATED]
    assert events[0].state.occurrence == events[1].state.occurrence


def test_the_next_occurrence_has_its_own_id_and_the_same_alarm_id() -> None:
    events = play(new_alarm(), [LOUD] * 3 + [QUIET] * 10 + [LOUD] * 3)
    assert transitions(events) == [Transition.RAISED, Transition.CLEARED, Transition.RAISED]
    assert events[0].state.occurrence != events[2].state.occurrence
    assert events[0].state.alarm_id == events[2].state.alarm_id


def test_the_condition_must_hold_for_the_on_delay() -> None:
    policy = AlarmPolicy(k=2, n=3, on_delay_s=3.0)
    assert play(new_alarm(policy=policy), [LOUD] * 3 + [QUIET] * 3 + [LOUD] * 4) == [], "twice for only 2 s"
    (event,) = play(new_alarm(policy=policy), [LOUD] * 8)
    assert (event.transition, event.at) == (Transition.RAISED, 4.0), "the second window makes 2 of 3, at 1 s"


def test_quiet_must_last_for_the_off_delay() -> None:
    policy = AlarmPolicy(k=1, n=1, clear_windows=2, off_delay_s=5.0, min_duration_s=0.0)
    events = play(new_alarm(policy=policy), [LOUD] + [QUIET] * 5 + [NEAR] + [QUIET] * 10)
    assert [(event.transition, event.at) for event in events] == [(Transition.RAISED, 0.0), (Transition.CLEARED, 12.0)]


def test_a_lost_source_is_an_alarm_of_its_own_kind() -> None:
    alarm = new_alarm()
    lost, *_ = alarm.source_lost(at(5.0), "the microphone is away")
    assert lost.transition is Transition.RAISED
    assert (lost.state.alarm_id, lost.state.kind) == ("pump.source", AlarmKind.SOURCE)
    assert alarm.source_lost(at(6.0), "the microphone is away") == []
    assert transitions(alarm.source_lost(at(7.0), "no message for 10 s")) == [Transition.UPDATED]
    back = alarm.source_back(at(8.0))
    assert transitions(back) == [Transition.CLEARED]
    assert back[0].state.cleared_at == 8.0
    assert alarm.source_back(at(9.0)) == []


def test_a_source_that_comes_and_goes_is_back_after_a_while_of_sound() -> None:
    pump = Pump(AlarmPolicy(source_back_after_s=5.0))
    pump.lose()
    for _ in range(3):
        pump.wait(3.0)
        assert pump.find() == []
        pump.wait(3.0)
        assert pump.lose() == []
    pump.find()
    assert pump.wait(4.5) == []
    assert transitions(pump.wait(0.5)) == [Transition.CLEARED]


def test_while_sound_is_lost_nobody_knows_and_an_anomaly_stands() -> None:
    pump = Pump(POLICY)
    pump.hear(*[LOUD] * 3)
    assert transitions(pump.lose()) == [Transition.RAISED, Transition.UNKNOWN]
    assert (pump.anomaly.active, pump.anomaly.condition) == (True, Condition.UNKNOWN)
    assert pump.hear(*[QUIET] * 20) == [], "what is still scored tells nothing"
    assert transitions(pump.find()) == [Transition.CLEARED]
    assert pump.anomaly.condition is Condition.UNKNOWN, "nothing was heard yet"
    assert transitions(pump.hear(QUIET)) == [Transition.KNOWN]
    assert pump.anomaly.condition is Condition.ABNORMAL
    assert transitions(pump.hear(*[QUIET] * 6)) == [Transition.CLEARED]
    assert pump.anomaly.condition is Condition.NORMAL


def test_a_channel_that_sounded_normal_is_unknown_once_it_is_lost() -> None:
    pump = Pump(POLICY)
    pump.hear(QUIET)
    assert not pump.anomaly.of_interest
    pump.lose()
    assert pump.anomaly.of_interest
    assert (pump.anomaly.active, pump.anomaly.condition) == (False, Condition.UNKNOWN)
    pump.find()
    pump.hear(QUIET)
    assert not pump.anomaly.of_interest


def test_windows_from_before_a_loss_do_not_count_after_it() -> None:
    alarm = new_alarm()
    play(alarm, [LOUD] * 2)
    alarm.source_lost(at(2.0), "away")
    alarm.source_back(at(3.0))
    assert transitions(play(alarm, [LOUD] * 2, start=4)) == [Transition.KNOWN]


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_jumps_neither_clears_nor_raises(jump: float) -> None:
    alarm = new_alarm()
    play(alarm, [LOUD] * 2)
    assert play(alarm, [LOUD], start=jump) == []
    assert transitions(play(alarm, [LOUD] * 2, start=jump + 1)) == [Transition.RAISED]
    assert play(alarm, [QUIET] * 3, start=-jump) == []
    assert transitions(play(alarm, [QUIET] * 4, start=3 - jump)) == [Transition.CLEARED]


@pytest.mark.parametrize("jump", [-1e6, -40.0, -3.0, 3.0, 40.0, 1e6])
@pytest.mark.parametrize("at", range(1, 14))
def test_a_clock_that_is_set_at_any_moment_changes_no_transition(jump: float, at: int) -> None:
    levels = [QUIET, LOUD, LOUD, QUIET, LOUD, LOUD, 2.0, QUIET, QUIET, QUIET, QUIET, QUIET, LOUD, QUIET]

    def told(jumped: float) -> list[tuple[int, Transition]]:
        alarm = new_alarm()
        return [
            (second, event.transition)
            for second, level in enumerate(levels)
            for event in alarm.observe(window(level, 1e9 + second + jumped * (second >= at), heard=50.0 + second))
        ]

    assert told(jump) == told(0.0) == [(4, Transition.RAISED), (10, Transition.CLEARED)]


def test_a_gap_in_the_sound_is_a_gap_whatever_the_clock_says() -> None:
    alarm = new_alarm()
    for second in range(2):
        alarm.observe(window(LOUD, 1e9 + second, heard=50.0 + second))
    assert alarm.observe(window(LOUD, 1e9 + 2, heard=50.0 + 2 + POLICY.gap_s)) == []


def test_windows_that_were_not_scored_neither_raise_nor_clear() -> None:
    """Every eighth window of a channel with a hop of 1 s: the widest hop under overload."""
    alarm = new_alarm()
    seconds = count(0, 8)
    told = [
        (second, event.transition)
        for level, second in zip([LOUD] * 3 + [QUIET] * 4, seconds, strict=False)
        for event in alarm.observe(window(level, second, heard=second))
    ]
    assert told == [(16, Transition.RAISED), (48, Transition.CLEARED)], "after as many windows as ever, 8 times as late"


@pytest.mark.parametrize("strange", [math.nan, math.inf])
def test_a_score_that_is_no_number_says_nothing(strange: float) -> None:
    alarm = new_alarm()
    before = alarm.snapshot()
    assert alarm.observe(window(strange, 1.0)) == []
    assert alarm.snapshot() == before


def test_a_retired_channel_leaves_no_alarm_standing() -> None:
    alarm = new_alarm()
    play(alarm, [LOUD] * 3)
    alarm.source_lost(at(4.0), "away")
    events = alarm.retire(at(5.0), "the channel is no longer configured")
    assert transitions(events) == [Transition.CLEARED, Transition.CLEARED]
    assert not any(state.of_interest for state in alarm.states)
    assert alarm.retire(at(6.0), "again") == []


def test_a_snapshot_of_another_channel_is_refused() -> None:
    with pytest.raises(ValueError, match='a snapshot of channel "fan" does not fit channel "pump"'):
        new_alarm(AlarmSnapshot("fan"))


def test_a_policy_that_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="k should lie between 1 and n = 3, not at 4"):
        AlarmPolicy(k=4, n=3)
