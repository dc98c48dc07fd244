import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.block import AudioBlock, Break
from asdstream.audio.channel import Channel
from asdstream.audio.window import Window

EPOCH = 1_800_000_000.0


def noise(seconds: float, sample_rate: int = 16_000, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    frames = round(seconds * sample_rate)
    return (0.1 * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


def feed(channel: Channel, samples: NDArray[np.float32], sample_rate: int = 16_000, start: float = 0.0) -> list[Window]:
    """Feed in blocks of a tenth of a second at the pace of real time."""
    size = sample_rate // 10
    windows = []
    for position in range(0, len(samples), size):
        piece = samples[position : position + size]
        now = start + (position + len(piece)) / sample_rate
        windows += channel.feed(AudioBlock(piece, sample_rate), now, EPOCH + now)
    return windows


def test_windows_come_every_hop_once_the_first_ten_seconds_are_there() -> None:
    sound = noise(13.0)
    channel = Channel("press-1", hop_s=1.0)
    windows = feed(channel, sound)
    assert [window.index for window in windows] == [0, 1, 2, 3]
    for number, window in enumerate(windows):
        assert window.channel == "press-1"
        assert np.array_equal(window.samples, sound[number * 16_000 : number * 16_000 + 160_000, 0])
        assert window.ended_at == pytest.approx(EPOCH + 10.0 + number, abs=1e-5)
        assert window.ended_at - window.started_at == pytest.approx(10.0, abs=1e-5)
        assert window.captured == pytest.approx(10.0 + number)


def test_a_window_can_neither_be_written_nor_change_later() -> None:
    channel = Channel("a", hop_s=1.0)
    (window,) = feed(channel, noise(10.0))
    before = window.samples.copy()
    feed(channel, noise(15.0, seed=1), start=10.0)
    assert np.array_equal(window.samples, before)
    with pytest.raises(ValueError, match="read-only"):
        window.samples[0] = 1.0


@pytest.mark.parametrize(("sample_rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 16), (192_000, 1)])
def test_any_rate_and_channel_count_gives_the_same_windows(sample_rate: int, channels: int) -> None:
    windows = feed(Channel("a", hop_s=0.5, window_s=1.0), noise(3.2, sample_rate, channels), sample_rate)
    assert len(windows) == 5
    assert {window.samples.shape for window in windows} == {(16_000,)}
    assert np.diff([window.ended_at for window in windows]) == pytest.approx(0.5, abs=1e-5)
    assert windows[0].ended_at == pytest.approx(EPOCH + 1.0, abs=1e-3)


def test_a_gap_resets_the_window_and_is_counted() -> None:
    channel = Channel("a", hop_s=1.0, window_s=2.0)
    feed(channel, noise(1.5))
    block = AudioBlock(noise(1.9), 16_000, Break.GAP)
    assert channel.feed(block, 103.4, EPOCH + 103.4) == []
    assert channel.stats.gaps == 1
    (window,) = feed(channel, noise(0.1), start=103.4)
    assert window.ended_at == pytest.approx(EPOCH + 103.5)


def place(windows: list[Window]) -> list[tuple[int, int]]:
    return [(window.run, window.start) for window in windows]


def test_windows_know_where_in_their_run_of_sound_they_begin() -> None:
    channel = Channel("a", hop_s=0.5, window_s=1.0)
    assert place(feed(channel, noise(2.2))) == [(0, 0), (0, 8_000), (0, 16_000)]
    assert place(feed(channel, noise(0.4), start=2.2)) == [(0, 24_000)]


@pytest.mark.parametrize("kind", [Break.GAP, Break.RECORDING])
def test_a_break_begins_a_new_run(kind: Break) -> None:
    channel = Channel("a", hop_s=0.5, window_s=1.0)
    feed(channel, noise(1.2))
    assert channel.feed(AudioBlock(noise(0.4), 16_000, kind), 5.0, EPOCH) == []
    assert place(channel.feed(AudioBlock(noise(1.2), 16_000, kind), 7.0, EPOCH)) == [(2, 0)]


def test_a_damaged_sample_and_a_change_of_format_begin_a_new_run() -> None:
    sound = noise(2.4)
    sound[18_000] = np.nan
    channel = Channel("a", hop_s=0.5, window_s=1.0)
    assert place(feed(channel, sound)) == [(0, 0), (1, 0)]
    assert place(feed(channel, noise(1.2, 48_000), 48_000)) == [(2, 0)]


def test_windows_that_the_resampler_held_back_belong_to_the_run_that_ends() -> None:
    channel = Channel("a", hop_s=1.0, window_s=1.0, paced=False)
    block = AudioBlock(noise(3.0, 44_100), 44_100, Break.RECORDING)
    assert place(channel.feed(block, 0.0, EPOCH)) == [(0, 0), (0, 16_000)]
    assert place(channel.feed(block, 0.0, EPOCH)) == [(0, 32_000), (1, 0), (1, 16_000)]
    assert place(channel.finish(0.0)) == [(1, 32_000)]


def test_a_new_recording_resets_the_window_without_counting_a_gap() -> None:
    channel = Channel("a", hop_s=1.0, window_s=2.0)
    feed(channel, noise(1.9))
    assert channel.feed(AudioBlock(noise(1.9), 16_000, Break.RECORDING), 4.0, EPOCH) == []
    assert (channel.stats.gaps, channel.stats.recordings) == (0, 1)


def test_the_end_of_a_recording_completes_the_windows_that_the_resampler_held_back() -> None:
    channel = Channel("a", hop_s=1.0, window_s=1.0, paced=False)
    block = AudioBlock(noise(3.0, 44_100), 44_100, Break.RECORDING)
    assert len(channel.feed(block, 0.0, EPOCH)) == 2
    assert len(channel.feed(block, 0.0, EPOCH)) == 3
    assert len(channel.finish(0.0)) == 1


def test_a_change_of_format_within_the_stream_is_a_gap() -> None:
    channel = Channel("a", hop_s=1.0, window_s=1.0)
    feed(channel, noise(0.9))
    assert feed(channel, noise(0.9, 48_000), 48_000) == []
    assert feed(channel, noise(0.9, 48_000, 2), 48_000) == []
    assert channel.stats.gaps == 2


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf, 3e38])
def test_a_sample_that_is_no_number_is_a_gap_and_reaches_no_window(damage: float) -> None:
    sound = noise(5.0, 44_100, 2)
    sound[70_000, 1] = damage
    channel = Channel("a", hop_s=0.5, window_s=1.0)
    windows = feed(channel, sound, 44_100)
    assert channel.stats.nan_samples == 1
    assert channel.stats.gaps == 1
    assert windows
    assert all(np.abs(window.samples).max() < 1.0 for window in windows)
    at = EPOCH + 70_000 / 44_100
    assert not any(window.started_at < at < window.ended_at for window in windows)


def test_a_stretch_of_damage_over_many_blocks_is_one_gap() -> None:
    sound = noise(3.0)
    sound[16_050:32_010] = np.nan
    channel = Channel("a", hop_s=0.5, window_s=0.5)
    windows = feed(channel, sound)
    assert channel.stats.nan_samples == 15_960
    assert channel.stats.gaps == 1
    assert len(windows) == 3


def test_level_silence_and_clipping_are_known() -> None:
    channel = Channel("a", hop_s=1.0)
    assert channel.stats.level_dbfs is None
    feed(channel, noise(1.0))
    assert channel.stats.level_dbfs == pytest.approx(-20.0, abs=0.3)
    assert not channel.stats.silent
    feed(channel, np.zeros((16_000, 1), np.float32), start=1.0)
    assert channel.stats.silent
    feed(channel, np.ones((16_000, 1), np.float32), start=2.0)
    assert channel.stats.clipped == 1.0
    assert channel.stats.clipped_samples == 16_000
    assert channel.stats.last_sound == pytest.approx(3.0)
    assert channel.stats.samples == 48_000


def test_one_channel_of_a_source_can_be_picked_and_its_absence_is_a_gap() -> None:
    sound = noise(1.0, channels=2)
    channel = Channel("a", hop_s=1.0, window_s=1.0, pick=1)
    (window,) = channel.feed(AudioBlock(sound, 16_000), 1.0, EPOCH)
    assert np.array_equal(window.samples, sound[:, 1])
    assert channel.feed(AudioBlock(noise(1.0), 16_000), 2.0, EPOCH + 1.0) == []
    assert channel.stats.gaps == 1


def test_an_empty_block_is_harmless() -> None:
    channel = Channel("a", hop_s=1.0)
    assert channel.feed(AudioBlock(np.zeros((0, 2), np.float32), 48_000), 1.0, EPOCH) == []
    assert channel.finish(1.0) == []
    assert channel.stats.last_sound is None


def test_memory_does_not_grow_with_time() -> None:
    import tracemalloc

    channel = Channel("a", hop_s=0.5, window_s=1.0)
    block = AudioBlock(noise(0.1, 48_000), 48_000)
    for tick in range(200):
        channel.feed(block, tick / 10, EPOCH + tick / 10)
    tracemalloc.start()
    for tick in range(200, 3000):
        channel.feed(block, tick / 10, EPOCH + tick / 10)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 200_000
