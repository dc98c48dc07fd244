"""What the catalogue makes of the layouts of DCASE Task 2."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.catalogue import Clip, Domain, read_catalogue, report_on
from trainer.errors import DataError


def write(path: Path, seconds: float = 0.1, rate: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(seconds * rate), dtype=np.float32), rate)
    return path


def only(root: Path) -> Clip:
    (clip,) = read_catalogue(root).clips
    return clip


def test_a_name_tells_section_domain_condition_and_attributes(tmp_path: Path) -> None:
    write(tmp_path / "fan/test/section_02_target_test_anomaly_0012_m-n_X_f-n_Y.wav")
    clip = only(tmp_path)
    assert (clip.machine, clip.section, clip.split) == ("fan", "02", "test")
    assert clip.domain is Domain.TARGET
    assert clip.anomalous is True
    assert clip.attributes == (("m-n", "X"), ("f-n", "Y"))


def test_hidden_attributes_are_none(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/section_00_source_train_normal_0001_noAttribute.flac")
    assert only(tmp_path).attributes == ()


@pytest.mark.parametrize("name", ["section_00_0007", "section_00_test_0007", "section_00_source_test_0007"])
def test_evaluation_clips_do_not_tell_what_they_are(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"fan/test/{name}.wav")
    assert only(tmp_path).anomalous is None


def test_the_names_of_2020_carry_an_id(tmp_path: Path) -> None:
    write(tmp_path / "valve/test/anomaly_id_04_00000009.wav")
    clip = only(tmp_path)
    assert (clip.section, clip.anomalous, clip.domain) == ("04", True, Domain.SOURCE)


def test_the_test_clips_of_2021_lie_apart_by_domain(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/section_03_source_train_normal_0000_strength_1.wav")
    write(tmp_path / "fan/source_test/section_03_source_test_0000.wav")
    write(tmp_path / "fan/target_test/section_03_target_test_0000.wav")
    catalogue = read_catalogue(tmp_path)
    assert catalogue.problems == ()
    assert [clip.domain for clip in catalogue.chosen(split="test")] == [Domain.SOURCE, Domain.TARGET]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("section_00_source_supplemental_machine_0003_noAttribute", "clean"),
        ("section_00_noise_0003", "noise"),
        ("section_02_supplemental_normal_0001_machine_car_A1_noise_1", "clean"),
    ],
)
def test_supplemental_clips_are_clean_machine_sound_or_noise_by_their_names(
    tmp_path: Path, name: str, split: str
) -> None:
    write(tmp_path / f"fan/supplemental/{name}.wav")
    clip = only(tmp_path)
    assert (clip.split, clip.section, clip.anomalous) == (split, name[8:10], False)


def test_a_supplemental_clip_that_does_not_tell_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/section_00_source_train_normal_0001.wav")
    write(tmp_path / "fan/supplemental/section_00_machinery_0001.wav")
    catalogue = read_catalogue(tmp_path)
    assert len(catalogue.clips) == 1
    assert "does not tell by _machine_ or _noise_" in catalogue.problems[0]


@pytest.mark.parametrize(
    "row",
    [
        "fan/train/section_00_source_train_normal_0001_noAttribute.wav,speed,3,load,noAttribute",
        "section_00_source_train_normal_0001_noAttribute,speed,3",
        "train/section_00_source_train_normal_0001_noAttribute,speed,3,,",
    ],
)
def test_attributes_come_from_the_csv_by_path_or_bare_stem(tmp_path: Path, row: str) -> None:
    write(tmp_path / "fan/train/section_00_source_train_normal_0001_noAttribute.flac")
    (tmp_path / "fan/attributes_00.csv").write_text(f"file_name,d1p,d1v,d2p,d2v\n{row}\n")
    assert only(tmp_path).attributes == (("speed", "3"),)


def test_machines_are_found_at_any_depth_and_the_machine_folder_itself_will_do(tmp_path: Path) -> None:
    write(tmp_path / "dcase2023t2/dev_data/raw/ToyCar/train/section_00_source_train_normal_0001.wav")
    assert read_catalogue(tmp_path).machines == ("ToyCar",)
    assert read_catalogue(tmp_path / "dcase2023t2/dev_data/raw/ToyCar").machines == ("ToyCar",)


def test_a_name_of_another_kind_is_a_problem_and_not_a_clip(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/section_00_source_train_normal_0001.wav")
    write(tmp_path / "fan/train/recording of tuesday.wav")
    catalogue = read_catalogue(tmp_path)
    assert len(catalogue.clips) == 1
    assert len(catalogue.problems) == 1
    assert "recording of tuesday.wav" in catalogue.problems[0]


def test_another_kind_of_data_set_that_has_a_folder_train_is_one_problem(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/section_00_source_train_normal_0001.wav")
    for number in range(3):
        write(tmp_path / f"noise/train/1-{number}-A-45.flac")
    catalogue = read_catalogue(tmp_path)
    assert catalogue.machines == ("fan",)
    (problem,) = catalogue.problems
    assert problem.startswith(f"none of the 3 recordings in {tmp_path / 'noise'} is named as in DCASE Task 2")


def test_a_report_counts_what_was_found_and_names_what_is_broken(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/section_00_source_train_normal_0001_speed_3.wav")
    write(tmp_path / "fan/train/section_00_source_train_normal_0002_speed_5.wav", seconds=0.2, rate=48_000)
    write(tmp_path / "fan/train/section_00_source_train_normal_0003_noAttribute.wav")
    write(tmp_path / "fan/supplemental/section_00_machine_0001.wav")
    write(tmp_path / "fan/test/section_00_target_test_anomaly_0001_speed_3.wav")
    write(tmp_path / "fan/test/section_00_target_test_normal_0002_speed_3.wav", seconds=0)
    (tmp_path / "fan/test/section_00_target_test_normal_0003_speed_3.wav").write_bytes(b"not a recording")
    report = report_on(read_catalogue(tmp_path))
    (fan,) = report.machines
    assert fan.clips == {
        "supplemental clean machine sound": 1,
        "test target anomaly": 1,
        "test target normal": 2,
        "train source normal": 3,
    }
    assert fan.attributes == {"speed": {"3": 4, "5": 1}}
    assert fan.without_attributes == 1
    assert fan.durations == {0.1: 4, 0.2: 1}
    assert fan.sample_rates == {16_000: 4, 48_000: 1}
    assert len(report.problems) == 2
    assert "  speed: 3 (4), 5 (1)" in str(report).splitlines()
    assert sum(line.startswith("problem: ") for line in str(report).splitlines()) == 2


def test_a_section_that_nothing_can_be_fitted_for_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path / "fan/train/section_00_source_train_normal_0001.wav")
    write(tmp_path / "fan/test/section_01_source_test_normal_0001.wav")
    (problem,) = report_on(read_catalogue(tmp_path)).problems
    assert problem.startswith("fan section 01 has test clips and no training clips")


def test_clips_that_are_there_twice_are_one_problem_for_each_two_folders(tmp_path: Path) -> None:
    for copy in ("a", "b"):
        for number in range(3):
            write(tmp_path / copy / f"fan/train/section_00_source_train_normal_{number:04d}.wav")
    (problem,) = report_on(read_catalogue(tmp_path)).problems
    assert problem.startswith(f"3 clips of fan lie in {tmp_path / 'a/fan/train'} and, called the same, in ")


def test_no_folder_no_recordings_and_no_such_machine_are_one_sentence_each(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data folder"):
        read_catalogue(tmp_path / "away")
    with pytest.raises(DataError, match="no recordings were found"):
        read_catalogue(tmp_path)
    write(tmp_path / "fan/train/section_00_source_train_normal_0001.wav")
    with pytest.raises(DataError, match=r"no machine 'pump'.*fan"):
        read_catalogue(tmp_path).chosen(["pump"])


def test_the_real_toycar_folder_is_read_whole(data_dir: Path) -> None:
    catalogue = read_catalogue(data_dir / "dcase2023t2")
    assert catalogue.problems == ()
    train = catalogue.chosen(["ToyCar"], split="train")
    assert sum(clip.domain is Domain.SOURCE for clip in train) == 399
    assert sum(clip.domain is Domain.TARGET for clip in train) == 10
    assert all(dict(clip.attributes).keys() == {"car", "spd", "mic"} for clip in catalogue.clips)


def test_a_plain_folder_of_normal_and_abnormal_clips_is_split_by_halves(tmp_path: Path) -> None:
    for name in ("normal/0.wav", "normal/1.wav", "normal/2.flac", "abnormal/0.wav"):
        path = tmp_path / "fan" / "id_04" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def split(fold: int) -> list[tuple[str, str, bool | None]]:
        return [(clip.path.name, clip.split, clip.anomalous) for clip in read_catalogue(tmp_path, fold).clips]

    assert split(1) == [
        ("0.wav", "train", False),
        ("1.wav", "test", False),
        ("2.flac", "train", False),
        ("0.wav", "test", True),
    ]
    assert [kind for _, kind, _ in split(2)] == ["test", "train", "test", "test"]
    (section,) = {(clip.machine, clip.section, clip.domain) for clip in read_catalogue(tmp_path).clips}
    assert section == ("fan", "04", Domain.SOURCE)
