"""Windows wait for company, but not for long, and no channel waits for another's backlog."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdstream.audio.window import Window
from asdstream.engine.batching import BatchPolicy, BatchQueue

SILENCE = np.zeros(160_000, np.float32)


def window(channel: str, index: int = 0) -> Window:
    return Window(channel, index, SILENCE, 0.0, 10.0, 0.0)


def names(batch: list[Window]) -> list[str]:
    return [f"{w.channel}{w.index}" for w in batch]


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
    assert names([dropped]) == ["loud0"]
    assert queue.dropped == {"loud": 1}
    assert len(queue) == 4


def test_a_finite_source_is_drained_without_waiting() -> None:
    queue = BatchQueue(BatchPolicy(deadline_s=1000.0))
    for i in range(3):
        queue.put(window("a", i), now=0.0)
    assert names(queue.drain()) == ["a0", "a1"]
    assert names(queue.drain()) == ["a2"]
    assert queue.drain() == []


@pytest.mark.parametrize(
    ("sizes", "deadline_s", "capacity"),
    [((), 0.1, 64), ((2, 4), 0.1, 64), ((1, 4, 2), 0.1, 64), ((1, 1), 0.1, 64), ((1,), -1.0, 64), ((1, 8), 0.1, 4)],
)
def test_a_policy_that_makes_no_sense_is_refused(sizes: tuple[int, ...], deadline_s: float, capacity: int) -> None:
    with pytest.raises(ValueError, match="needed"):
        BatchPolicy(sizes, deadline_s, capacity)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.2)), max_size=60))
def test_every_window_is_handed_out_once_in_order_and_in_time_or_counted_as_dropped(
    arrivals: list[tuple[str, float]],
) -> None:
    queue = BatchQueue(BatchPolicy(sizes=(1, 2, 4), deadline_s=0.1, capacity=8))
    now, given_out, dropped = 0.0, [], []
    for index, (channel, pause) in enumerate(arrivals):
        now += pause
        gone = queue.put(window(channel, index), now)
        dropped += [] if gone is None else [gone]
        if index % 3 == 0:
            given_out += queue.take(now)
    now += 0.1
    while batch := queue.take(now):
        assert len(batch) in (1, 2, 4)
        given_out += batch
    assert len(queue) == 0
    assert sorted(w.index for w in given_out + dropped) == list(range(len(arrivals)))
    assert Counter(w.channel for w in dropped) == queue.dropped
    for channel in "abc":
        order = [w.index for w in given_out if w.channel == channel]
        assert order == sorted(order)
