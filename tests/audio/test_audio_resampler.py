import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.block import AudioBlock
from asdstream.audio.resampler import Resampler, downmix, resample_clip


def tone(hertz: float, sample_rate: int, seconds: float) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * sample_rate)) / sample_rate).astype(np.float32)


def test_sound_at_16_khz_mono_passes_bit_for_bit() -> None:
    samples = np.random.default_rng(0).standard_normal((5000, 1)).astype(np.float32)
    assert np.array_equal(Resampler(16_000).process(samples), samples[:, 0])


@pytest.mark.parametrize("channels", [1, 2, 5, 16])
def test_channels_are_mixed_to_their_mean(channels: int) -> None:
    samples = np.random.default_rng(1).standard_normal((1000, channels)).astype(np.float32)
    np.testing.assert_allclose(downmix(samples), samples.mean(axis=1), atol=1e-6)


def test_one_channel_can_be_picked_instead() -> None:
    samples = np.random.default_rng(1).standard_normal((1000, 3)).astype(np.float32)
    assert np.array_equal(downmix(samples, 2), samples[:, 2])


def test_a_recording_shorter_than_one_sample_at_16_khz_is_one_sample() -> None:
    assert resample_clip(AudioBlock(np.full((1, 1), 0.1, np.float32), 48_000)).shape == (1,)


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_a_tone_keeps_its_pitch_level_and_time_at_every_rate(sample_rate: int) -> None:
    clip = resample_clip(AudioBlock(tone(1000.0, sample_rate, 1.0)[:, None], sample_rate))
    assert len(clip) == 16_000
    middle = slice(1000, 15_000)  # the ends ring, as they must for a tone that begins at once
    np.testing.assert_allclose(clip[middle], tone(1000.0, 16_000, 1.0)[middle], atol=2e-3)


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 48_000])
def test_the_size_of_the_blocks_makes_no_difference(sample_rate: int) -> None:
    samples = np.random.default_rng(2).standard_normal((sample_rate, 1)).astype(np.float32)
    whole = resample_clip(AudioBlock(samples, sample_rate))
    resampler = Resampler(sample_rate)
    cuts = np.sort(np.random.default_rng(3).integers(0, len(samples), 40))
    pieces = [resampler.process(piece) for piece in np.split(samples, cuts)] + [resampler.flush()]
    np.testing.assert_allclose(np.concatenate(pieces)[: len(whole)], whole, atol=1e-6)


def test_after_a_flush_nothing_of_the_old_sound_is_left() -> None:
    resampler = Resampler(48_000)
    resampler.process(np.ones((48_000, 1), np.float32))
    resampler.flush()
    fresh = np.concatenate([resampler.process(np.zeros((48_000, 1), np.float32)), resampler.flush()])
    assert len(fresh) == pytest.approx(16_000, abs=1)
    assert not fresh.any()


@pytest.mark.parametrize("sample_rate", [0, 4_000, 400_000])
def test_a_rate_outside_8_to_192_khz_is_refused(sample_rate: int) -> None:
    with pytest.raises(ValueError, match="8000 to 192000 Hz"):
        Resampler(sample_rate)
