"""Windows wait for company, but not for long, and no channel waits for another's backlog."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdstream.audio.window import Window
from asdstream.engine.batch_times import BatchTimes
from asdstream.engine.batching import BATCH_OF_HOP, BatchPolicy, BatchQueue, QueuedWindow, batch_sizes

SILENCE = np.zeros(160_000, np.float32)


def window(channel: str, index: int = 0) -> Window:
    return Window(channel, index, SILENCE, 0.0, 10.0, 0.0)


def names(batch: list[QueuedWindow]) -> list[str]:
    return [f"{item.window.channel}{item.window.index}" for item in batch]


def test_a_full_batch_is_due_at_once() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4), deadline_s=1.0))
    for channel in "abcd":
        queue.put(window(channel), now=5.0)
    assert queue.due_at() == 5.0
    assert names(queue.take(now=5.0)) == ["a0", "b0", "c0", "d0"]
    assert len(queue) == 0


def test_a_window_alone_waits_until_its_deadline_and_no_longer() -> None:
    queue = BatchQueue(BatchPolicy(deadline_s=0.5))
    assert queue.due_at() is None
    assert queue.take(now=0.0) == []
    queue.put(window("a"), now=1.0)
    assert queue.due_at() == 1.5
    assert queue.take(now=1.49) == []
    assert names(queue.take(now=1.5)) == ["a0"]


def test_only_allowed_sizes_are_handed_out_and_the_rest_follows() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4, 8), deadline_s=0.5))
    for i in range(7):
        queue.put(window("a", i), now=0.0)
    sizes = []
    while batch := queue.take(now=0.5):
        sizes.append(len(batch))
    assert sizes == [4, 2, 1]


def test_channels_take_turns_and_keep_their_order() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4)))
    for i in range(6):
        queue.put(window("loud", i), now=0.0)
    queue.put(window("quiet"), now=0.1)
    assert names(queue.take(now=0.1)) == ["loud0", "quiet0", "loud1", "loud2"]


def test_under_overload_the_oldest_window_of_the_channel_furthest_behind_is_dropped_and_counted() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2), capacity=4))
    for i in range(3):
        assert queue.put(window("loud", i), now=0.0) is None
    assert queue.put(window("quiet"), now=0.0) is None
    dropped = queue.put(window("loud", 3), now=0.0)
    assert dropped is not None
    assert (dropped.channel, dropped.index) == ("loud", 0)
    assert len(queue) == 4
    assert queue.counts() == {"loud": 3, "quiet": 1}


def test_of_channels_equally_behind_the_one_that_has_waited_longest_loses() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2), capacity=3))
    for channel, now in (("a", 1.0), ("b", 0.0), ("c", 2.0)):
        queue.put(window(channel), now)
    dropped = queue.put(window("d"), now=3.0)
    assert dropped is not None
    assert dropped.channel == "b"


def test_windows_of_a_channel_that_waits_for_us_are_never_dropped() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2), capacity=2), kept=frozenset({"tape"}))
    for index in range(4):
        assert queue.put(window("tape", index), now=0.0) is None
    dropped = queue.put(window("live"), now=0.0)
    assert dropped is not None
    assert dropped.channel == "live"
    assert queue.waiting("tape") == 4


def test_a_channel_can_be_thinned_and_the_others_keep_their_windows() -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4, 8), deadline_s=0.0))
    for index in range(4):
        queue.put(window("a", index), now=float(index))
        queue.put(window("b", index), now=float(index))
    assert queue.thin("a", lambda index: index % 2 == 1) == 2
    assert queue.oldest() == {"a": 1.0, "b": 0.0}
    assert queue.thin("b", lambda _index: False) == 4
    assert queue.thin("nobody", lambda _index: False) == 0
    assert names(queue.take(now=9.0)) == ["a1", "a3"]
    assert queue.due_at() is None


def test_what_is_handed_out_carries_when_it_was_queued() -> None:
    queue = BatchQueue(BatchPolicy(deadline_s=0.5))
    queue.put(window("a"), now=3.25)
    assert [item.queued for item in queue.take(now=4.0)] == [3.25]


def learnt(seconds_of: Callable[[int], float], sizes: tuple[int, ...] = (1, 2, 4, 8)) -> BatchTimes:
    times = BatchTimes()
    for size in sizes:
        times.computed(size, seconds_of(size))
    return times


@pytest.mark.parametrize(
    ("seconds_of", "full", "behind"),
    [
        pytest.param(lambda n: 0.2 * n, 1, 1, id="one core, a window takes a fifth of the hop"),
        pytest.param(lambda n: 0.1 * (n + n % 2), 2, 2, id="two cores"),
        pytest.param(lambda n: 0.4 * (n + n % 2), 2, 2, id="two cores that are both too slow are still both used"),
        pytest.param(lambda n: 0.01 * n, 8, 8, id="windows that are cheap"),
        pytest.param(lambda n: 0.3 + 0.01 * n, 8, 8, id="a device that hardly cares how many there are"),
        pytest.param(lambda n: 0.08 * n**0.9, 2, 8, id="larger ones a little cheaper: only where a hop was waited"),
        pytest.param(lambda n: 0.1 * n**1.2, 2, 2, id="larger ones dearer"),
    ],
)
def test_a_batch_is_full_with_a_quarter_of_the_hop_or_what_hardly_costs_more(
    seconds_of: Callable[[int], float], full: int, behind: int
) -> None:
    policy = BatchPolicy(hop_s=1.0)
    times = learnt(seconds_of)
    assert policy.full(times) == full
    assert policy.full(times, behind=True) == behind
    assert BatchPolicy().full(times) == 8, "without a hop there is no hurry"


def test_a_larger_size_that_may_be_cheap_is_tried_once() -> None:
    policy = BatchPolicy(hop_s=1.0)
    times = learnt(lambda _size: 0.3, sizes=(1,))
    assert policy.full(times) == 1
    assert policy.full(times, trying=True) == 2
    times.computed(2, 0.31)
    assert policy.full(times) == 2, "it was cheap"
    assert policy.full(times, trying=True) == 4
    times.computed(4, 0.62)
    assert policy.full(times, trying=True) == 2, "that was not"


def test_a_smaller_size_is_tried_as_well() -> None:
    policy = BatchPolicy(hop_s=1.0)
    times = learnt(lambda size: 0.2 * size, sizes=(2, 4))
    assert policy.full(times) == 2, "nothing says that one alone would take less"
    assert policy.full(times, trying=True) == 1
    times.computed(1, 0.2)
    assert policy.full(times, trying=True) == 1


def test_a_queue_learns_when_its_batches_are_full() -> None:
    queue = BatchQueue(BatchPolicy(deadline_s=0.5, hop_s=1.0))
    for size in (1, 2, 4, 8):
        queue.computed(size, 0.1 * size)
    for channel in "abcde":
        queue.put(window(channel), now=1.0)
    assert names(queue.take(now=1.0)) == ["a0", "b0"]
    assert names(queue.take(now=1.2)) == ["c0", "d0"]
    assert queue.due_at() == 1.5, "one alone waits for company"


def test_a_queue_that_is_behind_hands_out_what_is_cheapest_per_window() -> None:
    queue = BatchQueue(BatchPolicy(deadline_s=0.1, hop_s=1.0))
    for size in (1, 2, 4, 8):
        queue.computed(size, 0.2 * size**0.8)
    for channel in "abcdefghi":
        queue.put(window(channel), now=0.0)
    assert len(queue.take(now=1.0)) == 1
    assert len(queue.take(now=1.1)) == 8


@given(
    one=st.floats(1e-3, 2.0),
    exponent=st.floats(0.0, 1.2),
    hop_s=st.floats(0.05, 10.0),
)
def test_no_batch_is_longer_than_it_may_be_unless_that_helps(one: float, exponent: float, hop_s: float) -> None:
    policy = BatchPolicy(hop_s=hop_s)
    times = learnt(lambda size: one * size**exponent)
    for behind in (False, True):
        full = policy.full(times, behind=behind)
        if full > 1:
            gains = times.of(full) / full <= 0.95 * times.of(full // 2) / (full // 2)
            assert times.of(full) <= BATCH_OF_HOP * hop_s or gains
    assert policy.full(times, behind=True) >= policy.full(times)


@pytest.mark.parametrize(
    ("max_batch", "sizes"),
    [(1, (1,)), (2, (1, 2)), (8, (1, 2, 4, 8)), (12, (1, 2, 4, 8, 12)), (256, (1, 2, 4, 8, 16, 32, 64, 128, 256))],
)
def test_batch_sizes_double_up_to_the_largest(max_batch: int, sizes: tuple[int, ...]) -> None:
    assert batch_sizes(max_batch) == sizes


@pytest.mark.parametrize(
    ("sizes", "deadline_s", "capacity"),
    [((), 0.1, 64), ((2, 4), 0.1, 64), ((1, 4, 2), 0.1, 64), ((1, 1), 0.1, 64), ((1,), -1.0, 64), ((1, 8), 0.1, 4)],
)
def test_a_policy_that_makes_no_sense_is_refused(sizes: tuple[int, ...], deadline_s: float, capacity: int) -> None:
    with pytest.raises(ValueError, match="needed"):
        BatchPolicy(sizes, deadline_s, capacity)
    with pytest.raises(ValueError, match="hop_s is 0"):
        BatchPolicy(hop_s=0.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.2)), max_size=60))
def test_every_window_is_handed_out_once_in_order_and_in_time_or_dropped(arrivals: list[tuple[str, float]]) -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4), deadline_s=0.1, capacity=8))
    now, given_out, dropped = 0.0, [], []
    for index, (channel, pause) in enumerate(arrivals):
        now += pause
        gone = queue.put(window(channel, index), now)
        dropped += [] if gone is None else [gone.index]
        if index % 3 == 0:
            given_out += queue.take(now)
    now += 0.1
    while batch := queue.take(now):
        assert len(batch) in (1, 2, 4)
        given_out += batch
    assert len(queue) == 0
    assert sorted([item.window.index for item in given_out] + dropped) == list(range(len(arrivals)))
    for channel in "abc":
        order = [item.window.index for item in given_out if item.window.channel == channel]
        assert order == sorted(order)


@given(
    busy=st.integers(1, 40),
    others=st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
    sizes=st.sampled_from([(1,), (1, 2), (1, 2, 4), (1, 2, 4, 8)]),
)
def test_no_channel_waits_for_the_backlog_of_another(busy: int, others: list[str], sizes: tuple[int, ...]) -> None:
    queue = BatchQueue(BatchPolicy(sizes=sizes, deadline_s=0.0, capacity=100))
    for index in range(busy):
        queue.put(window("busy", index), now=0.0)
    for channel in others:
        queue.put(window(channel), now=0.0)
    handed_out: list[str] = []
    while batch := queue.take(now=0.0):
        handed_out += [item.window.channel for item in batch]
    assert set(others) <= set(handed_out[: len(others) + 1]), "one turn each before anyone has a second"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.3)), max_size=40))
def test_with_a_free_engine_no_window_waits_beyond_its_deadline(arrivals: list[tuple[str, float]]) -> None:
    """An engine that takes no time, asked exactly when something is due."""
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4), deadline_s=0.1, capacity=8))
    now = 0.0
    waited: list[float] = []
    for index, (channel, pause) in enumerate([*arrivals, ("a", 10.0)]):
        now += pause
        while (due := queue.due_at()) is not None and due <= now:
            waited += [due - item.queued for item in queue.take(due)]
        assert queue.put(window(channel, index), now) is None
        while batch := (queue.take(now) if len(queue) >= 4 else []):
            waited += [now - item.queued for item in batch]
    assert all(seconds <= 0.1 + 1e-9 for seconds in waited)
    assert len(waited) == len(arrivals)
