"""What stands around the machine, who else makes noise, and through what it is heard."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.simulator.background import background_voices, backgrounds
from asdstream.audio.simulator.chunk import Chunk, Motion
from asdstream.audio.simulator.elsewhere import Elsewhere
from asdstream.audio.simulator.enclosure import enclosure
from asdstream.audio.simulator.friction import Uneven
from asdstream.audio.simulator.microphone import RANDOM, microphone_kind, microphone_response
from asdstream.audio.simulator.mixer import Mixer
from asdstream.audio.simulator.pulse import PulseTrain
from asdstream.audio.simulator.shaft import Rotation, harmonics
from asdstream.audio.simulator.tune import Beeps, Tune

RATE = 16_000
SINE = harmonics(np.random.default_rng(0), 1, 1.0, 10.0)


def render(name: str, identity: int, shaft_hz: float = 25.0, seconds: int = 6) -> NDArray[np.float32]:
    mixer = Mixer(background_voices(name, identity, RATE), np.array([1.0]), RATE)
    chunks = [Chunk(index, 7, RATE, Motion(shaft_hz)) for index in range(seconds)]
    return np.concatenate([mixer.render(chunk)[:RATE] for chunk in chunks])


@pytest.mark.parametrize("name", [name for name in backgrounds() if name != "none"])
def test_the_background_does_not_run_with_the_machine(name: str) -> None:
    np.testing.assert_array_equal(render(name, 3, 25.0, 2), render(name, 3, 40.0, 2))


def test_responses_leave_room_for_a_late_pulse_within_two_seconds() -> None:
    longest = max(
        len(voice.response)
        for name in backgrounds()
        for identity in range(4)
        for voice in background_voices(name, identity, RATE)
        if voice.response is not None
    )
    assert longest + len(microphone_response("flat", RATE)) < 0.75 * RATE


def test_another_shaft_turns_at_its_own_speed() -> None:
    train = Elsewhere(PulseTrain("test", 1.0, 7.0, scatter=0.0), "there", Motion(7.0))
    sums = [train(Chunk(index, 0, RATE, Motion(90.0), calm=True)).sum() for index in range(5)]
    assert np.array(sums) / np.sqrt(RATE / 7.0) == pytest.approx([7.0] * 5)


def test_syllables_modulate_what_is_spoken_and_keep_its_power() -> None:
    tone = Rotation(SINE)
    spoken = Uneven(tone, "test", 5, 9.0)
    chunks = [Chunk(index, 0, RATE, Motion(200.0), calm=True) for index in range(60)]
    sound = np.concatenate([spoken(chunk) for chunk in chunks])
    levels = np.sqrt(np.mean(sound.reshape(-1, 800) ** 2, axis=1))
    assert 0.4 < np.mean(sound**2) < 1.6
    assert np.quantile(levels, 0.9) > 4.0 * np.quantile(levels, 0.1)
    np.testing.assert_array_equal(tone(chunks[0]), Rotation(SINE)(chunks[0]))


def test_a_tune_has_notes_and_unit_power() -> None:
    tune = Tune("test", SINE, 220.0, 4)
    sound = np.concatenate([tune(Chunk(index, 2, RATE, Motion(10.0))) for index in range(40)])
    assert 0.5 < np.mean(sound**2) < 2.0
    loudest = {int(np.abs(np.fft.rfft(note)).argmax()) * 4 for note in sound.reshape(-1, 4_000)}
    assert len(loudest) > 4
    assert not sound[:: RATE // 4].any()


def test_beeps_sound_for_a_part_of_every_period() -> None:
    beeps = Beeps("test", SINE, 1_000.0, 0.5, 0.2, 1.0)
    sound = beeps(Chunk(3, 2, RATE, Motion(10.0)))
    assert np.abs(sound[: int(0.19 * RATE)]).max() > 1.0
    assert not sound[int(0.21 * RATE) : RATE // 2].any()
    never = Beeps("test", SINE, 1_000.0, 0.5, 0.2, 0.0)
    assert not never(Chunk(3, 2, RATE, Motion(10.0))).any()


def test_random_microphones_differ_by_identity_within_their_limits() -> None:
    kinds = [microphone_kind(RANDOM, identity) for identity in range(20)]
    assert len(set(kinds)) == 20
    middle = np.array([[level for hertz, level in kind.response_db if 100 < hertz < 9_000] for kind in kinds])
    assert np.abs(middle).max() <= 8.0
    assert np.std(middle) > 2.0
    assert microphone_kind(RANDOM, 3) == kinds[3]


def test_enclosures_keep_the_power_and_fall_as_asked() -> None:
    dull, bright = (
        np.mean(
            [
                np.abs(np.fft.rfft(enclosure(np.random.default_rng(n), (fall, fall), RATE), RATE)) ** 2
                for n in range(20)
            ],
            axis=0,
        )
        for fall in (6.0, 0.0)
    )
    assert dull.mean() == pytest.approx(1.0, rel=0.01)
    assert dull[5_000:7_000].sum() < 0.1 * bright[5_000:7_000].sum()
