"""Windows of many channels do not all end in the same moment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.channel import Channel
from asdstream.audio.phase import samples_to_phase, spread_phases
from asdstream.audio.window import Window

BLOCK = 1_600


def heard(channel: Channel, seconds: int, start: float, block: int = BLOCK, first: Break | None = None) -> list[Window]:
    """The windows of so many seconds of silence, in blocks that arrive when they end."""
    windows = []
    for end in range(block, seconds * 16_000 + 1, block):
        now = start + end / 16_000
        silence = np.zeros((block, 1), np.float32)
        windows += channel.feed(AudioBlock(silence, 16_000, first if end == block else None), now, 1e9 + now)
    return windows


def test_phases_are_spread_over_the_hop() -> None:
    assert spread_phases(2.0, 4) == [0.0, 0.5, 1.0, 1.5]
    assert spread_phases(1.0, 1) == [0.0]


@given(
    heard=st.floats(0.0, 1e6),
    phase=st.floats(0.0, 1.0),
    hop=st.sampled_from([160, 8_000, 16_000, 16_001, 160_000]),
    block=st.integers(1, 200_000),
)
def test_the_next_window_comes_within_a_hop_and_at_the_end_of_a_block(
    heard: float, phase: float, hop: int, block: int
) -> None:
    samples = samples_to_phase(heard, phase * hop / 16_000, hop, block)
    assert 0 < samples <= hop
    assert samples == hop or samples % 160 == 0, "frames are shared with the window before"


def test_channels_that_begin_together_end_their_windows_at_moments_of_their_own() -> None:
    channels = [Channel(f"c{i}", 1.0, phase_s=phase) for i, phase in enumerate(spread_phases(1.0, 5))]
    windows = [heard(channel, 14, start=100.0) for channel in channels]
    assert {of_channel[0].captured for of_channel in windows} == {110.0}, "the first window is not kept back"
    for of_channel, phase in zip(windows, (0.0, 0.2, 0.4, 0.6, 0.8), strict=True):
        ends = np.array([window.captured for window in of_channel[1:]])
        np.testing.assert_allclose((ends - phase + 0.5) % 1.0, 0.5, atol=1e-6)
        np.testing.assert_allclose(np.diff(ends), 1.0)
        assert 0.0 < ends[0] - 110.0 <= 1.0


def test_after_a_gap_the_windows_end_where_they_did_before_it() -> None:
    channel = Channel("a", 1.0, phase_s=0.5)
    before = heard(channel, 12, start=100.0)
    after = heard(channel, 13, start=200.7, first=Break.GAP)
    assert [round(window.captured % 1.0, 3) for window in before] == [0.0, 0.5, 0.5]
    assert [round(window.captured % 1.0, 3) for window in after] == [0.7, 0.5, 0.5, 0.5]
    assert [window.index for window in before + after] == list(range(7))


@pytest.mark.parametrize("block", [16_000, 160_000])
def test_sound_that_comes_in_long_blocks_is_not_kept_waiting_for_the_rest_of_one(block: int) -> None:
    windows = heard(Channel("a", 1.0, phase_s=0.5), 20, start=100.0, block=block)
    assert [window.start for window in windows] == list(range(0, 160_001, 16_000))
