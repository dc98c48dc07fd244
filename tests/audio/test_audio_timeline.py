import random

import pytest

from asdstream.audio.timeline import Timeline

EPOCH = 1_800_000_000.0


def test_times_are_counted_from_the_first_block() -> None:
    timeline = Timeline()
    timeline.arrived(0.1, now=5.0, utc=EPOCH)
    timeline.arrived(0.2, now=5.1, utc=EPOCH + 0.1)
    assert timeline.utc_at(0.2) == pytest.approx(EPOCH + 0.1)
    assert timeline.utc_at(0.0) == pytest.approx(EPOCH - 0.1)


def test_before_any_sound_there_is_no_time() -> None:
    with pytest.raises(ValueError, match="no sound"):
        Timeline().utc_at(0.0)


@pytest.mark.parametrize("parts_per_million", [-300.0, -50.0, 0.0, 50.0, 300.0])
def test_a_day_of_a_drifting_sound_card_stays_within_50_ms(parts_per_million: float) -> None:
    """Delivery is late by 10 to 60 ms at random; the card's seconds are not UTC's."""
    timeline = Timeline()
    rng = random.Random(7)
    worst = 0.0
    for tick in range(1, 86_400):
        heard = float(tick)
        arrived = heard + rng.uniform(0.01, 0.06)
        count = heard * (1.0 + parts_per_million * 1e-6)
        timeline.arrived(count, now=arrived, utc=EPOCH + arrived)
        if tick > 120:
            worst = max(worst, abs(timeline.utc_at(count) - (EPOCH + heard)))
    assert worst < 0.05


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0])
def test_when_the_clock_is_set_the_times_follow_at_once(step: float) -> None:
    timeline = Timeline()
    for tick in range(1, 10):
        timeline.arrived(float(tick), now=float(tick), utc=EPOCH + tick)
    timeline.arrived(10.0, now=10.0, utc=EPOCH + 10.0 + step)
    assert timeline.utc_at(10.0) == pytest.approx(EPOCH + 10.0 + step)
    assert timeline.corrections == 1


def test_one_late_block_moves_nothing() -> None:
    timeline = Timeline()
    for tick in range(1, 200):
        late = 4.0 if tick % 50 == 10 else 0.0
        timeline.arrived(float(tick), now=tick + late, utc=EPOCH + tick + late)
        assert timeline.utc_at(float(tick)) == pytest.approx(EPOCH + tick)
    assert timeline.corrections == 0


def test_sound_is_never_dated_after_its_arrival() -> None:
    """Ten times faster than real time, as a replay into MQTT may be."""
    timeline = Timeline()
    for tick in range(1, 100):
        timeline.arrived(float(tick), now=tick / 10, utc=EPOCH + tick / 10)
        assert timeline.utc_at(float(tick)) <= EPOCH + tick / 10 + 1e-6


def test_after_a_break_the_time_is_that_of_arrival() -> None:
    timeline = Timeline()
    timeline.arrived(1.0, now=1.0, utc=EPOCH)
    timeline.restart()
    timeline.arrived(0.5, now=101.0, utc=EPOCH + 100.0)
    assert timeline.utc_at(0.5) == pytest.approx(EPOCH + 100.0)


def test_what_is_not_paced_is_counted_on_across_recordings_whatever_the_clock_says() -> None:
    timeline = Timeline(paced=False)
    timeline.arrived(12.0, now=0.01, utc=EPOCH)
    timeline.arrived(24.0, now=0.02, utc=EPOCH + 0.01)
    timeline.restart()
    timeline.arrived(1.0, now=0.03, utc=EPOCH + 0.02)
    assert timeline.utc_at(1.0) == pytest.approx(EPOCH - 12.0 + 24.0 + 1.0)
    assert timeline.corrections == 0


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0])
def test_the_monotonic_time_of_a_sample_does_not_jump_with_the_clock(step: float) -> None:
    timeline = Timeline()
    for tick in range(1, 20):
        timeline.arrived(float(tick), now=100.0 + tick, utc=EPOCH + tick + step * (tick >= 10))
        assert timeline.monotonic_at(float(tick)) == pytest.approx(100.0 + tick)
    assert timeline.utc_at(19.0) == pytest.approx(EPOCH + 19.0 + step)


def test_of_what_is_not_paced_the_monotonic_time_is_counted_on() -> None:
    timeline = Timeline(paced=False)
    timeline.arrived(12.0, now=5.0, utc=EPOCH)
    timeline.restart()
    timeline.arrived(1.0, now=5.1, utc=EPOCH - 3600.0)
    assert timeline.monotonic_at(1.0) == pytest.approx(5.0 + 1.0)
