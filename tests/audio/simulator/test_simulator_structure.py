"""Resonances, rooms, microphones, strokes and impacts by themselves."""

import numpy as np
import pytest

from asdstream.audio.simulator.chunk import Chunk, Motion
from asdstream.audio.simulator.cycle import Travel, TravelPulses, burst, stroke
from asdstream.audio.simulator.electric import Hum, hum_table
from asdstream.audio.simulator.microphone import microphone_kind, microphone_response, microphones
from asdstream.audio.simulator.mixer import Mixer
from asdstream.audio.simulator.pulse import PulseTrain, RandomPulses
from asdstream.audio.simulator.resonance import Modes, ring
from asdstream.audio.simulator.room import room_response, rooms
from asdstream.audio.simulator.shaft import harmonics
from asdstream.audio.simulator.spectrum import minimum_phase
from asdstream.audio.simulator.voice import Voice

RATE = 16_000


def calm(hertz: float, index: int = 0) -> Chunk:
    return Chunk(index, 0, RATE, Motion(hertz), calm=True)


def test_a_mode_rings_at_its_frequency_and_dies_at_its_damping() -> None:
    response = ring(Modes(np.array([1_000.0]), np.array([0.01]), np.array([1.0])), RATE)
    spectrum = np.abs(np.fft.rfft(response, 1 << 16))
    assert np.argmax(spectrum) * RATE / (1 << 16) == pytest.approx(1_000.0, abs=5.0)
    # exp(-zeta w t): the energy of the second 10 ms over that of the first.
    first, second = response[:160], response[160:320]
    expected = np.exp(-2.0 * 0.01 * 2.0 * np.pi * 1_000.0 * 0.01)
    assert np.sum(second**2) / np.sum(first**2) == pytest.approx(expected, rel=0.02)
    assert np.sum(response**2) == pytest.approx(1.0)


def test_a_filter_has_the_magnitude_asked_for_and_no_delay() -> None:
    response = minimum_phase([(50.0, 0.0), (500.0, 0.0), (2_000.0, -12.0), (8_000.0, -24.0)], RATE)
    magnitude = 20.0 * np.log10(np.abs(np.fft.rfft(response, RATE)))
    assert magnitude[300] == pytest.approx(0.0, abs=0.7)
    assert magnitude[2_000] == pytest.approx(-12.0, abs=0.7)
    assert magnitude[6_000] == pytest.approx(-21.5, abs=1.0)
    assert np.sum(response[:80] ** 2) > 0.95 * np.sum(response**2)


@pytest.mark.parametrize("name", microphones())
def test_a_microphone_has_the_response_of_its_data_sheet(name: str) -> None:
    magnitude = 20.0 * np.log10(np.abs(np.fft.rfft(microphone_response(name, RATE), RATE)))
    for hertz, decibels in microphone_kind(name, 0).response_db:
        if 100 <= hertz < 7_500:
            assert magnitude[int(hertz)] == pytest.approx(decibels, abs=1.5)


def test_a_longer_reverberation_is_a_longer_response() -> None:
    def late(name: str) -> float:
        response = np.mean([room_response(name, identity, RATE) ** 2 for identity in range(8)], axis=0)
        return float(response[RATE // 10 :].sum())

    assert late("free") == 0.0
    assert late("free") < late("cabin") < late("workshop")
    for name in rooms():
        assert np.sum(room_response(name, 0, RATE) ** 2) == pytest.approx(1.0)
        assert np.argmax(np.abs(room_response(name, 0, RATE))) < 5


def test_pulses_come_at_their_rate_over_chunks() -> None:
    train = PulseTrain("test", ratio=3.57, rated_hz=3.57 * 29.0, scatter=0.0)
    counts = [np.sum(train(calm(29.0, index)) > 0.0) for index in range(10)]
    # Each impulse is shared between two samples.
    assert sum(counts) / 2.0 / 10.0 == pytest.approx(3.57 * 29.0, rel=0.02)


def test_pulses_have_unit_power() -> None:
    for excitation in (PulseTrain("test", 3.3, 3.3 * 29.0, scatter=0.1), RandomPulses("test", 200.0, scatter=0.3)):
        response = ring(Modes(np.array([500.0]), np.array([0.05]), np.array([1.0])), RATE)
        mixer = Mixer([Voice(excitation, 0.0, response)], np.array([1.0]), RATE)
        power = np.mean([np.sum(mixer.render(calm(29.0, index)).astype(np.float64) ** 2) for index in range(8)]) / RATE
        assert 10.0 * np.log10(power) == pytest.approx(0.0, abs=1.2)


def test_a_stroke_goes_forth_rests_and_comes_back() -> None:
    motion = stroke(0.3)
    size = len(motion.position) - 1
    assert motion.position[0] == 0.0
    assert motion.position[int(0.4 * size)] == pytest.approx(1.0)
    assert motion.position[int(0.9 * size)] == pytest.approx(0.0)
    assert motion.speed[int(0.4 * size)] == 0.0
    assert motion.speed[int(0.15 * size)] > 1.0


def test_a_carriage_at_rest_is_silent_and_screeches_highest_in_the_middle() -> None:
    screw = Travel(harmonics(np.random.default_rng(0), 1, 1.0, 10.0), stroke(0.3), periods=100.0)
    sound = screw(calm(1.0))
    rest = sound[int(0.35 * RATE) : int(0.45 * RATE)]
    assert np.abs(rest).max() == 0.0
    crossings = np.flatnonzero(np.diff(np.signbit(sound)))
    middle = np.sum((crossings > 0.14 * RATE) & (crossings < 0.16 * RATE))
    begin = np.sum((crossings > 0.03 * RATE) & (crossings < 0.05 * RATE))
    assert middle > 2 * begin


def test_a_bad_roller_ticks_at_places_not_at_times() -> None:
    ticks = TravelPulses("test", stroke(0.3), periods=20.0, cycle_hz=1.0)(calm(1.0))
    assert np.count_nonzero(ticks[: RATE // 2]) in range(18, 43)
    assert not ticks[int(0.35 * RATE) : int(0.45 * RATE)].any()


def test_air_flows_while_the_valve_is_open_only() -> None:
    envelope = burst(opens=0.1, closes=0.5, rise=0.01, decay=0.1)
    size = len(envelope) - 1
    assert not envelope[: int(0.1 * size)].any()
    assert not envelope[int(0.51 * size) :].any()
    assert envelope[int(0.12 * size)] > envelope[int(0.4 * size)] > 0.0


def test_hum_is_strongest_at_twice_the_line_frequency() -> None:
    amplitude = np.abs(np.fft.rfft(Hum(hum_table(np.random.default_rng(3)), 50.0)(calm(20.0))))
    lines = {hertz: amplitude[hertz] for hertz in range(50, 1_001, 50)}
    assert max(lines, key=lambda hertz: lines[hertz]) in {100, 200}
    assert amplitude.sum() == pytest.approx(sum(lines.values()), rel=0.05)
