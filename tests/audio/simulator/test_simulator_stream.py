"""A recording is the same whichever way it is read, and the fault is all that a fault changes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asdstream.audio.simulator import (
    Fault,
    FaultSchedule,
    MachineSpec,
    Simulator,
    backgrounds,
    faults_of,
    machine_types,
    microphones,
    rooms,
)
from asdstream.audio.simulator.fault import FAULTS
from asdstream.audio.source import AudioError

RATE = 16_000


def level_db(sound: NDArray[np.float32]) -> float:
    return float(10.0 * np.log10(np.mean(sound.astype(np.float64) ** 2)))


@pytest.mark.parametrize("machine_type", machine_types())
def test_the_same_seed_gives_the_same_bytes(machine_type: str) -> None:
    spec = MachineSpec(machine_type, 3)
    assert Simulator(spec, 4).render(2.5).tobytes() == Simulator(spec, 4).render(2.5).tobytes()


def test_another_seed_gives_other_noise() -> None:
    one, two = (Simulator(MachineSpec("fan"), seed).render(2.0) for seed in (1, 2))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.5
    assert level_db(one) == pytest.approx(level_db(two), abs=3.0)


def test_another_identity_is_another_machine() -> None:
    def shape(identity: int) -> NDArray[np.float64]:
        sound = Simulator(MachineSpec("pump", identity), 1).render(4.0)
        bands = np.abs(np.fft.rfft(sound)).reshape(-1)[:-1].reshape(64, -1)
        return np.log(np.sqrt(np.mean(bands**2, axis=1)))

    assert np.abs(shape(0) - shape(1)).mean() > 0.3


@pytest.mark.parametrize("machine_type", machine_types())
def test_blocks_of_any_size_give_the_sound_of_one_long_render(machine_type: str) -> None:
    schedule = FaultSchedule(faults_of(machine_type)[0], start_s=1.3, ramp_s=1.0)
    simulator = Simulator(MachineSpec(machine_type, 1), 6)
    whole = simulator.render(3.7, schedule)
    stream = simulator.stream(schedule)
    sizes = [1, 160, 7_777, 16_000, 3, 24_000]
    sizes.append(len(whole) - sum(sizes))
    blocks = [stream.read(size) for size in sizes]
    assert np.concatenate(blocks).tobytes() == whole.tobytes()


@pytest.mark.parametrize("start_s", [1.0, 2.345, 3600.0])
def test_any_stretch_can_be_rendered_without_what_came_before(start_s: float) -> None:
    simulator = Simulator(MachineSpec("gearbox", 2), 9)
    stream = simulator.stream(None, max(0.0, start_s - 2.2))
    lead = round(start_s * RATE) - round(max(0.0, start_s - 2.2) * RATE)
    continued = stream.read(lead + RATE)[lead:]
    assert simulator.render(1.0, start_s=start_s).tobytes() == continued.tobytes()


def test_chunks_join_without_a_seam() -> None:
    parts = Simulator(MachineSpec("gearbox", 0, room="hall"), 3).render_parts(6.0)
    steps = np.abs(np.diff(parts.machine))
    at_seams = steps[RATE - 1 :: RATE]
    assert at_seams.max() < np.quantile(steps, 0.9999)


@pytest.mark.parametrize("machine_type", machine_types())
def test_a_fault_changes_nothing_before_it_starts_and_much_after(machine_type: str) -> None:
    simulator = Simulator(MachineSpec(machine_type, 1), 3)
    healthy = simulator.render(4.0)
    for kind in faults_of(machine_type):
        broken = simulator.render(4.0, FaultSchedule(kind, start_s=1.37, ramp_s=0.5))
        start = int(1.37 * RATE)
        assert broken[:start].tobytes() == healthy[:start].tobytes()
        added = broken[start + RATE :] - healthy[start + RATE :]
        assert level_db(added) > level_db(healthy) - 15.0


def test_a_fault_of_severity_nothing_changes_nothing() -> None:
    simulator = Simulator(MachineSpec("pump"), 3)
    assert simulator.render(2.0, Fault("cavitation", 0.0)).tobytes() == simulator.render(2.0).tobytes()


def test_the_amplitude_of_a_fault_grows_with_the_square_of_its_severity() -> None:
    simulator = Simulator(MachineSpec("pump"), 3)
    half, full = (simulator.render_parts(4.0, Fault("leak", severity)).fault for severity in (0.5, 1.0))
    assert level_db(full) - level_db(half) == pytest.approx(12.04, abs=0.01)
    growing = simulator.render_parts(10.0, FaultSchedule("leak", 0.0, 10.0)).fault
    levels = [level_db(growing[second * RATE : (second + 1) * RATE]) for second in range(1, 10, 2)]
    assert levels == sorted(levels)


def test_a_repaired_machine_sounds_healthy_again() -> None:
    simulator = Simulator(MachineSpec("fan"), 3)
    healthy = simulator.render(6.0)
    repaired = simulator.render(6.0, FaultSchedule("imbalance", 0.5, 0.0, end_s=2.5))
    assert repaired[4 * RATE :].tobytes() == healthy[4 * RATE :].tobytes()
    assert repaired[RATE : 2 * RATE].tobytes() != healthy[RATE : 2 * RATE].tobytes()


def test_a_fault_started_while_streaming_is_the_one_of_its_schedule() -> None:
    simulator = Simulator(MachineSpec("conveyor"), 3)
    stream = simulator.stream()
    first = stream.read(round(1.2 * RATE))
    schedule = stream.start_fault("belt_squeal", ramp_s=3.0)
    assert schedule.start_s == 2.0
    rest = stream.read(4 * RATE)
    expected = simulator.render(5.2, schedule)
    assert np.concatenate([first, rest]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 15.0])
@pytest.mark.parametrize("machine_type", machine_types())
def test_the_machine_stands_over_the_background_by_its_snr(machine_type: str, snr_db: float) -> None:
    spec = MachineSpec(machine_type, 2, snr_db=snr_db, background="office")
    parts = Simulator(spec, 8).render_parts(12.0)
    assert level_db(parts.machine) - level_db(parts.background) == pytest.approx(snr_db, abs=2.0)


@pytest.mark.parametrize("machine_type", machine_types())
def test_no_sample_leaves_full_scale(machine_type: str) -> None:
    simulator = Simulator(MachineSpec(machine_type, 1, snr_db=-5.0), 1)
    for kind in faults_of(machine_type):
        sound = simulator.render(2.0, Fault(kind, 1.0))
        assert sound.dtype == np.float32
        assert np.abs(sound).max() <= 1.0
        assert np.std(sound) > 1e-3


@pytest.mark.parametrize("machine_type", machine_types())
def test_a_healthy_machine_is_recorded_without_saturation(machine_type: str) -> None:
    for identity in range(4):
        sound = Simulator(MachineSpec(machine_type, identity), identity).render(4.0)
        assert np.mean(np.abs(sound) > 0.7) < 1e-4


def test_every_microphone_room_and_background_can_be_heard_and_differs() -> None:
    seen = set()
    for microphone in microphones():
        seen.add(Simulator(MachineSpec("fan", microphone=microphone), 1).render(0.5).tobytes())
    for room in rooms()[:-1]:
        seen.add(Simulator(MachineSpec("fan", microphone="mems", room=room), 2).render(0.5).tobytes())
    for background in backgrounds():
        seen.add(Simulator(MachineSpec("fan", background=background), 3).render(0.5).tobytes())
    assert len(seen) == len(microphones()) + len(rooms()) - 1 + len(backgrounds())


def test_without_background_only_the_noise_of_the_microphone_is_left() -> None:
    parts = Simulator(MachineSpec("fan", background="none", microphone="electret"), 1).render_parts(3.0)
    assert level_db(parts.background) == pytest.approx(-70.0, abs=0.5)


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 48_000])
def test_other_sampling_rates_give_the_same_machine(sample_rate: int) -> None:
    sound = Simulator(MachineSpec("fan", 1), 1, sample_rate).render(3.0)
    assert sound.shape == (3 * sample_rate,)
    reference = Simulator(MachineSpec("fan", 1), 1).render(3.0)
    assert level_db(sound) == pytest.approx(level_db(reference), abs=3.0)


def test_a_healthy_recording_varies_in_level_but_slowly_and_little() -> None:
    machine = Simulator(MachineSpec("pump", 0), 4).render_parts(60.0).machine
    levels = np.array([level_db(second) for second in machine.reshape(60, RATE)])
    assert 0.05 < np.std(levels) < 3.0
    # A tone whose frequency wanders over the modes of a room jumps now and then; most seconds are like the one before.
    assert np.median(np.abs(np.diff(levels))) < 1.0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"machine_type": "toaster"}, "toaster"),
        ({"machine_type": "fan", "microphone": "ear"}, "ear"),
        ({"machine_type": "fan", "background": "moon"}, "moon"),
        ({"machine_type": "fan", "room": "cave"}, "cave"),
        ({"machine_type": "fan", "identity": -1}, "-1"),
        ({"machine_type": "fan", "speed_rpm": 0.0}, "0.0 rpm"),
        ({"machine_type": "fan", "load": float("nan")}, "nan"),
        ({"machine_type": "fan", "snr_db": float("inf")}, "inf"),
    ],
)
def test_a_wrong_value_is_named(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(AudioError, match=word):
        MachineSpec(**arguments)  # type: ignore[arg-type]


def test_a_fault_that_the_machine_cannot_have_is_refused() -> None:
    with pytest.raises(AudioError, match="a fan has no fault 'cavitation'"):
        Simulator(MachineSpec("fan")).render(1.0, Fault("cavitation"))
    with pytest.raises(AudioError, match="'rust' is not known"):
        Fault("rust")
    with pytest.raises(AudioError, match=r"severity .* 2"):
        Fault("leak", 2.0)
    with pytest.raises(AudioError, match="ramp"):
        FaultSchedule("leak", 1.0, -1.0)
    with pytest.raises(AudioError, match="multiple of 100"):
        Simulator(MachineSpec("fan"), 0, 11_025)
    with pytest.raises(AudioError, match="toaster"):
        faults_of("toaster")


def test_every_fault_is_one_that_some_machine_can_have() -> None:
    had = {kind for machine_type in machine_types() for kind in faults_of(machine_type)}
    assert had == set(FAULTS)
