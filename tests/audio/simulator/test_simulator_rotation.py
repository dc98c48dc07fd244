"""What turns: harmonics of the shaft, blade pass, gear mesh with side bands, and speed that wanders."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.simulator import Fault, MachineSpec, Simulator
from asdstream.audio.simulator.chunk import Chunk, Motion
from asdstream.audio.simulator.gear import GearPair, mesh
from asdstream.audio.simulator.machine import design
from asdstream.audio.simulator.shaft import Rotation, blade_pass, harmonics, periodic, read_table

RATE = 16_000


def spectrum_of_one_turn(table: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.abs(np.fft.rfft(table[:-1])) * 2.0 / (len(table) - 1)


def test_a_table_holds_the_orders_asked_for_at_unit_rms() -> None:
    table = periodic(np.array([1, 7]), np.array([3.0, 4.0]), np.array([0.0, 1.0]))
    orders = spectrum_of_one_turn(table)
    assert orders[1] / orders[7] == pytest.approx(0.75, rel=1e-4)
    assert np.sqrt(np.mean(table[:-1].astype(np.float64) ** 2)) == pytest.approx(1.0, rel=1e-5)
    assert np.delete(orders, [1, 7]).max() < 1e-5


def test_a_table_is_read_periodically() -> None:
    table = periodic(np.array([1]), np.array([1.0]), np.array([0.0]))
    at = np.linspace(-2.0, 2.0, 101)
    np.testing.assert_allclose(read_table(table, at), np.sqrt(2.0) * np.cos(2.0 * np.pi * at), atol=1e-5)


def test_gear_mesh_has_side_bands_at_shaft_spacing() -> None:
    orders = spectrum_of_one_turn(mesh(np.random.default_rng(0), 21, side_bands=0.3, below_order=400.0))
    for harmonic in (21, 42):
        assert orders[harmonic] > max(orders[harmonic - 1], orders[harmonic + 1])
        assert orders[harmonic - 1] > 0.1 * orders[harmonic]
        assert orders[harmonic + 1] > 0.1 * orders[harmonic]
    assert orders[10] < 1e-5


def test_the_mesh_frequency_and_its_side_bands_stand_in_the_sound_of_a_gearbox() -> None:
    machine = design("gearbox", 0)
    assert machine.gear is not None
    calm = Chunk(3, 0, RATE, Motion(hertz=machine.rated_rpm / 60.0), calm=True)
    table = mesh(np.random.default_rng(1), machine.gear.pinion, 0.3, 1e3)
    sound = Rotation(table)(calm)
    amplitude = np.abs(np.fft.rfft(sound * np.hanning(RATE)))
    pinion_hz = machine.rated_rpm / 60.0
    mesh_hz = machine.gear.mesh_hz(pinion_hz)
    for line in (mesh_hz, mesh_hz - pinion_hz, mesh_hz + pinion_hz):
        at = round(line)
        assert amplitude[at - 1 : at + 2].max() > 20.0 * amplitude[at + 4 : at + 7].max()


def test_the_wheel_meshes_with_the_pinion() -> None:
    pair = GearPair(pinion=20, wheel=50)
    assert pair.wheel * pair.wheel_ratio == pytest.approx(pair.pinion)
    assert pair.mesh_hz(25.0) == 500.0


def test_blades_pass_at_their_number_times_the_speed() -> None:
    orders = spectrum_of_one_turn(blade_pass(np.random.default_rng(0), blades=7, below_order=300.0))
    assert int(np.argmax(orders)) in {7, 14}
    assert orders[8] < 0.2 * orders[7]


def test_nothing_is_made_above_half_the_sampling_rate() -> None:
    orders = spectrum_of_one_turn(harmonics(np.random.default_rng(0), 40, 0.95, below_order=12.0))
    assert orders[12:].max() < 1e-6
    assert orders[11] > 1e-3


def test_imbalance_stands_at_the_running_speed() -> None:
    spec = MachineSpec("fan", 1, room="free")
    fault = Simulator(spec, 2).render_parts(8.0, Fault("imbalance", 1.0)).fault
    amplitude = np.abs(np.fft.rfft(fault * np.hanning(len(fault))))
    hertz = np.fft.rfftfreq(len(fault), 1.0 / RATE)
    assert hertz[np.argmax(amplitude)] == pytest.approx(design("fan", 1).rated_rpm / 60.0, rel=0.02)


def test_imbalance_grows_with_the_square_of_the_speed() -> None:
    slow = Rotation(harmonics(np.random.default_rng(0), 5, 0.5, 100.0), speed_power=2.0)
    at_rated = slow(Chunk(0, 0, RATE, Motion(20.0, ratio=1.0), calm=True))
    at_double = slow(Chunk(0, 0, RATE, Motion(40.0, ratio=2.0), calm=True))
    assert np.std(at_double) / np.std(at_rated) == pytest.approx(4.0, rel=0.01)


def test_phase_is_the_integral_of_the_speed_and_runs_on_over_chunks() -> None:
    motion = Motion(hertz=30.0, slip=0.05, speed_depth=0.01, load_depth=0.1)
    first, second = (Chunk(index, 7, RATE, motion) for index in (40, 41))
    assert first.turns()[-1] == second.turns()[0]
    assert first.speed()[-1] == second.speed()[0]
    step = first.knots[1] - first.knots[0]
    integrated = 30.0 * np.sum((first.speed()[1:] + first.speed()[:-1]) / 2.0) * step
    assert first.turns()[-1] - first.turns()[0] == pytest.approx(integrated, rel=1e-6)


def test_more_load_slows_an_induction_motor_down() -> None:
    chunk = Chunk(5, 3, RATE, Motion(hertz=30.0, slip=0.1, load_depth=0.2))
    assert np.corrcoef(chunk.speed(), chunk.load())[0, 1] < -0.99


def test_a_healthy_machine_is_not_stationary_but_keeps_its_bounds() -> None:
    motion = Motion(hertz=30.0, speed_depth=0.01)
    speeds = np.concatenate([Chunk(index, 1, RATE, motion).speed() for index in range(0, 600, 3)])
    assert np.std(speeds) == pytest.approx(0.01, rel=0.3)
    assert np.abs(speeds - 1.0).max() < 0.05
