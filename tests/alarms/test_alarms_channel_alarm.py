import itertools
import json
import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdstream.alarms.channel_alarm import ChannelAlarm
from asdstream.alarms.event import AlarmEvent, AlarmKind, Transition
from asdstream.alarms.policy import AlarmPolicy
from asdstream.alarms.snapshot import AlarmSnapshot
from asdstream.scoring.scored_window import ScoredWindow

POLICY = AlarmPolicy(k=3, n=5, clear_windows=4, clear_level=0.8, min_duration_s=6.0, update_interval_s=10.0)
LOUD, NEAR, QUIET = 1.5, 0.9, 0.2


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


def new_alarm(snapshot: AlarmSnapshot | None = None, first_id: int = 0, policy: AlarmPolicy = POLICY) -> ChannelAlarm:
    numbers = itertools.count(first_id)
    return ChannelAlarm(policy, "pump", "pump-7", lambda: f"id-{next(numbers)}", snapshot)


def play(alarm: ChannelAlarm, levels: Iterable[float], start: float = 0.0) -> list[AlarmEvent]:
    return [event for at, level in enumerate(levels) for event in alarm.observe(window(level, start + at))]


def transitions(events: Iterable[AlarmEvent]) -> list[Transition]:
    return [event.transition for event in events]


def test_k_of_n_windows_over_the_threshold_raise_the_alarm_once() -> None:
    events = play(new_alarm(), [QUIET, LOUD, QUIET, LOUD, 2.0, LOUD, LOUD])
    assert transitions(events) == [Transition.RAISED]
    state = events[0].state
    assert events[0].at == state.raised_at == 4.0
    assert (state.alarm_id, state.kind, state.active) == ("pump.anomaly", AlarmKind.ANOMALY, True)
    assert (state.peak_score, state.windows, state.threshold) == (0.2, 3, 0.1)
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


def test_a_lost_source_is_an_alarm_of_its_own_kind() -> None:
    alarm = new_alarm()
    lost = alarm.source_lost(5.0, "the microphone is away")
    assert transitions(lost) == [Transition.RAISED]
    assert (lost[0].state.alarm_id, lost[0].state.kind) == ("pump.source", AlarmKind.SOURCE)
    assert alarm.source_lost(6.0, "the microphone is away") == []
    assert transitions(alarm.source_lost(7.0, "no message for 10 s")) == [Transition.UPDATED]
    back = alarm.source_back(8.0)
    assert transitions(back) == [Transition.CLEARED]
    assert back[0].state.cleared_at == 8.0
    assert alarm.source_back(9.0) == []


def test_a_lost_source_leaves_an_anomaly_standing() -> None:
    alarm = new_alarm()
    play(alarm, [LOUD] * 3)
    alarm.source_lost(4.0, "away")
    alarm.source_back(500.0)
    assert alarm.snapshot().anomaly is not None
    assert alarm.snapshot().anomaly.active


def test_windows_from_before_a_loss_do_not_count_after_it() -> None:
    alarm = new_alarm()
    play(alarm, [LOUD] * 2)
    alarm.source_lost(2.0, "away")
    alarm.source_back(3.0)
    assert play(alarm, [LOUD] * 2, start=4) == []


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
    seconds = itertools.count(0, 8)
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
    alarm.source_lost(4.0, "away")
    events = alarm.retire(5.0, "the channel is no longer configured")
    assert transitions(events) == [Transition.CLEARED, Transition.CLEARED]
    assert not any(state.active for state in alarm.states)
    assert alarm.retire(6.0, "again") == []


def test_a_snapshot_of_another_channel_is_refused() -> None:
    with pytest.raises(ValueError, match='a snapshot of channel "fan" does not fit channel "pump"'):
        new_alarm(AlarmSnapshot("fan"))


def test_a_policy_that_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="k should lie between 1 and n = 3, not at 4"):
        AlarmPolicy(k=4, n=3)


LEVELS = st.sampled_from([QUIET, NEAR, LOUD, 2.0, math.nan])
STEPS = st.sampled_from([1.0, 1.0, 1.0, 0.5, 100.0, -50.0])
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("window"), LEVELS, STEPS),
        st.tuples(st.just("lost"), st.sampled_from([0.0, 1.0]), STEPS),
        st.tuples(st.just("back"), st.just(0.0), STEPS),
    ),
    max_size=80,
)


def happen(alarm: ChannelAlarm, kind: str, value: float, at: float) -> list[AlarmEvent]:
    match kind:
        case "window":
            return alarm.observe(window(value, at))
        case "lost":
            return alarm.source_lost(at, f"reason {value}")
        case _:
            return alarm.source_back(at)


@settings(max_examples=150, deadline=None)
@given(HAPPENINGS)
def test_no_sequence_reaches_a_forbidden_state(happenings: list[tuple[str, float, float]]) -> None:
    alarm = new_alarm()
    active: dict[str, str] = {}
    seen: set[str] = set()
    at = 0.0
    for kind, value, step in happenings:
        at += step
        for event in happen(alarm, kind, value, at):
            state = event.state
            assert event.event_id not in seen
            seen.add(event.event_id)
            match event.transition:
                case Transition.RAISED:
                    assert state.alarm_id not in active
                    assert state.cleared_at is None
                    active[state.alarm_id] = state.occurrence
                case Transition.UPDATED:
                    assert active[state.alarm_id] == state.occurrence
                case Transition.CLEARED:
                    assert active.pop(state.alarm_id) == state.occurrence
                    assert state.cleared_at == event.at
            assert state.active == (event.transition is not Transition.CLEARED)
        assert {state.alarm_id: state.occurrence for state in alarm.states if state.active} == active


@settings(max_examples=100, deadline=None)
@given(HAPPENINGS, st.integers(0, 80))
def test_a_restart_at_any_moment_changes_no_transition(
    happenings: list[tuple[str, float, float]], restart_at: int
) -> None:
    straight, restarted = new_alarm(), new_alarm()
    at = 0.0
    for position, (kind, value, step) in enumerate(happenings):
        at += step
        if position == restart_at:
            text = json.dumps(restarted.snapshot().to_dict())
            restarted = new_alarm(AlarmSnapshot.from_dict(json.loads(text)), first_id=1000)
        expected, found = happen(straight, kind, value, at), happen(restarted, kind, value, at)
        assert transitions(found) == transitions(expected)
        for one, other in zip(expected, found, strict=True):
            assert (one.at, one.state.reason, one.state.windows) == (other.at, other.state.reason, other.state.windows)
