import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dcase_folder import write_machine
from numpy.typing import NDArray
from small_bundle import fan_sound, strange_sound
from system_bundles import contents_of, separator
from typer.testing import CliRunner, Result

from asdstream import bundle as bundles
from asdstream.engine.separation import Separator
from trainer import cli
from trainer.backends.branch_mean import BranchMean
from trainer.catalogue import read_catalogue
from trainer.errors import DataError, TrainerError
from trainer.noise_folder import halves, noise_level, read_noise, with_noise
from trainer.separation_measure import SNRS_DB, chosen_clips
from trainer.sound import Recording


def asdtrain(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of three noises each, of 2 s; one of them silent."""
    root = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for kind in ("hiss", "rumble"):
        (root / kind).mkdir()
        for number in range(3):
            sound = 0.1 * rng.standard_normal(32_000)
            sound = np.convolve(sound, np.hanning(32), mode="same") if kind == "rumble" else sound
            silent = (kind, number) == ("hiss", 2)
            soundfile.write(root / kind / f"{number}.wav", 0.0 * sound if silent else sound, 16_000)
    return root


@pytest.fixture(scope="module")
def dcase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fan in the DCASE layout; what is anomalous is no fan at all."""

    def sound(condition: str, seed: int) -> NDArray[np.floating]:
        return (fan_sound if condition == "normal" else strange_sound)(10, seed)

    return write_machine(tmp_path_factory.mktemp("dcase"), "fan", sound, source=5)


@pytest.fixture(scope="module")
def with_separator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "separating"
    bundles.save(path, replace(contents_of("system1", separators={"*": separator()}), name="separating"))
    return path


@pytest.fixture(scope="module")
def without_separator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "plain"
    bundles.save(path, contents_of("system1"))
    return path


def test_the_report_holds_every_clip_at_every_ratio_and_is_the_same_again(
    with_separator: Path, dcase: Path, noise: Path, tmp_path: Path
) -> None:
    arguments = ["--bundle", with_separator, "--clean", dcase, "--noise", noise, "--clips", 1]
    written = []
    for name in ("one", "two"):
        result = asdtrain("separation", *arguments, "--out", tmp_path / name)
        assert result.exception is None, result.output
        written.append((tmp_path / name / "separation.json").read_text())
    assert written[0] == written[1]
    content = json.loads(written[0])
    assert len(content["clips"]) == 2 * (len(SNRS_DB) + 1)
    for clip in content["clips"]:
        assert clip["before"] == (None if clip["snr_db"] is None else pytest.approx(clip["snr_db"], abs=1.0))
    rows = content["si_sdr_improvement_db"]
    assert [(row["condition"], row["snr_db"]) for row in rows] == [
        (condition, snr_db) for condition in ("normal test", "anomalous test") for snr_db in SNRS_DB
    ]
    assert all(row["first_quartile"] <= row["median"] <= row["third_quartile"] for row in rows)
    assert "noise of their own" in content["what_is_clean"]
    table = (tmp_path / "one" / "separation.md").read_text()
    assert table in result.output
    assert "| fan | normal test | 1 |" in table
    for name in ("separation.png", "spectrogram_1_fan.png", "spectrogram_2_fan.png"):
        assert (tmp_path / "one" / name).read_bytes().startswith(b"\x89PNG")


def test_a_separator_that_changes_nothing_improves_nothing(
    with_separator: Path, dcase: Path, noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Separator, "separate", lambda _self, samples, _machine_type: samples)
    result = asdtrain(
        "separation", "--bundle", with_separator, "--clean", dcase, "--noise", noise, "--clips", 1, "--out", tmp_path
    )
    assert result.exception is None, result.output
    for row in json.loads((tmp_path / "separation.json").read_text())["si_sdr_improvement_db"]:
        assert row["median"] == 0.0


def test_clips_to_measure_on_are_test_clips_unless_told_otherwise(dcase: Path) -> None:
    catalogue = read_catalogue(dcase)
    chosen = chosen_clips(catalogue, None, None, 2, seed=0)
    assert [(clip.split, clip.anomalous) for clip in chosen] == [("test", False)] * 2 + [("test", True)] * 2
    assert {clip.split for clip in chosen_clips(catalogue, ["fan"], "train", 2, seed=0)} == {"train"}
    with pytest.raises(DataError, match="no clean clips"):
        chosen_clips(catalogue, None, "clean", 2, seed=0)


def test_a_bundle_without_separators_cannot_be_measured_nor_evaluated_so(
    without_separator: Path, dcase: Path, noise: Path, tmp_path: Path
) -> None:
    measured = asdtrain(
        "separation", "--bundle", without_separator, "--clean", dcase, "--noise", noise, "--out", tmp_path
    )
    evaluated = asdtrain(
        "evaluate", "--bundle", without_separator, "--data", dcase, "--separate", "both", "--out", tmp_path
    )
    for result in (measured, evaluated):
        assert isinstance(result.exception, TrainerError)
        assert "has no separator for fan (its separators: none)" in str(result.exception)


def test_an_evaluation_says_how_its_clips_were_heard(
    with_separator: Path, dcase: Path, noise: Path, tmp_path: Path
) -> None:
    found = {}
    for separate in ("on", "both"):
        arguments = ["--bundle", with_separator, "--data", dcase, "--separate", separate, "--noise", noise, "--snr", 5]
        result = asdtrain("evaluate", *arguments, "--no-pictures", "--out", tmp_path / separate)
        assert result.exception is None, result.output
        found[separate] = json.loads((tmp_path / separate / "evaluation.json").read_text())
    assert found["on"]["system"] == "separating (minimum-cosine, separated, noise at 5 dB)"
    assert found["both"]["system"] == "separating (minimum-cosine, as it is and separated, noise at 5 dB)"
    assert found["both"]["settings"]["separate"] == "both"
    assert found["both"]["settings"]["noise"]["snr_db"] == 5.0
    assert found["on"]["sections"][0]["threshold"] != found["both"]["sections"][0]["threshold"]


def test_noise_and_its_level_belong_together(with_separator: Path, dcase: Path, noise: Path, tmp_path: Path) -> None:
    for half in (["--noise", noise], ["--snr", 5]):
        result = asdtrain("evaluate", "--bundle", with_separator, "--data", dcase, *half, "--out", tmp_path)
        assert "belong together" in result.output


def test_two_hearings_count_alike_whatever_the_scale_of_their_scores() -> None:
    rng = np.random.default_rng(0)
    held_out = rng.random((50, 4)) * [0.01, 0.02, 5.0, 9.0]
    scores = rng.random((10, 4)) * [0.01, 0.02, 5.0, 9.0]
    for mean in (BranchMean.plain(4), BranchMean.normalised(held_out)):
        inside = ((held_out - mean.centre) / mean.scale).reshape(50, 2, 2).mean(axis=2)
        of_test = ((scores - mean.centre) / mean.scale).reshape(10, 2, 2).mean(axis=2)
        expected = ((of_test - inside.mean(axis=0)) / inside.std(axis=0)).mean(axis=1)
        np.testing.assert_allclose(mean.levelled(held_out, 2)(scores), expected, rtol=1e-9, atol=1e-12)


def test_training_and_test_clips_never_hear_the_same_noise_and_both_hear_every_kind(noise: Path) -> None:
    train, test = halves(read_noise(noise))
    assert [recording.name for recording in train] == ["hiss/0.wav", "hiss/2.wav", "rumble/1.wav"]
    assert [recording.name for recording in test] == ["hiss/1.wav", "rumble/0.wav", "rumble/2.wav"]
    with pytest.raises(DataError, match="is the only recording of noise"):
        halves(read_noise(noise)[:1])


def test_noise_is_as_loud_in_every_clip_whatever_the_clip_itself_is(noise: Path) -> None:
    """Else it would tell an anomalous machine, which is often louder, from a normal one."""
    recordings = read_noise(noise)
    sounds = [(1.0 + number) * fan_sound(3, number) for number in range(4)]
    clips = [Recording(f"clip {n}", "", 3.0, lambda sound=sound: sound) for n, sound in enumerate(sounds)]
    level = noise_level(clips[:2], -3.0)
    power = np.mean([np.mean(np.square(sound, dtype=np.float64)) for sound in sounds[:2]])
    assert 20 * np.log10(level) == pytest.approx(10 * np.log10(power) + 3.0, abs=1e-4)
    heard = []
    for clip, sound in zip(clips, sounds, strict=True):
        noisy = with_noise(clip, recordings, level, seed=0)
        added = noisy.read() - sound
        assert np.sqrt(np.mean(np.square(added, dtype=np.float64))) == pytest.approx(level, rel=1e-3)
        assert np.array_equal(noisy.read(), noisy.read())
        heard.append(added)
    assert not np.array_equal(heard[0], heard[1])


def test_a_folder_without_noise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recordings of noise under"):
        read_noise(tmp_path)
