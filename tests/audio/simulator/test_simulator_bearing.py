"""Bearings: defect frequencies from the geometry, and defects that can be found by them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.simulator import Fault, MachineSpec, Simulator
from asdstream.audio.simulator.bearing import BearingGeometry
from asdstream.audio.simulator.machine import design

RATE = 16_000


def envelope_spectrum(sound: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hilbert envelope of the band above 1.2 kHz, where housings ring, as an amplitude spectrum."""
    size = len(sound)
    spectrum = np.fft.fft(sound.astype(np.float64))
    hertz = np.fft.fftfreq(size, 1.0 / RATE)
    spectrum[(hertz < 1_200.0) | (hertz > 7_500.0)] = 0.0
    envelope = np.abs(2.0 * np.fft.ifft(spectrum))
    envelope -= envelope.mean()
    return np.fft.rfftfreq(size, 1.0 / RATE), np.abs(np.fft.rfft(envelope * np.hanning(size)))


def strongest(sound: NDArray[np.float32], low_hz: float, high_hz: float) -> float:
    hertz, amplitude = envelope_spectrum(sound)
    band = (hertz > low_hz) & (hertz < high_hz)
    return float(hertz[band][np.argmax(amplitude[band])])


def test_defect_frequencies_of_a_known_bearing() -> None:
    # SKF 6205-2RS as in the Case Western Reserve University bearing data: 9 balls, 7.94 mm on 39.04 mm.
    geometry = BearingGeometry(balls=9, ball_to_pitch=7.94 / 39.04, contact_deg=0.0)
    assert geometry.bpfo == pytest.approx(3.5848, abs=0.002)
    assert geometry.bpfi == pytest.approx(5.4152, abs=0.002)
    assert 2.0 * geometry.bsf == pytest.approx(4.7135, abs=0.003)
    assert geometry.ftf == pytest.approx(0.39828, abs=0.0005)
    assert geometry.bpfo + geometry.bpfi == pytest.approx(geometry.balls)


@pytest.mark.parametrize("identity", [0, 1, 2])
def test_the_envelope_of_an_outer_race_fault_peaks_at_the_bpfo(identity: int) -> None:
    spec = MachineSpec("bearing", identity, snr_db=25.0, room="free")
    machine = design("bearing", identity)
    assert machine.bearing is not None
    bpfo = machine.bearing.bpfo * machine.rated_rpm / 60.0
    sound = Simulator(spec, 5).render(8.0, Fault("outer_race", 1.0))
    assert strongest(sound, 0.6 * bpfo, 1.5 * bpfo) == pytest.approx(bpfo, rel=0.03)


def test_an_inner_race_fault_is_modulated_by_the_shaft() -> None:
    spec = MachineSpec("bearing", 1, snr_db=40.0, room="free")
    machine = design("bearing", 1)
    assert machine.bearing is not None
    shaft = machine.rated_rpm / 60.0
    bpfi = machine.bearing.bpfi * shaft
    fault = Simulator(spec, 5).render_parts(8.0, Fault("inner_race", 1.0)).fault
    assert strongest(fault, 0.8 * bpfi, 1.2 * bpfi) == pytest.approx(bpfi, rel=0.03)
    hertz, amplitude = envelope_spectrum(fault)
    for side in (bpfi - shaft, bpfi + shaft):
        near = np.abs(hertz - side) < 0.03 * side
        between = (np.abs(hertz - side) > 0.25 * shaft) & (np.abs(hertz - side) < 0.4 * shaft)
        assert amplitude[near].max() > 3.0 * np.median(amplitude[between])


def test_a_healthy_bearing_shows_no_line_at_the_bpfo() -> None:
    spec = MachineSpec("bearing", 0, room="free")
    machine = design("bearing", 0)
    assert machine.bearing is not None
    bpfo = machine.bearing.bpfo * machine.rated_rpm / 60.0
    healthy = Simulator(spec, 5).render(8.0)
    broken = Simulator(spec, 5).render(8.0, Fault("outer_race", 1.0))

    def prominence(sound: NDArray[np.float32]) -> float:
        hertz, amplitude = envelope_spectrum(sound)
        line = np.abs(hertz - bpfo) < 0.02 * bpfo
        around = np.abs(hertz - bpfo) < 0.2 * bpfo
        return float(amplitude[line].max() / np.median(amplitude[around]))

    assert prominence(broken) > 3.0 * prominence(healthy)
