"""Evaluation clips do not tell what they are; the lists of the official evaluators do."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.catalogue import Clip, Domain, read_catalogue, report_on
from trainer.errors import DataError


def evaluation_set(root: Path, machine: str = "grinder", names: tuple[str, ...] = ("section_00_0000",)) -> Path:
    (root / machine / "test").mkdir(parents=True)
    (root / machine / "train").mkdir()
    for name in names:
        soundfile.write(root / machine / "test" / f"{name}.wav", np.zeros(1_600, np.float32), 16_000)
    soundfile.write(
        root / machine / "train/section_00_source_train_normal_0000.wav", np.zeros(1_600, np.float32), 16_000
    )
    return root


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def clips_of_test(root: Path, truth: Path | None = None) -> list[Clip]:
    return list(read_catalogue(root, truth=truth).chosen(split="test"))


def told(clip: Clip) -> tuple[bool | None, Domain]:
    return clip.anomalous, clip.domain


@pytest.mark.parametrize("kept_below_the_data", [True, False])
def test_the_lists_of_2023_tell_condition_domain_and_attributes(tmp_path: Path, kept_below_the_data: bool) -> None:
    data = evaluation_set(tmp_path / "data", names=("section_00_0000", "section_00_0001"))
    lists = (data if kept_below_the_data else tmp_path) / "evaluator"
    name = "ground_truth_grinder_section_00_test.csv"
    write(lists / "ground_truth_data" / name, "section_00_0000.wav,0", "section_00_0001.wav,1")
    write(lists / "ground_truth_domain" / name, "section_00_0000.wav,0", "section_00_0001.wav,1")
    write(
        lists / "ground_truth_attributes" / name,
        "section_00_0000.wav,section_00_source_test_normal_0000_grindstone_2_plate_2",
        "section_00_0001.wav,section_00_target_test_anomaly_0001_noAttribute,section_00_target_test_anomaly_0001_x_1.wav",
    )
    first, second = clips_of_test(data, None if kept_below_the_data else lists)
    assert told(first) == (False, Domain.SOURCE)
    assert first.attributes == (("grindstone", "2"), ("plate", "2"))
    assert told(second) == (True, Domain.TARGET)
    assert second.attributes == ()


def test_a_list_may_say_in_its_own_name_what_it_lists(tmp_path: Path) -> None:
    evaluation_set(tmp_path)
    write(tmp_path / "truth/ground_truth_data_grinder_section_00_test.csv", "section_00_0000.wav,1")
    write(tmp_path / "truth/ground_truth_domain_grinder_section_00_test.csv", "section_00_0000.wav,target")
    (clip,) = clips_of_test(tmp_path)
    assert told(clip) == (True, Domain.TARGET)


def test_the_lists_of_2021_are_apart_by_domain(tmp_path: Path) -> None:
    evaluation_set(tmp_path, "ToyCar", ("section_03_source_test_0000", "section_03_target_test_0000"))
    for domain, value in (("source", 0), ("target", 1)):
        write(
            tmp_path / f"ground_truth_data/ground_truth_ToyCar_section_03_{domain}_test.csv",
            f"section_03_{domain}_test_0000.wav,{value}",
        )
    assert list(map(told, clips_of_test(tmp_path))) == [(False, Domain.SOURCE), (True, Domain.TARGET)]


def test_the_attributes_of_2022_stand_in_a_folder_for_each_machine(tmp_path: Path) -> None:
    evaluation_set(tmp_path, "ToyCar", ("section_03_0000",))
    write(
        tmp_path / "ground_truth_attributes/ToyCar/attributes_03.csv",
        "file_name,d1p,d1v,file_name_with_attributes",
        "ToyCar/test/section_03_0000.wav,car,G2,ToyCar/test/section_03_target_test_anomaly_0011_car_G2_spd_34V.wav",
    )
    (clip,) = clips_of_test(tmp_path)
    assert told(clip) == (True, Domain.TARGET)
    assert clip.attributes == (("car", "G2"), ("spd", "34V"))


def test_the_list_of_2020_holds_all_machines_under_their_names(tmp_path: Path) -> None:
    evaluation_set(tmp_path, "fan", ("id_01_00000000", "id_01_00000001"))
    write(
        tmp_path / "eval_data_list.csv",
        "pump",
        "id_01_00000000.wav,anomaly_id_01_00000000.wav,1",
        "fan",
        "id_01_00000000.wav,normal_id_01_00000007.wav,0",
        "id_01_00000001.wav,anomaly_id_01_00000001.wav,1",
    )
    assert [clip.anomalous for clip in clips_of_test(tmp_path)] == [False, True]


def test_what_a_name_tells_is_not_overruled(tmp_path: Path) -> None:
    evaluation_set(tmp_path, names=("section_00_source_test_normal_0000",))
    write(
        tmp_path / "ground_truth_data/ground_truth_grinder_section_00_test.csv",
        "section_00_source_test_normal_0000.wav,1",
    )
    assert [clip.anomalous for clip in clips_of_test(tmp_path)] == [False]


def test_the_report_counts_what_was_told_and_names_clips_that_no_list_holds(tmp_path: Path) -> None:
    evaluation_set(tmp_path, names=("section_00_0000", "section_00_0001", "section_00_0002"))
    write(
        tmp_path / "ground_truth_data/ground_truth_grinder_section_00_test.csv",
        "section_00_0000.wav,0",
        "section_00_0001.wav,1",
    )
    report = report_on(read_catalogue(tmp_path))
    (machine,) = report.machines
    assert machine.told == 2
    assert machine.clips["test unknown"] == 1
    assert report.problems == ("of the test clips of grinder 2 are in a list of what is true and 1 are not",)
    assert f"1 lists of what is true in {tmp_path / 'ground_truth_data'}" in str(report)


@pytest.mark.parametrize(
    ("folder", "row", "said"),
    [
        (
            "ground_truth_data",
            "section_00_0000.wav,normal",
            "line 1 should be a file name and 0 (normal) or 1 (anomaly)",
        ),
        ("ground_truth_data", "section_00_0000.wav", "line 1 should be a file name and 0 (normal) or 1 (anomaly)"),
        ("ground_truth_domain", "section_00_0000.wav,2", "line 1 should be a file name and 0 (source) or 1 (target)"),
    ],
)
def test_a_list_that_cannot_be_read_is_a_problem_by_line(tmp_path: Path, folder: str, row: str, said: str) -> None:
    evaluation_set(tmp_path)
    write(tmp_path / folder / "ground_truth_grinder_section_00_test.csv", row)
    (problem,) = read_catalogue(tmp_path).problems
    assert problem.endswith(said)
    assert folder in problem


def test_lists_that_contradict_each_other_are_a_problem(tmp_path: Path) -> None:
    evaluation_set(tmp_path)
    for folder, value in (("a", 0), ("b", 1)):
        write(tmp_path / folder / "ground_truth_grinder_section_00_test.csv", f"section_00_0000.wav,{value}")
    (problem,) = read_catalogue(tmp_path).problems
    assert "contradicts another list about section_00_0000 of grinder" in problem


def test_a_folder_of_lists_that_is_away_or_holds_none_is_one_sentence(tmp_path: Path) -> None:
    data = evaluation_set(tmp_path / "data")
    with pytest.raises(DataError, match="there is no folder"):
        read_catalogue(data, truth=tmp_path / "away")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no list of what is true was found"):
        read_catalogue(data, truth=tmp_path / "empty")
