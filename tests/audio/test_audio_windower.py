import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdstream.audio.ring import Ring
from asdstream.audio.windower import Windower, hop_samples, windows_of


@given(capacity=st.integers(1, 20), pieces=st.lists(st.integers(0, 30), max_size=12), count=st.integers(0, 20))
def test_a_ring_holds_the_newest_samples(capacity: int, pieces: list[int], count: int) -> None:
    ring = Ring(capacity)
    stream = np.arange(sum(pieces), dtype=np.float32)
    for piece in np.split(stream, np.cumsum(pieces)[:-1]) if pieces else []:
        ring.append(piece)
    count = min(count, capacity, len(stream))
    assert np.array_equal(ring.last(count), stream[len(stream) - count :])
    assert ring.total == len(stream)


def test_a_ring_does_not_give_what_it_does_not_hold() -> None:
    ring = Ring(4)
    ring.append(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="holds 2"):
        ring.last(3)


@given(
    window=st.integers(1, 20),
    hop=st.integers(1, 30),
    pieces=st.lists(st.integers(0, 25), min_size=1, max_size=12),
)
def test_windows_are_the_same_however_the_stream_is_cut(window: int, hop: int, pieces: list[int]) -> None:
    stream = np.arange(sum(pieces), dtype=np.float32)
    windower = Windower(window, hop)
    found = [pair for piece in np.split(stream, np.cumsum(pieces)[:-1]) for pair in windower.push(piece)]
    ends = list(range(window, len(stream) + 1, hop))
    assert [end for end, _ in found] == ends
    assert all(np.array_equal(samples, stream[end - window : end]) for end, samples in found)


def test_no_window_spans_a_reset() -> None:
    windower = Windower(4, 2)
    assert list(windower.push(np.zeros(3, np.float32))) == []
    windower.reset()
    assert [end for end, _ in windower.push(np.ones(5, np.float32))] == [4]


def test_a_clip_of_12_s_has_three_windows_a_second_apart() -> None:
    clip = np.arange(192_000, dtype=np.float32)
    windows = windows_of(clip, 1.0)
    assert windows.shape == (3, 160_000)
    assert [int(window[0]) for window in windows] == [0, 16_000, 32_000]


def test_a_clip_shorter_than_a_window_is_padded_with_silence() -> None:
    windows = windows_of(np.ones(100, np.float32), 1.0)
    assert windows.shape == (1, 160_000)
    assert windows.sum() == 100


def test_a_clip_without_a_sample_has_no_windows() -> None:
    with pytest.raises(ValueError, match="without a sample"):
        windows_of(np.zeros(0, np.float32), 1.0)


@pytest.mark.parametrize("hop_s", [0.0, -1.0, 1e-6])
def test_a_hop_must_be_a_sample_at_least(hop_s: float) -> None:
    with pytest.raises(ValueError, match="hop"):
        hop_samples(hop_s)


def test_the_next_window_can_be_moved_and_those_after_it_follow_by_hops() -> None:
    windower = Windower(window=10, hop=4)
    ends = []
    for end, _ in windower.push(np.zeros(24, np.float32)):
        ends.append(end)
        if end == 10:
            windower.next_after(3)
    assert ends == [10, 13, 17, 21]
    with pytest.raises(ValueError, match="at least one sample later, not 0"):
        windower.next_after(0)
