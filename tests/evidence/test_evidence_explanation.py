"""What is said of a sound that is unlike normal sound, where the difference is known."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.evidence.bands import EDGES_HZ, band_levels
from asdstream.evidence.evidence import BandChange, Evidence, NearestNormal
from asdstream.evidence.explanation import NormalSound, explain
from asdstream.evidence.repetition import repetition_hz
from asdstream.evidence.sentence import sentence

NEAREST = NearestNormal("source/3", "prototype", 0.1)
RATE = 16_000


def noise(seed: int, seconds: float = 10.0) -> NDArray[np.float32]:
    samples = 0.02 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return samples.astype(np.float32)


def band(samples: NDArray[np.float32], low_hz: float, high_hz: float, gain: float) -> NDArray[np.float32]:
    """The same, times `gain` between two frequencies."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1.0 / RATE)
    spectrum[(hertz >= low_hz) & (hertz < high_hz)] *= gain
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def knocks(per_second: float, low_hz: float, high_hz: float) -> NDArray[np.float32]:
    t = np.arange(10 * RATE) / RATE
    return band(noise(9), low_hz, high_hz, 4.0) * np.exp(-40.0 * (t % (1.0 / per_second))).astype(np.float32)


def why(heard: NDArray[np.float32]) -> Evidence:
    return explain(heard, NormalSound("reference/1", noise(1)), NEAREST)


def test_knocking_in_a_band_is_named_with_the_band_and_how_often_it_knocks() -> None:
    only = knocks(14.0, 3_200.0, 3_800.0)
    heard = noise(2) + 2.0 * (only - band(only, 3_200.0, 3_800.0, 0.0))
    evidence = why(heard)
    change = evidence.bands[0]
    assert change.low_hz < 3_500.0 < change.high_hz
    assert change.change_db > 3.0
    assert evidence.repetition_hz == pytest.approx(14.0, rel=0.02)
    assert evidence.sentence.startswith("new energy around 2.8-")
    assert evidence.sentence.endswith(", 14 times a second")
    assert (evidence.nearest, evidence.compared_with) == (NEAREST, "reference/1")


def test_what_is_missing_is_named_as_less_energy() -> None:
    evidence = why(band(noise(2), 0.0, 224.0, 0.1))
    assert [one.change_db < -15.0 for one in evidence.bands] == [True]
    assert evidence.sentence.startswith("less energy below 2")
    assert evidence.repetition_hz is None


def test_normal_sound_and_normal_sound_that_is_a_little_louder_stand_out_nowhere() -> None:
    for gain in (1.0, 0.75, 1.3):
        evidence = why(noise(2) * np.float32(gain))
        assert evidence.bands == ()
        assert evidence.sentence == "no range of frequencies stands out against normal sound"


def test_another_gain_is_no_change_of_a_band() -> None:
    evidence = why(band(noise(2), 1_000.0, 1_500.0, 4.0) * np.float32(10.0))
    assert [one.low_hz < 1_200.0 < one.high_hz for one in evidence.bands] == [True]
    assert evidence.bands[0].change_db == pytest.approx(12.0, abs=1.0)
    assert evidence.sentence.endswith("20 dB louder as a whole")


def test_a_change_in_more_than_half_of_the_bands_leaves_the_others_as_they_are() -> None:
    evidence = why(band(noise(2), 500.0, 8_000.0, 3.0))
    assert all(one.change_db > 0.0 for one in evidence.bands)
    assert evidence.bands[0].low_hz == pytest.approx(500.0, rel=0.2)


def test_without_normal_sound_it_says_so_and_claims_nothing() -> None:
    evidence = explain(noise(1), None, NEAREST)
    assert (evidence.bands, evidence.repetition_hz, evidence.compared_with) == ((), None, None)
    assert "no normal sound" in evidence.sentence


def test_digital_silence_is_less_energy_and_no_error() -> None:
    evidence = why(np.zeros(10 * RATE, np.float32))
    assert all(one.change_db < 0.0 for one in evidence.bands)
    assert repetition_hz(np.zeros(10 * RATE, np.float32), 100.0, 8_000.0) is None


@pytest.mark.parametrize("per_second", [0.8, 3.0, 25.0, 60.0])
def test_the_rate_of_knocks_is_found_and_steady_noise_has_none(per_second: float) -> None:
    heard = knocks(per_second, 2_000.0, 4_000.0)
    assert repetition_hz(heard, 2_000.0, 4_000.0) == pytest.approx(per_second, rel=0.02)
    assert repetition_hz(noise(3), 2_000.0, 4_000.0) is None


def test_the_bands_follow_one_another_and_a_sine_has_its_level_in_one_of_them() -> None:
    assert all(low < high for low, high in pairwise(EDGES_HZ))
    t = np.arange(RATE) / RATE
    levels = band_levels((0.1 * np.sin(2 * np.pi * 1_000.0 * t)).astype(np.float32)).mean(axis=0)
    loudest = int(np.argmax(levels))
    assert EDGES_HZ[loudest] < 1_000.0 < EDGES_HZ[loudest + 1]
    assert levels[loudest] == pytest.approx(-23.0, abs=0.2)


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "where"),
    [
        (45.0, 224.0, "below 224 Hz"),
        (4_467.0, 8_000.0, "above 4.5 kHz"),
        (45.0, 8_000.0, "at all frequencies"),
        (178.0, 447.0, "around 178-447 Hz"),
        (708.0, 1_413.0, "around 708 Hz to 1.4 kHz"),
    ],
)
def test_frequencies_are_told_as_people_tell_them(low_hz: float, high_hz: float, where: str) -> None:
    told = sentence([BandChange(low_hz, high_hz, -6.0)], 2.5, 0.0)
    assert told == f"less energy {where} (-6 dB), 2.5 times a second"
