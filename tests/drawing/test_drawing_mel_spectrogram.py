"""The spectrogram that people are shown."""

import numpy as np
import pytest

from asdstream.drawing.mel_spectrogram import FLOOR_DB, MelSpectrogram, mel_spectrogram

RATE = 16_000
BANDS, MOST_COLUMNS = 64, 256


def spectrogram(samples: np.ndarray, bands: int = BANDS) -> MelSpectrogram:
    return mel_spectrogram(samples, RATE, bands, MOST_COLUMNS)


def test_a_sine_of_full_scale_stands_at_0_db_in_its_band_and_nowhere_else() -> None:
    times = np.arange(4 * RATE) / RATE
    shown = spectrogram(np.sin(2 * np.pi * 1000.0 * times).astype(np.float32))
    assert shown.mel.shape == (BANDS, len(shown.times_s))
    assert len(shown.times_s) <= MOST_COLUMNS
    loudest = int(shown.mel.mean(axis=1).argmax())
    assert abs(shown.hz[loudest] - 1000.0) < 60.0
    assert shown.mel[loudest].mean() == pytest.approx(0.0, abs=3.0)
    assert shown.mel[:, 10][np.abs(shown.hz - 1000.0) > 400.0].max() < -40.0


def test_a_sound_that_begins_later_begins_later_in_the_picture() -> None:
    samples = np.zeros(20 * RATE, dtype=np.float32)
    samples[12 * RATE :] = 0.1 * np.random.default_rng(0).standard_normal(8 * RATE)
    shown = spectrogram(samples)
    loud = shown.times_s[shown.mel.mean(axis=0) > -60.0]
    assert loud[0] == pytest.approx(12.0, abs=0.2)
    assert shown.times_s[-1] == pytest.approx(20.0, abs=0.2)
    assert len(shown.times_s) <= MOST_COLUMNS


def test_the_difference_is_against_what_is_usual_in_the_other() -> None:
    quiet = 0.01 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    beep = quiet + 0.1 * np.sin(2 * np.pi * 3500.0 * np.arange(4 * RATE) / RATE).astype(np.float32)
    above = spectrogram(beep).above(spectrogram(quiet))
    changed = above.hz[above.mel.mean(axis=1) > 10.0]
    assert changed.min() > 3200.0
    assert changed.max() < 3800.0
    assert abs(float(np.median(above.mel))) < 3.0


@pytest.mark.parametrize("samples", [np.zeros(100, np.float32), np.zeros((2, RATE), np.float32)])
def test_what_cannot_be_drawn_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a spectrogram takes at least 1024 samples"):
        spectrogram(samples)


def test_bands_that_are_narrower_than_the_resolution_are_not_empty() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)
    shown = spectrogram(noise, bands=128)
    assert shown.mel.min() > FLOOR_DB + 30.0


def test_ten_minutes_have_no_more_columns_than_one() -> None:
    long = np.zeros(600 * RATE, dtype=np.float32)
    long[300 * RATE : 301 * RATE] = 0.5
    shown = mel_spectrogram(long, RATE, 32, 100)
    assert shown.mel.shape == (32, 100)
    loudest = shown.times_s[shown.mel.mean(axis=0).argmax()]
    assert loudest == pytest.approx(300.0, abs=6.0)
