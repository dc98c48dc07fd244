"""Axes: where numbers lie and which are marked."""

import math

import pytest

from asdstream.drawing.scale import Scale, decade_ticks, mel_shape, round_ticks, time_ticks


def test_numbers_lie_between_the_ends_and_what_is_outside_at_the_nearer_one() -> None:
    scale = Scale(0.0, 10.0, 200, 100)
    assert [scale.at(value) for value in (-1.0, 0.0, 2.5, 10.0, 11.0)] == [200, 200, 175, 100, 100]
    assert Scale(1.0, 100.0, 0, 10, math.log10).at(10.0) == 5
    assert Scale(20.0, 8_000.0, 0, 100, mel_shape).at(1_800.0) == pytest.approx(50, abs=2)


@pytest.mark.parametrize(
    ("seconds", "names"),
    [
        (3.0, ["0 s", "1 s", "2 s", "3 s"]),
        (0.03, ["0 s"]),
        (60.0, ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s"]),
        (150.0, ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30"]),
        (3_600.0, ["0:00:00", "0:10:00", "0:20:00", "0:30:00", "0:40:00", "0:50:00", "1:00:00"]),
        (200_000.0, ["0:00:00", "10:00:00", "20:00:00", "30:00:00", "40:00:00", "50:00:00"]),
    ],
)
def test_moments_are_marked_at_steps_that_a_clock_has(seconds: float, names: list[str]) -> None:
    assert [name for _, name in time_ticks(seconds, 6)] == names


@pytest.mark.parametrize(
    ("low", "high", "names"),
    [
        (0.0, 0.026, ["0.00", "0.01", "0.02"]),
        (0.0, 1.0, ["0.0", "0.5", "1.0"]),
        (0.0, 12.96, ["0", "5", "10"]),
        (-0.5, 1.0, ["-0.5", "0.0", "0.5", "1.0"]),
        (0.0, 1_100.0, ["0", "500", "1000"]),
    ],
)
def test_round_numbers_are_marked(low: float, high: float, names: list[str]) -> None:
    assert [name for _, name in round_ticks(low, high, 4)] == names


def test_a_logarithmic_axis_is_marked_at_1_2_and_5() -> None:
    assert [name for _, name in decade_ticks(0.1, 20.0)] == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]
