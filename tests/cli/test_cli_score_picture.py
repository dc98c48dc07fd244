"""`asdstream score --picture`, as a stranger meets it."""

import json
from pathlib import Path

import pytest
import soundfile
from PIL import Image
from processes import asdstream_here
from small_bundle import fan_sound, strange_sound

from asdstream.cli import score


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    soundfile.write(folder / "a_normal.wav", fan_sound(12, seed=201), 16_000)
    soundfile.write(folder / "b_strange.flac", strange_sound(11, seed=202), 16_000)
    soundfile.write(folder / "c_short.wav", fan_sound(1, seed=203)[:500], 16_000)
    return folder


@pytest.mark.parametrize("name", ["scores.png", "scores.HTML"])
def test_score_draws_every_recording_beside_printing_it(
    name: str, clips: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "AT_ONCE", 2)
    path = tmp_path / name
    scored = ("score", clips, "--bundle", small_bundle, "--machine-type", "fan", "--json")
    done = asdstream_here(*scored, "--picture", path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [len(row["windows"]) for row in rows] == [3, 2, 1], "those scored at once are put together"
    if path.suffix == ".png":
        assert Image.open(path).height % 3 == 0, "three rows"
    else:
        text = path.read_text()
        assert all(recording.name in text for recording in clips.iterdir())
        assert f"score {rows[0]['score']:.4f}, highest {rows[0]['largest']:.4f}" in text


def test_a_recording_that_cannot_be_read_is_not_in_the_picture(clips: Path, small_bundle: Path, tmp_path: Path) -> None:
    (clips / "a_normal.wav").write_bytes(b"RIFF")
    path = tmp_path / "scores.html"
    done = asdstream_here("score", clips, "--bundle", small_bundle, "--machine-type", "fan", "--picture", path)
    assert done.returncode == 1
    text = path.read_text()
    assert "b_strange.flac" in text
    assert "a_normal.wav" not in text


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        ("scores.jpg", "the name should end with .png or .html"),
        ("/no/such/folder/scores.png", "the folder /no/such/folder does not exist"),
    ],
)
def test_a_picture_that_cannot_be_is_refused_before_anything_is_scored(
    picture: str, complaint: str, clips: Path
) -> None:
    done = asdstream_here("score", clips, "--bundle", "/no/such/bundle", "--machine-type", "fan", "--picture", picture)
    assert done.returncode == 78
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_more_recordings_than_a_picture_shows_are_refused(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.cli.score_picture.MOST_RECORDINGS", 2)
    done = asdstream_here("score", clips, "--picture", tmp_path / "scores.png")
    assert done.returncode == 78
    assert "a picture shows at most 2 recordings, not 3" in done.stderr


def test_a_disk_that_does_not_take_the_picture_is_named(
    clips: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, mode: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asdstream.atomic.write_bytes", full)
    path = tmp_path / "scores.png"
    done = asdstream_here("score", clips, "--bundle", small_bundle, "--machine-type", "fan", "--picture", path)
    assert done.returncode == 1
    assert f"--picture {path}: it cannot be written: No space left on device" in done.stderr
