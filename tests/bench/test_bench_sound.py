"""Sound of many channels for measurements."""

import numpy as np
import pytest

from asdstream.audio.window import WINDOW_SAMPLES
from asdstream.bench.sound import LOOP_S, ChannelSound


def test_a_channel_goes_on_by_one_hop_from_window_to_window_even_across_the_end_of_the_loop() -> None:
    sound = ChannelSound(3, hop_s=0.5)
    for channel in range(3):
        before = sound.window(channel, 0, captured=0.0)
        for index in range(1, round(2 * LOOP_S / 0.5)):
            window = sound.window(channel, index, captured=0.5 * index)
            assert window.samples.shape == (WINDOW_SAMPLES,)
            assert window.start - before.start == 8_000
            np.testing.assert_array_equal(window.samples[:-8_000], before.samples[8_000:])
            before = window


def test_channels_hear_different_things_and_the_same_seed_the_same() -> None:
    sound = ChannelSound(20, hop_s=1.0)
    windows = sound.round(0, captured=0.0)
    assert [window.channel for window in windows] == list(sound.names)
    assert len({window.samples[:100].tobytes() for window in windows}) == 20
    again = ChannelSound(20, hop_s=1.0).window(7, 0, captured=0.0)
    np.testing.assert_array_equal(again.samples, windows[7].samples)
    assert not np.array_equal(ChannelSound(20, 1.0, seed=1).window(7, 0, 0.0).samples, windows[7].samples)


def test_windows_are_views_that_nobody_can_write_to() -> None:
    sound = ChannelSound(2, 1.0)
    first, second = sound.window(0, 0, 0.0), sound.window(0, 1, 0.0)
    assert np.shares_memory(first.samples[16_000:], second.samples)
    with pytest.raises(ValueError, match="read-only"):
        first.samples[0] = 1.0


def test_the_loop_has_no_click_where_it_is_joined() -> None:
    sound = ChannelSound(1, 1.0)
    around = sound.window(0, round(LOOP_S) - 5, 0.0).samples.astype(np.float64)
    steps = np.abs(np.diff(around))
    join = 5 * 16_000
    assert steps[join - 50 : join + 50].max() <= steps.max()
    assert steps[join - 1] <= np.quantile(steps, 0.999)


@pytest.mark.parametrize(("channels", "hop_s"), [(0, 1.0), (1, 0.0)])
def test_nothing_to_hear_is_refused(channels: int, hop_s: float) -> None:
    with pytest.raises(ValueError, match="at least"):
        ChannelSound(channels, hop_s)
