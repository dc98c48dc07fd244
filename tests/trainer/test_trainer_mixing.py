"""Noise under a clip: the ratio is the one asked for, and the draw is the generator's alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trainer.mixing import NoiseAugmentation, mix_at_snr, random_stretch
from trainer.sound import Recording
from trainer.waveforms import Waveforms


def noise_like(seed: int, samples: int, level: float = 0.1) -> NDArray[np.float32]:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def measured_snr_db(mixed: NDArray[np.float32], sound: NDArray[np.float32]) -> float:
    difference = mixed.astype(np.float64) - sound
    return float(10.0 * np.log10(np.mean(np.square(sound, dtype=np.float64)) / np.mean(np.square(difference))))


def waveforms(folder: Path, *sounds: NDArray[np.float32]) -> Waveforms:
    recordings = [
        Recording(f"noise {place}", str(len(sound)), len(sound) / 16_000, lambda sound=sound: sound)  # type: ignore[misc]
        for place, sound in enumerate(sounds)
    ]
    made = Waveforms(recordings, folder, 1 << 30)
    made.fill()
    return made


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0])
@pytest.mark.parametrize("samples", [600, 16_000, 160_000, 192_001])
@pytest.mark.parametrize("level", [1e-3, 0.3])
def test_the_ratio_of_the_mixture_is_the_one_asked_for(snr_db: float, samples: int, level: float) -> None:
    sound = noise_like(1, samples, level)
    mixed = mix_at_snr(sound, noise_like(2, samples, 0.02), snr_db)
    assert mixed.dtype == np.float32
    assert measured_snr_db(mixed, sound) == pytest.approx(snr_db, abs=1e-4)


def test_a_mixture_beyond_full_scale_is_not_limited() -> None:
    sound = np.full(16_000, 0.9, dtype=np.float32)
    mixed = mix_at_snr(sound, noise_like(1, 16_000), -5.0)
    assert np.abs(mixed).max() > 1.0
    assert measured_snr_db(mixed, sound) == pytest.approx(-5.0, abs=1e-4)


def test_with_silence_on_either_side_the_sound_stays_as_it_is() -> None:
    sound, silence = noise_like(1, 800), np.zeros(800, dtype=np.float32)
    np.testing.assert_array_equal(mix_at_snr(sound, silence, 0.0), sound)
    np.testing.assert_array_equal(mix_at_snr(silence, sound, 0.0), silence)


def test_sound_and_noise_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        mix_at_snr(noise_like(1, 800), noise_like(2, 801), 0.0)


def test_noise_shorter_than_the_clip_is_repeated_from_a_random_moment_on(tmp_path: Path) -> None:
    noise = waveforms(tmp_path, noise_like(1, 1_000))
    one_turn = noise.samples(0, 0, 1_000)
    first, second = random_stretch(noise, 3_500, generator(1)), random_stretch(noise, 3_500, generator(2))
    for stretch in (first, second):
        np.testing.assert_array_equal(stretch[:2_500], stretch[1_000:])
        np.testing.assert_array_equal(np.sort(stretch[:1_000]), np.sort(one_turn))
    assert not np.array_equal(first, second)


def test_a_stretch_of_longer_noise_never_passes_its_end(tmp_path: Path) -> None:
    ramp = np.linspace(0.1, 1.0, 1_003, dtype=np.float32)
    noise = waveforms(tmp_path, ramp)
    stretches = [random_stretch(noise, 1_000, generator(seed)) for seed in range(40)]
    assert {round(float((stretch[0] - 0.1) * 1_002 / 0.9)) for stretch in stretches} == {0, 1, 2, 3}
    assert all(stretch.min() > 0.09 for stretch in stretches)


def test_an_augmented_clip_has_a_ratio_within_the_range_and_depends_on_the_generator_alone(tmp_path: Path) -> None:
    augmentation = NoiseAugmentation(waveforms(tmp_path, noise_like(1, 40_000), noise_like(2, 8_000)), (-5.0, 10.0))
    sound = noise_like(3, 16_000)
    ratios = [measured_snr_db(augmentation(sound, generator(seed)), sound) for seed in range(60)]
    assert min(ratios) == pytest.approx(-5.0, abs=1.5)
    assert max(ratios) == pytest.approx(10.0, abs=1.5)
    assert min(ratios) >= -5.0001
    assert max(ratios) <= 10.0001
    np.testing.assert_array_equal(augmentation(sound, generator(7)), augmentation(sound, generator(7)))


def test_the_probability_is_the_share_of_clips_that_are_changed(tmp_path: Path) -> None:
    noise = waveforms(tmp_path, noise_like(1, 16_000))
    sound = noise_like(2, 1_000)
    never, sometimes = NoiseAugmentation(noise, probability=0.0), NoiseAugmentation(noise, probability=0.3)
    assert all(never(sound, generator(seed)) is sound for seed in range(20))
    changed = sum(sometimes(sound, generator(seed)) is not sound for seed in range(300))
    assert changed == pytest.approx(90, abs=25)


def test_a_change_of_level_keeps_within_its_range_and_needs_no_noise() -> None:
    augmentation = NoiseAugmentation(None, gain_db=(-10.0, 5.0))
    sound = noise_like(2, 1_000)
    gains = [float((augmentation(sound, generator(seed)) / sound).mean()) for seed in range(200)]
    decibels = 20.0 * np.log10(gains)
    assert decibels.min() == pytest.approx(-10.0, abs=0.5)
    assert decibels.max() == pytest.approx(5.0, abs=0.5)
    assert -10.001 <= decibels.min() <= decibels.max() <= 5.001
