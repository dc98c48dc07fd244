import numpy as np
import pytest

from asdstream.audio.quality import Quality, QualityMeter


def quality_of(samples: np.ndarray) -> Quality:
    meter = QualityMeter()
    meter.add(samples.astype(np.float32), len(samples))
    assert meter.latest is not None
    return meter.latest


SINE = np.sin(2 * np.pi * 100 * np.arange(16_000) / 16_000)[:, None]


def test_a_full_scale_sine_is_3_db_below_full_scale() -> None:
    assert quality_of(SINE).level_dbfs == pytest.approx(-3.01, abs=0.01)


def test_direct_current_is_told_apart_from_the_level() -> None:
    quality = quality_of(0.1 * SINE + 0.25)
    assert quality.level_dbfs == pytest.approx(-23.01, abs=0.01)
    assert quality.dc_offset == pytest.approx(0.25, abs=1e-4)
    assert not quality.silent


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_an_input_that_never_moves_is_silent_even_with_direct_current(value: float) -> None:
    assert quality_of(np.full((16_000, 2), value)).silent


def test_sound_of_one_bit_in_24_is_silent_and_of_two_bits_in_16_is_not() -> None:
    square = np.where(np.arange(16_000) % 2, 1.0, -1.0)[:, None]
    assert quality_of(square * 2.0**-23).silent
    assert not quality_of(square * 2.0**-14).silent


def test_clipping_is_the_share_of_samples_at_full_scale() -> None:
    clipped = np.clip(SINE * 1.5, -1.0, 1.0)
    assert quality_of(clipped).clipped == pytest.approx(np.mean(np.abs(clipped) >= 0.99))
    assert quality_of(SINE * 0.9).clipped == 0.0


def test_a_quality_is_of_the_last_whole_second() -> None:
    meter = QualityMeter()
    meter.add(np.zeros((15_999, 1), np.float32), 16_000)
    assert meter.latest is None
    meter.add(np.zeros((1, 1), np.float32), 16_000)
    assert meter.latest is not None
    assert meter.latest.silent
