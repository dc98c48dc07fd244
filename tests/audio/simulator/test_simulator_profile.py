"""Machines that start, stop and change speed, and noise whose level is noise."""

from itertools import pairwise

import numpy as np
import pytest

from asdstream.audio.simulator.chunk import Chunk, Motion
from asdstream.audio.simulator.friction import Friction, grains
from asdstream.audio.simulator.profile import changing_speed, run_and_stop, speed_profile
from asdstream.audio.simulator.pulse import PulseTrain

RATE = 16_000
START_STOP = speed_profile(10.0, [(0.0, 0.0), (2.0, 0.0), (3.0, 1.0), (8.0, 1.0)])


def test_a_profile_passes_through_its_points_and_repeats() -> None:
    speed = START_STOP.speed(np.array([1.0, 2.5, 5.0, 9.0, 11.0, -5.0]))
    np.testing.assert_allclose(speed, [0.0, 0.5, 1.0, 0.5, 0.0, 1.0], atol=1e-3)


def test_what_was_travelled_is_the_integral_of_the_speed() -> None:
    seconds = np.linspace(-12.0, 25.0, 370_001)
    expected = np.concatenate([[0.0], np.cumsum(START_STOP.speed(seconds)[:-1]) * 1e-4])
    travelled = START_STOP.run_s(seconds)
    np.testing.assert_allclose(travelled - travelled[0], expected, atol=1e-3)
    # 5 s at full speed, half of the second it takes to start, half of the two it takes to stop.
    assert START_STOP.run_s(np.array([10.0]))[0] == pytest.approx(6.5, abs=1e-3)


def test_a_machine_at_rest_makes_no_pulses_and_starting_ones_come_closer() -> None:
    motion = Motion(50.0, profile=START_STOP)
    train = PulseTrain("test", 1.0, 50.0, offset=0.5, scatter=0.0)
    one = np.sqrt(RATE / 50.0)
    counts = [train(Chunk(index, 0, RATE, motion, calm=True)).sum() / one for index in range(10)]
    assert counts[:2] == [0.0, 0.0]
    assert counts[2] == pytest.approx(25.0, abs=1.0)
    assert counts[3:8] == pytest.approx([50.0] * 5, abs=1.0)


def test_turns_go_on_across_seconds_and_every_recording_begins_elsewhere_in_its_profile() -> None:
    motion = Motion(80.0, speed_depth=0.01, flutter_depth=0.02, load_depth=0.1, slip=0.1, profile=START_STOP)
    chunks = [Chunk(index, 4, RATE, motion) for index in range(12)]
    for one, two in pairwise(chunks):
        assert one.turns()[-1] == two.turns()[0]
        assert np.diff(one.turns()).min() >= 0.0
    assert not np.allclose(Chunk(0, 5, RATE, motion).speed(), chunks[0].speed())


def test_uneven_running_is_faster_than_the_wander_of_the_speed() -> None:
    def speeds(**depth: float) -> np.ndarray:
        chunks = [Chunk(index, 2, RATE, Motion(100.0, **depth)) for index in range(20)]  # type: ignore[arg-type]
        return np.concatenate([chunk.speed()[:-1] for chunk in chunks])

    slow, fast = speeds(speed_depth=0.02), speeds(flutter_depth=0.02)
    assert np.std(fast) == pytest.approx(0.02, rel=0.3)
    assert np.abs(np.diff(fast)).mean() > 10.0 * np.abs(np.diff(slow)).mean()


@pytest.mark.parametrize("seed", range(4))
def test_drawn_profiles_reach_full_speed_and_keep_within_their_limits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stopping = run_and_stop(rng, (5.0, 9.0), (1.0, 2.0))
    assert stopping.speeds.min() == 0.0
    assert stopping.speeds.max() == 1.0
    assert 0.0 < stopping.travelled[-1] < stopping.period_s
    changing = changing_speed(rng, 4, (1.0, 2.0), 0.6, 0.4)
    assert changing.speeds.min() >= 0.6
    assert changing.speeds.max() == 1.0


def test_friction_has_unit_power_comes_and_goes_and_joins_over_seconds() -> None:
    chunks = [Chunk(index, 3, RATE, Motion(30.0), calm=True) for index in range(20)]
    rough = Friction("test", depth_db=6.0, speed_power=0.0, load_power=0.0)
    sound = np.concatenate([rough(chunk) for chunk in chunks])
    assert 10.0 * np.log10(np.mean(sound**2)) == pytest.approx(0.0, abs=0.8)
    smooth = Friction("test", depth_db=0.0, speed_power=0.0)
    level = np.std([np.sum(block**2) for block in sound.reshape(-1, 64)])
    assert level > 3.0 * np.std([np.sum(block**2) for block in smooth(chunks[0]).reshape(-1, 64)])
    levels = [grains(chunk, "test", 250, 6.0) for chunk in chunks]
    for one, two in pairwise(levels):
        assert abs(two[0] - one[-1]) <= 1.01 * abs(one[-1] - one[-2])
