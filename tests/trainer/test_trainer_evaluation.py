import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dcase_folder import write_machine
from small_bundle import fan_sound, strange_sound
from typer.testing import CliRunner, Result

from trainer import cli
from trainer.catalogue import Clip, Domain
from trainer.comparison import compare, comparison_table
from trainer.evaluation_pictures import flat_map
from trainer.published_table import MACHINES, published_table
from trainer.results import SectionResult, SystemResult


def asdtrain(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def dcase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fan in the DCASE layout; what is anomalous is no fan at all."""

    def sound(condition: str, seed: int) -> np.ndarray:
        return (fan_sound if condition == "normal" else strange_sound)(10, seed)

    return write_machine(tmp_path_factory.mktemp("dcase"), "fan", sound, source=6)


@pytest.fixture(scope="module")
def evaluated(dcase: Path, small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that an evaluation of the small bundle has left."""
    out = tmp_path_factory.mktemp("out") / "small"
    result = asdtrain("evaluate", "--bundle", small_bundle, "--data", dcase, "--out", out)
    assert result.exception is None, result.output
    return out


def test_the_score_comes_with_its_interval(evaluated: Path) -> None:
    content = json.loads((evaluated / "evaluation.json").read_text())
    assert content["interval"]["low"] <= content["harmonic_mean"] <= content["interval"]["high"]
    assert content["interval"]["confidence"] == 0.95


def test_the_pictures_show_scores_curves_embeddings_and_clips(evaluated: Path) -> None:
    names = sorted(path.name for path in (evaluated / "pictures").iterdir())
    assert names == [
        "clips_fan_section_00.png",
        "embeddings_fan_section_00_audiomae.png",
        "roc_fan_section_00.png",
        "scores_fan_section_00.png",
    ]
    for name in names:
        content = (evaluated / "pictures" / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000


def test_the_row_stands_under_the_published_ones_and_says_that_the_data_differ(evaluated: Path) -> None:
    table = (evaluated / "table1.md").read_text()
    assert "| System-3 (published) | | 66.34 |" in table
    assert table.index("System-4") < table.index("| small |")
    assert "they do not measure the same thing" in table


def test_several_systems_are_set_side_by_side(evaluated: Path, dcase: Path, small_bundle: Path, tmp_path: Path) -> None:
    baseline = asdtrain("baseline", "--data", dcase, "--epochs", 2, "--out", tmp_path / "baseline")
    assert baseline.exception is None, baseline.output
    arguments = ["--data", dcase, "--out", tmp_path / "out", "--no-pictures"]
    result = asdtrain("evaluate", *arguments, "--systems", small_bundle, evaluated, tmp_path / "baseline" / "mse")
    assert result.exception is None, result.output
    systems = json.loads((tmp_path / "out" / "comparison.json").read_text())["systems"]
    assert [system["name"] for system in systems] == ["small", "small 2", "autoencoder, MSE"]
    assert systems[0]["harmonic_mean"] == systems[1]["harmonic_mean"]
    assert systems[1]["difference_from_first"] == {"low": 0.0, "high": 0.0}
    assert (tmp_path / "out" / "autoencoder-MSE" / "anomaly_score_fan_section_00_test.csv").exists()
    assert (tmp_path / "out" / "comparison.md").read_text() in result.output


def test_results_for_other_clips_are_refused(evaluated: Path, dcase: Path, tmp_path: Path) -> None:
    scores = (evaluated / "anomaly_score_fan_section_00_test.csv").read_text().splitlines(keepends=True)
    (tmp_path / "anomaly_score_fan_section_00_test.csv").write_text("".join(scores[:-2]))
    (tmp_path / "evaluation.json").write_text((evaluated / "evaluation.json").read_text())
    result = asdtrain("evaluate", "--data", dcase, "--out", tmp_path / "out", "--systems", tmp_path)
    assert "and 1 other test clips; measure the system on the same data" in str(result.exception)
    (tmp_path / "evaluation.json").write_text('{"system": "x"}')
    result = asdtrain("evaluate", "--data", dcase, "--out", tmp_path / "out", "--systems", tmp_path)
    assert "is not an evaluation that" in str(result.exception)


def test_there_must_be_something_to_measure(dcase: Path, tmp_path: Path) -> None:
    assert "--bundle or --systems" in asdtrain("evaluate", "--data", dcase, "--out", tmp_path).output
    alone = asdtrain("evaluate", "--data", dcase, "--out", tmp_path, "--bundle", "a", "b")
    assert "b stands alone" in alone.output


def test_clips_whose_names_hide_the_truth_are_scored_without_figures(
    dcase: Path, small_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "data" / "fan" / "test").mkdir(parents=True)
    (tmp_path / "data" / "fan" / "train").symlink_to(dcase / "fan" / "train")
    for number in range(2):
        soundfile.write(tmp_path / "data" / "fan" / "test" / f"section_00_{number:04d}.wav", fan_sound(10, 1), 16_000)
    result = asdtrain("evaluate", "--data", tmp_path / "data", "--out", tmp_path / "out", "--bundle", small_bundle)
    assert result.exception is None, result.output
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (content["harmonic_mean"], content["interval"]) == (None, None)
    assert len((tmp_path / "out" / "anomaly_score_fan_section_00_test.csv").read_text().splitlines()) == 2
    pictures = sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir())
    assert pictures == ["clips_fan_section_00.png", "embeddings_fan_section_00_audiomae.png"]


def test_what_the_names_hide_may_stand_in_lists_that_are_told_of(
    dcase: Path, small_bundle: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data" / "fan"
    (data / "test").mkdir(parents=True)
    (data / "train").symlink_to(dcase / "fan" / "train")
    for number, sound in enumerate((fan_sound, strange_sound)):
        soundfile.write(data / "test" / f"section_00_{number:04d}.wav", sound(10, 1), 16_000)
    for kind, rows in (("data", (0, 1)), ("domain", (0, 0))):
        lists = tmp_path / "truth" / f"ground_truth_{kind}"
        lists.mkdir(parents=True)
        text = "".join(f"section_00_{number:04d}.wav,{row}\n" for number, row in enumerate(rows))
        (lists / "ground_truth_fan_section_00_test.csv").write_text(text)
    told = ("--data", tmp_path / "data", "--truth", tmp_path / "truth", "--out", tmp_path / "out")
    result = asdtrain("evaluate", *told, "--bundle", small_bundle, "--no-pictures")
    assert result.exception is None, result.output
    (section,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["sections"]
    assert section["figures"]["source_auc"] == 1.0


def result_on(machines: tuple[str, ...]) -> SystemResult:
    rng = np.random.default_rng(0)
    sections = []
    for machine in machines:
        clips = tuple(
            Clip(Path(f"{domain}_{place}.wav"), machine, "00", "test", domain, place % 2 == 1, ())
            for domain in Domain
            for place in range(40)
        )
        scores = rng.standard_normal(80) + [0.7 * bool(clip.anomalous) for clip in clips]
        sections.append(SectionResult(machine, "00", 10, clips, scores, 0.0))
    return SystemResult("ours", {}, tuple(sections))


def test_on_the_published_machines_the_table_needs_no_excuse() -> None:
    table = published_table(compare([("ours", result_on(MACHINES))]))
    header, _, *rows = table.splitlines()
    assert header == "| system | ToyCar | ToyTrain | bearing | fan | gearbox | slider | valve | all |"
    assert {row.count("|") for row in rows[:7]} == {10}
    assert "do not measure the same thing" not in table


def test_the_comparison_names_intervals_and_differences() -> None:
    first, second = result_on(("fan",)), result_on(("fan",))
    lines = comparison_table(compare([("one", first), ("two", second)])).splitlines()
    assert lines[2].startswith("| one | 0.")
    assert lines[2].endswith("|  |")
    assert lines[3].endswith("| +0.000 to +0.000 |")


def test_the_map_of_embeddings_keeps_groups_together_and_is_the_same_again() -> None:
    rng = np.random.default_rng(0)
    points = np.repeat(np.eye(3, 16), 15, axis=0) + 0.05 * rng.standard_normal((45, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    places = flat_map(points, seed=1)
    assert np.array_equal(places, flat_map(points, seed=1))
    groups = places.reshape(3, 15, 2)
    centres = groups.mean(axis=1)
    within = np.linalg.norm(groups - centres[:, None], axis=2).max()
    assert min(np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > within
