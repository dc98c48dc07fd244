import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from dcase_folder import write_machine
from scipy import stats
from typer.testing import CliRunner, Result

from trainer import cli
from trainer.autoencoder import Autoencoder, train_autoencoder
from trainer.baseline import Heard, gamma_threshold, statistics_scores
from trainer.catalogue import Clip, Domain


def asdtrain(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def sound(kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    times = np.arange(32_000) / 16_000
    hum = 0.2 * np.sin(2 * np.pi * 200 * times) + 0.05 * rng.standard_normal(len(times))
    whistle = 0.3 * np.sin(2 * np.pi * 3100 * times) if kind != "normal" else 0.0
    return hum + whistle


@pytest.fixture(scope="module")
def dcase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine in the DCASE layout that hums, and whistles when it is broken."""
    return write_machine(tmp_path_factory.mktemp("dcase"), "hummer", sound, source=8)


def test_the_baseline_writes_the_official_files_and_every_figure_for_each_mode(dcase: Path, tmp_path: Path) -> None:
    result = asdtrain("baseline", "--data", dcase, "--machine", "hummer", "--epochs", 10, "--out", tmp_path)
    assert result.exception is None, result.output
    for mode in ("mse", "mahalanobis", "statistics"):
        scores = (tmp_path / mode / "anomaly_score_hummer_section_00_test.csv").read_text().splitlines()
        decisions = (tmp_path / mode / "decision_result_hummer_section_00_test.csv").read_text().splitlines()
        assert len(scores) == len(decisions) == 12
        content = json.loads((tmp_path / mode / "evaluation.json").read_text())
        (section,) = content["sections"]
        assert set(section["figures"]) == {"source_auc", "target_auc", "partial_auc", "harmonic_mean"}
        assert content["harmonic_mean"] == pytest.approx(section["figures"]["harmonic_mean"])
        assert content["settings"]["epochs"] == 10
        assert mode == "mahalanobis" or section["figures"]["source_auc"] == 1.0
        assert (section["train_clips"], section["test_clips"]) == (10, 12)
        decided = [line.rpartition(",")[2] == "1" for line in decisions]
        assert decided == [float(line.rpartition(",")[2]) > section["threshold"] for line in scores]
    assert "hummer: autoencoder: 10 of 10" in result.output


def test_what_was_stopped_goes_on_with_the_machine_that_it_had_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_machine(tmp_path / "data", "hummer", sound, source=4)
    write_machine(tmp_path / "data", "singer", sound, source=4)
    trained: list[int] = []
    stop_at = 2

    def train(clips: Sequence[torch.Tensor], *arguments: object, **options: object) -> Autoencoder:
        trained.append(len(clips))
        if len(trained) == stop_at:
            raise KeyboardInterrupt
        return train_autoencoder(clips, *arguments, **options)

    monkeypatch.setattr("trainer.baseline.train_autoencoder", train)

    def run(out: str, epochs: int = 1) -> None:
        asdtrain("baseline", "--data", data, "--epochs", epochs, "--out", tmp_path / out)

    run("stopped")
    assert len(trained) == 2
    run("stopped")
    assert len(trained) == 3, "the first machine's was kept"
    run("unbroken")
    name = "mse/anomaly_score_hummer_section_00_test.csv"
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()
    before = len(trained)
    run("stopped", epochs=2)
    assert len(trained) == before + 2, "other settings are trained anew"


def test_the_same_seed_gives_the_same_scores(dcase: Path, tmp_path: Path) -> None:
    for run in ("one", "two"):
        result = asdtrain("baseline", "--data", dcase, "--epochs", 2, "--seed", 5, "--out", tmp_path / run)
        assert result.exception is None, result.output
    name = "mahalanobis/anomaly_score_hummer_section_00_test.csv"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_machine_without_training_clips_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hummer" / "test").mkdir(parents=True)
    soundfile.write(tmp_path / "hummer" / "test" / "section_00_0001.wav", sound("normal", 1), 16_000)
    result = asdtrain("baseline", "--data", tmp_path, "--out", tmp_path / "out")
    assert "hummer section 00 has 0 training clips" in str(result.exception)


def test_a_plain_folder_is_measured_by_halves(tmp_path: Path) -> None:
    for condition, count in (("normal", 6), ("abnormal", 3)):
        (tmp_path / "fan" / "id_02" / condition).mkdir(parents=True)
        for number in range(count):
            path = tmp_path / "fan" / "id_02" / condition / f"{number:08d}.wav"
            soundfile.write(path, sound(condition, number + (100 if condition == "abnormal" else 0)), 16_000)
    result = asdtrain("baseline", "--data", tmp_path, "--epochs", 20, "--fold", 2, "--out", tmp_path / "out")
    assert result.exception is None, result.output
    content = json.loads((tmp_path / "out" / "mse" / "evaluation.json").read_text())
    (section,) = content["sections"]
    assert (section["machine"], section["section"]) == ("fan", "02")
    assert (section["train_clips"], section["test_clips"]) == (3, 6)
    rows = (tmp_path / "out" / "mse" / "anomaly_score_fan_section_02_test.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows[:1] + rows[-1:]] == ["abnormal/00000000.wav", "normal/00000004.wav"]
    assert section["figures"]["target_auc"] is None
    assert section["figures"]["source_auc"] == 1.0


def test_the_threshold_is_the_gamma_quantile_of_normal_scores() -> None:
    scores = stats.gamma.rvs(4.0, scale=2.0, size=4000, random_state=1)
    assert gamma_threshold(scores) == pytest.approx(stats.gamma.ppf(0.9, 4.0, scale=2.0), rel=0.03)


def heard(split: str, frames: list[list[float]], section: str = "00") -> Heard:
    clip = Clip(Path("a.wav"), "fan", section, split, Domain.SOURCE, False, ())
    return clip, torch.tensor(frames)


def test_statistics_are_held_against_the_nearest_training_clip_of_the_section_but_never_against_themselves() -> None:
    steady, other, loud = [[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]], [[3.0, 0.0], [3.0, 0.0]]
    scores = statistics_scores(
        [
            heard("train", steady),
            heard("train", other),
            heard("test", loud),
            heard("test", other),
            heard("test", other, section="01"),
            heard("train", steady, section="01"),
            heard("train", loud, section="01"),
        ]
    )
    assert scores == pytest.approx([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0])


def test_statistics_tell_a_steady_sound_from_a_fluctuating_one() -> None:
    steady, fluctuating = [[1.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [2.0, 1.0]]
    scores = statistics_scores([heard("train", steady), heard("train", steady), heard("test", fluctuating)])
    assert scores[2] > 0.2


def test_copies_of_a_clip_do_not_make_the_threshold() -> None:
    scores = stats.gamma.rvs(4.0, scale=2.0, size=400, random_state=1)
    assert gamma_threshold(np.concatenate([scores, np.zeros(100)])) == gamma_threshold(scores)
    assert gamma_threshold(np.zeros(3)) == 0.0


@pytest.mark.parametrize("scores", [[0.25], [0.25, 0.25, 0.25]])
def test_scores_that_do_not_differ_are_their_own_threshold(scores: list[float]) -> None:
    assert gamma_threshold(np.array(scores)) == 0.25
