"""When the engine cannot keep up, hops widen first, then stale windows go, and all is as before when it can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdstream.alarms.policy import AlarmPolicy
from asdstream.engine.overload import HopChange, Overload, OverloadPolicy, Shedding

POLICY = OverloadPolicy(late_s=1.0, longest_hop_s=10.0, settle_s=2.0, calm_s=10.0)


def overload(hops: dict[str, float], *, seconds_per_window: float | None = None) -> Overload:
    """With every channel present from second 100 on."""
    made = Overload(hops, POLICY)
    present(made, hops, 100.0)
    if seconds_per_window is not None:
        made.computed(10, 10 * seconds_per_window)
    return made


def present(made: Overload, channels: object, now: float) -> None:
    for channel in list(channels):  # type: ignore[call-overload]
        made.arrived(channel, now)


def widened(changes: list[HopChange]) -> list[tuple[str, int]]:
    return [(change.channel, change.factor) for change in changes]


def test_a_channel_that_waits_no_longer_than_its_hop_gives_way_nothing() -> None:
    made = overload({"a": 2.0})
    assert made.adjust({"a": 98.1}, now=100.0) == []
    assert made.wants("a", 1)
    assert made.shedding("a") == Shedding(2.0)


def test_a_short_hop_does_not_make_a_short_wait_late() -> None:
    made = overload({"a": 0.1})
    assert made.adjust({"a": 99.1}, now=100.0) == []
    assert widened(made.adjust({"a": 98.9}, now=100.0)) == [("a", 2)]


def test_the_shortest_hop_is_widened_first_and_among_equals_the_one_that_has_waited_longest() -> None:
    made = overload({"slow": 4.0, "quick": 0.5, "usual": 1.0})
    waiting = {"slow": 80.0, "quick": 97.0, "usual": 96.0}
    assert made.adjust(waiting, now=100.0) == [HopChange("quick", 2, 1.0, widened=True)]
    present(made, waiting, 110.0)
    assert made.adjust(waiting, now=110.0) == [HopChange("usual", 2, 2.0, widened=True)]


def test_channels_of_one_hop_are_each_widened_once_before_any_is_widened_twice() -> None:
    made = overload({"a": 1.0, "b": 1.0, "c": 1.0})
    seen = []
    for step in range(6):
        now = 100.0 + 3 * step
        present(made, "abc", now)
        seen += widened(made.adjust(dict.fromkeys("abc", now - 9.0), now))
    assert seen == [("a", 2), ("b", 2), ("c", 2), ("a", 4), ("b", 4), ("c", 4)]


def test_as_many_channels_are_widened_at_once_as_the_measured_load_asks_for_and_no_more() -> None:
    made = overload(dict.fromkeys("abcdefgh", 1.0), seconds_per_window=0.15)
    assert made.load(100.0) == pytest.approx(1.2)
    changes = made.adjust(dict.fromkeys("abcdefgh", 98.0), now=100.0)
    assert widened(changes) == [("a", 2), ("b", 2), ("c", 2), ("d", 2)]
    assert made.load(100.0) == pytest.approx(0.9)


def test_after_a_widening_its_effect_is_waited_for() -> None:
    made = overload({"a": 1.0, "b": 1.0})
    assert widened(made.adjust({"a": 97.0, "b": 97.0}, now=100.0)) == [("a", 2)]
    assert made.adjust({"b": 97.0}, now=101.9) == []
    assert widened(made.adjust({"b": 97.0}, now=102.0)) == [("b", 2)]


def test_no_hop_is_widened_beyond_a_window_so_that_no_sound_goes_by_unheard() -> None:
    made = overload({"a": 1.0, "b": 6.0}, seconds_per_window=100.0)
    made.adjust({"a": 50.0, "b": 50.0}, now=100.0)
    assert made.shedding("a") == Shedding(8.0, hop_widened=3)
    assert made.shedding("b") == Shedding(6.0)
    longest = OverloadPolicy().longest_hop_s
    assert longest <= 10.0, "the length of a window"
    assert longest < AlarmPolicy().gap_s, "or an alarm would forget its windows between two of them"


def test_a_widened_hop_keeps_every_nth_window_and_channels_take_different_ones() -> None:
    made = overload({"a": 1.0, "b": 1.0}, seconds_per_window=0.9)
    made.adjust({"a": 97.0, "b": 97.0}, now=100.0)
    kept = {name: [i for i in range(8) if made.wants(name, i)] for name in "ab"}
    assert kept == {"a": [0, 2, 4, 6], "b": [1, 3, 5, 7]}
    made.adjust({"a": 80.0, "b": 80.0}, now=103.0)
    assert {i for i in range(8) if made.wants("a", i)} < set(kept["a"])


def test_a_channel_without_sound_is_no_load_and_is_not_widened() -> None:
    made = overload({"dead": 1.0, "a": 1.0}, seconds_per_window=0.6)
    made.arrived("a", 200.0)
    assert made.load(200.0) == pytest.approx(0.6)
    assert widened(made.adjust({"a": 190.0}, now=200.0)) == [("a", 2)]


def test_channels_that_wait_for_the_engine_themselves_are_never_asked() -> None:
    made = overload({"a": 1.0})
    assert made.adjust({"tape": 0.0}, now=100.0) == []
    assert made.to_drop({"tape": 0.0}, {"tape": 50}, now=100.0) is None
    assert made.wants("tape", 3)
    assert made.shedding("tape") is None


def test_windows_are_dropped_only_when_no_hop_can_be_widened_and_only_where_a_newer_one_waits() -> None:
    made = overload({"a": 1.0, "b": 10.0}, seconds_per_window=100.0)
    oldest = {"a": 85.0, "b": 70.0}
    assert made.to_drop(oldest, {"a": 2, "b": 2}, now=100.0) is None
    made.adjust(oldest, now=100.0)
    assert made.to_drop(oldest, {"a": 2, "b": 2}, now=100.0) == "b", "three hops behind; the other is not two"
    assert made.to_drop(oldest, {"a": 2, "b": 1}, now=100.0) == "a"
    assert made.to_drop(oldest, {"a": 1, "b": 1}, now=100.0) is None
    assert made.to_drop({"a": 93.0}, {"a": 2}, now=100.0) is None, "it has not waited longer than its hop"


def test_hops_go_back_by_themselves_after_a_calm_time_as_far_as_there_is_spare_time() -> None:
    made = overload(dict.fromkeys("abcd", 1.0), seconds_per_window=0.5)
    made.adjust(dict.fromkeys("abcd", 97.0), now=100.0)
    assert {made.shedding(name).hop_s for name in "abcd"} == {2.0, 4.0}  # type: ignore[union-attr]
    for _ in range(30):
        made.computed(10, 10 * 0.15)
    present(made, "abcd", 108.0)
    assert made.adjust({}, now=101.0) == []
    assert made.adjust({}, now=110.9) == []
    changes = made.adjust({}, now=111.0)
    assert all(not change.widened for change in changes)
    assert {made.shedding(name).hop_s for name in "abcd"} == {1.0}  # type: ignore[union-attr]


def test_one_channel_goes_back_even_when_the_measured_load_speaks_against_it() -> None:
    made = overload({"a": 1.0, "b": 1.0}, seconds_per_window=0.9)
    made.adjust({"a": 97.0, "b": 97.0}, now=100.0)
    made.adjust({}, now=101.0)
    present(made, "ab", 110.0)
    assert widened(made.adjust({}, now=111.0)) == [("a", 1)]


def test_a_return_that_came_too_early_is_tried_again_after_twice_the_time() -> None:
    made = overload({"a": 1.0}, seconds_per_window=1.5)
    now, waits = 100.0, []
    for _ in range(8):
        present(made, "a", now)
        assert widened(made.adjust({"a": now - 3.0}, now)) == [("a", 2)]
        calm_from = now = now + 3.0
        while not made.adjust({}, now):
            now += 0.5
        waits.append(now - calm_from)
        now += 2.0
    assert waits == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 320.0, 320.0]


def test_what_is_given_way_is_counted() -> None:
    made = overload({"a": 1.0})
    made.adjust({"a": 97.0}, now=100.0)
    made.shed("a", 3)
    made.dropped("a")
    assert made.shedding("a") == Shedding(2.0, hop_widened=1, windows_shed=3, windows_dropped=1)


@pytest.mark.parametrize(
    "settings",
    [{"late_s": -1.0}, {"calm_s": 400.0}, {"spare": 0.0}, {"spare": 0.95}, {"settle_s": -1.0}],
)
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="should"):
        OverloadPolicy(**settings)


@given(
    hops=st.lists(st.sampled_from([0.1, 0.5, 1.0, 3.0, 10.0]), min_size=1, max_size=5),
    steps=st.lists(
        st.tuples(st.floats(0.0, 5.0), st.dictionaries(st.integers(0, 4), st.floats(0.0, 100.0))), max_size=60
    ),
    seconds_per_window=st.floats(0.001, 100.0),
)
def test_whatever_happens_hops_stay_in_bounds_and_come_back_when_it_is_over(
    hops: list[float], steps: list[tuple[float, dict[int, float]]], seconds_per_window: float
) -> None:
    channels = {f"c{i}": hop for i, hop in enumerate(hops)}
    made = overload(channels, seconds_per_window=seconds_per_window)
    now = 100.0
    for pause, waited in steps:
        now += pause
        present(made, channels, now)
        made.adjust({f"c{i}": now - seconds for i, seconds in waited.items() if i < len(hops)}, now)
        for name, hop in channels.items():
            found = made.shedding(name)
            assert found is not None
            assert hop <= found.hop_s <= max(hop, POLICY.longest_hop_s)
    for _ in range(40 * len(hops)):
        now += POLICY.longest_calm_s
        made.adjust({}, now)
    assert all(made.wants(name, index) for name in channels for index in range(10))
