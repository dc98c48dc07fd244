"""Simulated recordings on disk, laid out like a DCASE Task 2 development set."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdstream.audio.simulator import MachineSpec, attributes
from asdstream.audio.simulator.dataset import ClipCounts, write_dcase
from asdstream.audio.source import AudioError

SOURCE = [MachineSpec("fan", 0), MachineSpec("fan", 0, speed_rpm=2_000.0)]
TARGET = [MachineSpec("fan", 0, microphone="mems", background="outdoor")]
COUNTS = ClipCounts(source_train=4, target_train=1, test=2)


def test_a_folder_has_the_layout_of_a_development_set(tmp_path: Path) -> None:
    folder = write_dcase(tmp_path, SOURCE, TARGET, counts=COUNTS, seconds=1.0)
    assert folder == tmp_path / "fan"
    train = sorted(path.name for path in (folder / "train").iterdir())
    test = sorted(path.name for path in (folder / "test").iterdir())
    assert len(train) == 5
    assert len(test) == 8
    assert train[0].startswith("section_00_source_train_normal_0000_id_0_spd_")
    assert any(name.startswith("section_00_target_test_anomaly_0001_") for name in test)
    assert "spd_2000rpm" in train[1]
    with (folder / "attributes_00.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    for row in rows:
        assert (tmp_path / row["file_name"]).is_file()
        assert f"{row['d1p']}_{row['d1v']}" in row["file_name"]
    assert list(tmp_path.iterdir()) == [folder]


def test_clips_are_16_khz_mono_16_bit_and_all_different(tmp_path: Path) -> None:
    folder = write_dcase(tmp_path, SOURCE, TARGET, counts=COUNTS, seconds=1.0, audio_format="flac")
    seen = set()
    for path in folder.rglob("*.flac"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (16_000, 1, 16_000, "PCM_16")
        seen.add(soundfile.read(path, dtype="int16")[0].tobytes())
    assert len(seen) == 13


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    one = write_dcase(tmp_path / "a", SOURCE, TARGET, counts=COUNTS, seconds=0.5, seed=3)
    two = write_dcase(tmp_path / "b", SOURCE, TARGET, counts=COUNTS, seconds=0.5, seed=3)
    for path in one.rglob("*.wav"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()


def test_anomalies_take_the_faults_in_turn(tmp_path: Path) -> None:
    folder = write_dcase(
        tmp_path, SOURCE, TARGET, counts=COUNTS, seconds=1.0, faults=["imbalance"], severity=(1.0, 1.0)
    )
    normal, _ = soundfile.read(next((folder / "test").glob("*source_test_normal_0000*")))
    anomaly, _ = soundfile.read(next((folder / "test").glob("*source_test_anomaly_0000*")))
    assert np.std(anomaly) > 1.2 * np.std(normal)


def test_machines_of_several_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="fan, pump"):
        write_dcase(tmp_path, SOURCE, [MachineSpec("pump")])
    with pytest.raises(AudioError, match="0 target"):
        write_dcase(tmp_path, SOURCE, [])
    assert not list(tmp_path.iterdir())


def test_attributes_can_stand_in_a_file_name() -> None:
    for name, value in attributes(MachineSpec("valve", 2, load=0.85)).items():
        assert name.isalnum()
        assert value.isalnum()
    assert attributes(MachineSpec("valve", 2, load=0.85))["load"] == "85"
