"""The faults of small drives change the rate and the band that they should."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.simulator.chunk import Chunk, Motion
from asdstream.audio.simulator.drive_faults import (
    bent_shaft,
    blockage,
    commutator_sparks,
    flat_spot,
    foreign_object,
    lost_steps,
    worn_teeth,
)
from asdstream.audio.simulator.fault_sounds import FaultSound
from asdstream.audio.simulator.mixer import Mixer

RATE = 16_000
SECONDS = 16


def heard(fault: FaultSound, hertz: float, ratio: float = 1.0) -> NDArray[np.float64]:
    """16 s of a fault on a machine that turns `hertz` times a second, `ratio` times its rated speed."""
    mixer = Mixer(fault.voices, np.array([1.0]), RATE)
    chunks = [Chunk(index, 1, RATE, Motion(hertz, ratio), calm=True) for index in range(SECONDS)]
    return np.concatenate([mixer.render(chunk)[:RATE] for chunk in chunks]).astype(np.float64)


def share_above(sound: NDArray[np.float64], hertz: float) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(power[round(hertz * SECONDS) :].sum() / power.sum())


def rhythm(sound: NDArray[np.float64], hertz: float) -> float:
    """How far the envelope at `hertz` stands over its surroundings from half to one and a half of it."""
    envelope = np.abs(np.fft.rfft(np.sqrt(np.mean(sound.reshape(-1, 16) ** 2, axis=1))))
    line = round(hertz * SECONDS)
    around = np.median(envelope[line // 2 : line + line // 2])
    return float(envelope[line - 1 : line + 2].max() / around)


@pytest.mark.parametrize("hertz", [9.0, 14.0])
@pytest.mark.parametrize("fault", [bent_shaft, flat_spot])
def test_what_is_out_of_round_is_heard_once_a_turn(fault: object, hertz: float) -> None:
    sound = fault(np.random.default_rng(0), hertz, RATE)  # type: ignore[operator]
    assert rhythm(heard(sound, hertz), hertz) > 10.0


def test_a_shaft_behind_a_gear_is_heard_at_its_own_speed() -> None:
    sound = heard(bent_shaft(np.random.default_rng(2), 50.0, RATE, shaft_ratio=0.2), 50.0)
    assert rhythm(sound, 10.0) > 10.0


def test_a_fault_follows_the_speed_and_grows_with_it() -> None:
    fault = bent_shaft(np.random.default_rng(0), 10.0, RATE)
    slow, fast = heard(fault, 10.0), heard(fault, 15.0, ratio=1.5)
    assert rhythm(fast, 15.0) > 10.0
    assert np.std(fast) > 1.3 * np.std(slow)


def test_worn_teeth_land_each_turn_alike() -> None:
    sound = heard(worn_teeth(np.random.default_rng(1), 20, 12.0, RATE), 12.0)
    turns = np.sqrt(np.mean(sound[: 12 * 1_333 * 12].reshape(-1, 1_333, order="C") ** 2, axis=0))
    assert rhythm(sound, 12.0) > 5.0
    # Good teeth pass quietly between the bad ones.
    assert turns.max() > 1.5 * turns.min()


def test_sparks_crackle_high_up() -> None:
    sound = heard(commutator_sparks(np.random.default_rng(0), 6, RATE), 100.0)
    assert share_above(sound, 2_000.0) > 0.85
    blocks = np.sqrt(np.mean(sound.reshape(-1, 64) ** 2, axis=1))
    assert blocks.max() > 4.0 * np.median(blocks)


def test_a_foreign_object_clatters_irregularly_about_once_a_turn() -> None:
    sound = heard(foreign_object(np.random.default_rng(0), 4.0, RATE), 4.0)
    blocks = np.sqrt(np.mean(sound.reshape(-1, 160) ** 2, axis=1))
    assert blocks.max() > 5.0 * np.median(blocks)
    assert share_above(sound, 700.0) > 0.7


def test_a_blockage_surges_below_and_whistles_above() -> None:
    sound = heard(blockage(np.random.default_rng(0), 300.0, RATE), 300.0)
    assert 0.2 < share_above(sound, 800.0) < 0.8


def test_lost_steps_are_knocks_several_times_a_turn() -> None:
    sound = heard(lost_steps(np.random.default_rng(0), 50, 3.0, RATE), 3.0)
    blocks = np.sqrt(np.mean(sound.reshape(-1, 160) ** 2, axis=1))
    assert blocks.max() > 3.0 * np.median(blocks)
