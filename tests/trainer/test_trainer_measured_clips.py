from pathlib import Path

import pytest

from trainer.catalogue import read_catalogue
from trainer.errors import DataError
from trainer.measured_clips import clips_by_section


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_training_and_test_clips_are_gathered_by_section(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "fan/train/section_00_source_train_normal_0000.wav",
        "fan/train/section_01_source_train_normal_0000.wav",
        "fan/test/section_00_source_test_normal_0000.wav",
        "fan/test/section_00_source_test_anomaly_0000.wav",
    )
    found = clips_by_section(read_catalogue(tmp_path))
    assert {section: len(clips) for section, clips in found.items()} == {("fan", "00"): 3}


def test_without_test_clips_there_is_nothing_to_measure(tmp_path: Path) -> None:
    touch(tmp_path, "fan/train/section_00_source_train_normal_0000.wav")
    with pytest.raises(DataError, match="there are no test clips under"):
        clips_by_section(read_catalogue(tmp_path))


def test_the_same_clip_in_two_folders_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{year}/fan/test/section_00_source_test_normal_0000.wav" for year in (2023, 2024)))
    with pytest.raises(DataError, match="are the same clip of fan; choose one folder"):
        clips_by_section(read_catalogue(tmp_path))


def test_a_plain_folder_may_number_normal_and_abnormal_clips_alike(tmp_path: Path) -> None:
    touch(tmp_path, *(f"fan/id_00/{kind}/{number}.wav" for kind in ("normal", "abnormal") for number in range(2)))
    (clips,) = clips_by_section(read_catalogue(tmp_path)).values()
    assert [clip.file for clip in clips] == ["normal/0.wav", "normal/1.wav", "abnormal/0.wav", "abnormal/1.wav"]
