"""What a checkpoint is tied to: the recordings, and for simulated ones the simulator that makes them."""

from pathlib import Path

import numpy as np

from trainer.fingerprint import data_fingerprint, file_identity, package_identity
from trainer.recipe import SimulatedMachine, SimulatorSound
from trainer.simulated_sound import simulated_sound
from trainer.sound import Recording


def recording(name: str, identity: str) -> Recording:
    return Recording(name, identity, 10.0, lambda: np.zeros(160_000, dtype=np.float32))


def test_the_order_of_the_recordings_does_not_matter_but_each_of_them_does() -> None:
    first, second = recording("a", "1"), recording("b", "2")
    assert data_fingerprint([first, second]) == data_fingerprint([second, first])
    assert data_fingerprint([first, second]) != data_fingerprint([first])
    assert data_fingerprint([first, second]) != data_fingerprint([first, recording("b", "3")])


def test_a_file_is_known_by_its_size_and_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"a" * 100)
    before = file_identity(path)
    path.write_bytes(b"a" * 101)
    longer = file_identity(path)
    path.write_bytes(b"b" * 100)
    assert len({before, longer, file_identity(path)}) == 3


def test_simulated_sound_is_known_by_the_source_of_the_simulator() -> None:
    settings = SimulatorSound(kind="simulator", machines=(SimulatedMachine(machine_type="fan"),))
    sound = simulated_sound(settings, seed=1)
    assert all(package_identity("asdstream.audio.simulator") in made.identity for made in sound.all)
    assert package_identity("asdstream.audio.simulator") != package_identity("trainer")


def test_every_simulated_recording_is_another_one_and_another_seed_another_set() -> None:
    settings = SimulatorSound(kind="simulator", machines=(SimulatedMachine(machine_type="fan"),))
    first, second = simulated_sound(settings, seed=1), simulated_sound(settings, seed=2)
    assert len({made.identity for made in first.all}) == len(first.all) == 22
    assert not {made.identity for made in first.all} & {made.identity for made in second.all}
