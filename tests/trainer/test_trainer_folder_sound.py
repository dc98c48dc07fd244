"""What a recipe hears of folders: this year's machines, other years, supplemental clips."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.catalogue import read_catalogue
from trainer.errors import DataError
from trainer.folder_sound import folder_sound
from trainer.recipe import FolderSound
from trainer.sound import Recording, TrainingSound


def write(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * np.random.default_rng([number, len(str(path))]).standard_normal(1_600)
        soundfile.write(path, noise.astype(np.float32), 16_000)


def machine(folder: Path, attribute: str = "speed_3") -> None:
    write(*(folder / f"train/section_00_source_train_normal_{n:04d}_{attribute}.wav" for n in range(8)))
    write(folder / f"train/section_00_target_train_normal_0008_{attribute}.wav")
    write(folder / f"test/section_00_source_test_anomaly_0000_{attribute}.wav")


def labels(recordings: Iterable[Recording]) -> set[str]:
    return {recording.label for recording in recordings}


def sound_of(root: Path, *more: Path, **settings: object) -> TrainingSound:
    recipe = FolderSound.model_validate({"kind": "folder", **settings})
    return folder_sound(recipe, read_catalogue(root), 1, [read_catalogue(other) for other in more])


def test_source_target_and_held_out_clips_carry_their_labels_and_test_clips_are_not_there(tmp_path: Path) -> None:
    machine(tmp_path / "fan")
    (fan,) = sound_of(tmp_path, held_out=0.25).machines
    assert (len(fan.source), len(fan.target), len(fan.held_out)) == (6, 1, 2)
    assert labels((*fan.source, *fan.target, *fan.held_out)) == {"fan_speed_3"}
    assert not any("test" in recording.name for recording in (*fan.source, *fan.target, *fan.held_out))


def test_attributes_left_out_by_the_recipe_make_no_class(tmp_path: Path) -> None:
    machine(tmp_path / "fan", "speed_3_noise_2")
    (fan,) = sound_of(tmp_path, leave_out=["noise"]).machines
    assert labels(fan.source) == {"fan_speed_3"}


def test_supplemental_clips_are_clean_sound_of_the_machine_or_noise(tmp_path: Path) -> None:
    machine(tmp_path / "fan")
    write(tmp_path / "fan/supplemental/section_00_machine_0000.wav", tmp_path / "fan/supplemental/a_noise_0000.wav")
    sound = sound_of(tmp_path)
    (fan,) = sound.machines
    assert [recording.name for recording in fan.clean] == ["fan/clean/section_00_machine_0000.wav"]
    assert [recording.name for recording in sound.noise] == ["fan/noise/a_noise_0000.wav"]
    assert not set(sound.generative) & {*fan.clean, *sound.noise}
    assert {*fan.clean, *sound.noise} <= set(sound.all)


def test_other_years_are_variety_with_labels_of_their_own(tmp_path: Path) -> None:
    machine(tmp_path / "dcase2025t2/dev_data/raw/fan")
    machine(tmp_path / "dcase2021t2/dev_data/raw/fan")
    machine(tmp_path / "mimii/pump", "noAttribute")
    sound = sound_of(tmp_path / "dcase2025t2", tmp_path / "dcase2021t2", tmp_path / "mimii")
    assert labels(sound.variety) == {"2021_fan_speed_3", "other_pump_section_00_noAttribute"}
    assert len(sound.variety) == 18


def test_the_same_folder_once_more_gives_its_other_machines_and_no_held_out_clip(tmp_path: Path) -> None:
    for name in ("fan", "pump"):
        machine(tmp_path / name)
    sound = sound_of(tmp_path, tmp_path, machines=["fan"])
    assert labels(sound.variety) == {"other_pump_speed_3"}


def test_a_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    machine(tmp_path / "fan")
    (tmp_path / "fan/train/section_00_source_train_normal_0009.wav").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"normal_0009\.wav cannot be read as a recording"):
        sound_of(tmp_path)


def test_the_real_toycar_has_a_class_for_each_car_and_speed(data_dir: Path) -> None:
    (toy_car,) = sound_of(data_dir / "dcase2023t2").machines
    assert "ToyCar_car_B1_spd_31V_mic_1" in labels(toy_car.source)
    assert len(labels((*toy_car.source, *toy_car.held_out))) == 18
