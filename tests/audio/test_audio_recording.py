import io
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asdstream.audio.block import Break
from asdstream.audio.file import FileSource
from asdstream.audio.recording import find_recordings, read_recording
from asdstream.audio.source import AudioError, SourceState


def write(path: Path, seconds: float = 1.0, rate: int = 16_000, channels: int = 1, subtype: str = "PCM_16") -> Path:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype)
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "A.WAV"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_recording_is_read_whole(tmp_path: Path, name: str, subtype: str) -> None:
    path = write(tmp_path / name, 2.5, 44_100, 2, subtype)
    block = read_recording(path)
    assert block.sample_rate == 44_100
    assert block.samples.shape == (110_250, 2)
    assert block.samples.dtype == np.float32
    assert np.array_equal(block.samples, soundfile.read(path, dtype="float32", always_2d=True)[0])


def test_a_real_recording_is_read(data_dir: Path) -> None:
    path = find_recordings([data_dir / "mimii" / "fan" / "id_00" / "normal"])[0]
    block = read_recording(path)
    assert block.sample_rate == 16_000
    assert block.samples.shape == (160_000, 1)


def test_folders_are_searched_to_the_bottom_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/1.flac", "a.WAV"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    found = find_recordings([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.WAV", "b/1.flac", "b/2.wav"]


def test_what_cannot_be_found_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.mp3").write_bytes(b"ID3")
    (tmp_path / "empty").mkdir()
    for path, says in (("gone.wav", "does not exist"), ("x.mp3", "neither"), ("empty", "holds no recording")):
        with pytest.raises(AudioError, match=says):
            find_recordings([tmp_path / path])
    with pytest.raises(AudioError, match="no recording is named"):
        find_recordings([])


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Every kind of recording that cannot be used, with what the error says about it."""
    whole_wav = write(folder / "whole.wav", 3.0).read_bytes()
    whole_flac = write(folder / "whole.flac", 3.0).read_bytes()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as header_only:
        header_only.setparams((1, 2, 16_000, 0, "NONE", ""))
    not_numbers = np.zeros((16_000, 1), np.float32)
    not_numbers[8000:8010] = np.nan
    no_length = bytearray(whole_flac)
    no_length[21] &= 0xF0
    no_length[22:26] = bytes(4)
    files = {
        "empty": (b"", r"is empty \(0 bytes\)"),
        "zero_length": (buffer.getvalue(), "zero length"),
        "truncated_wav": (whole_wav[:50_000], "truncated: its header states 96000 bytes of sound, 49956 are there"),
        "header_cut": (whole_wav[:30], "not a whole WAV"),
        "truncated_flac": (whole_flac[: len(whole_flac) // 2], "truncated"),
        "flac_header_only": (whole_flac[:42], "truncated|not a WAV or FLAC"),
        "flac_without_length": (bytes(no_length), "does not state its length"),
        "not_audio": (b"hello world, this is no sound at all" * 20, "not a WAV or FLAC recording"),
    }
    result = {}
    for name, (content, says) in files.items():
        path = folder / f"{name}.{'flac' if 'flac' in name else 'wav'}"
        path.write_bytes(content)
        result[name] = (path, says)
    soundfile.write(folder / "nan.wav", not_numbers, 16_000, "FLOAT")
    result["nan"] = (folder / "nan.wav", "10 frames that are not a number .* first at 0.500 s")
    soundfile.write(folder / "ogg.wav", not_numbers[:100], 16_000, format="OGG")
    result["another_format"] = (folder / "ogg.wav", "holds OGG, not WAV or FLAC")
    soundfile.write(folder / "slow.wav", np.zeros(100), 100)
    result["rate"] = (folder / "slow.wav", "sample rate is 100 Hz where 8000 to 192000 Hz are taken")
    result["gone"] = (folder / "gone.wav", "cannot be read: No such file")
    return result


BAD = [
    "empty",
    "zero_length",
    "truncated_wav",
    "header_cut",
    "truncated_flac",
    "flac_header_only",
    "flac_without_length",
    "not_audio",
    "nan",
    "another_format",
    "rate",
    "gone",
]


@pytest.mark.parametrize("kind", BAD)
def test_a_recording_that_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    path, says = bad_files(tmp_path)[kind]
    with pytest.raises(AudioError, match=says) as caught:
        read_recording(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recording_louder_than_any_sound_is_refused(tmp_path: Path) -> None:
    samples = np.zeros(100, np.float32)
    samples[80:] = 1e30
    soundfile.write(tmp_path / "absurd.wav", samples, 16_000, "FLOAT")
    with pytest.raises(AudioError, match=r"absurd\.wav holds 20 frames that are louder than .* first at 0\.005 s"):
        read_recording(tmp_path / "absurd.wav")


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"\.wav cannot be read: File name too long"):
        find_recordings([tmp_path / f"{'long' * 100}.wav"])


def test_as_fast_as_asked_every_sample_is_played_and_each_file_begins_anew(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1.wav", 1.3), write(tmp_path / "2.flac", 0.7, 48_000, 2)
    source = FileSource([tmp_path], realtime=False)
    assert source.state is SourceState.WAITING
    source.start(0.0)
    blocks = []
    while source.state is SourceState.LIVE:
        blocks += source.poll(0.0)
    assert not source.paced
    assert source.state is SourceState.ENDED
    assert [block.break_before for block in blocks] == [Break.RECORDING, None, None, Break.RECORDING, None]
    assert np.array_equal(np.concatenate([b.samples for b in blocks[:3]]), read_recording(first).samples)
    assert np.array_equal(np.concatenate([b.samples for b in blocks[3:]]), read_recording(second).samples)


def test_in_real_time_no_more_is_played_than_time_has_passed(tmp_path: Path) -> None:
    write(tmp_path / "1.wav", 3.0)
    write(tmp_path / "2.wav", 3.0)
    source = FileSource([tmp_path], realtime=True)
    source.start(100.0)
    assert source.paced
    played = 0.0
    for tenth in range(70):
        played += sum(len(block.samples) / 16_000 for block in source.poll(100.0 + tenth / 10))
        assert tenth / 10 - 0.51 <= min(played, 6.0) or played == 6.0
        assert played <= tenth / 10
    assert played == 6.0
    assert source.poll(110.0) == []
    assert source.state is SourceState.ENDED


def test_a_loop_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "1.wav", 0.5)
    source = FileSource([tmp_path], realtime=False, loop=True)
    source.start(0.0)
    blocks = [block for _ in range(10) for block in source.poll(0.0)]
    assert len(blocks) == 10
    assert {block.break_before for block in blocks} == {Break.RECORDING}


def test_bad_files_are_counted_and_passed_over(tmp_path: Path) -> None:
    bad_files(tmp_path)
    source = FileSource([tmp_path], realtime=False)
    source.start(0.0)
    blocks = []
    while source.state is SourceState.LIVE:
        blocks += source.poll(0.0)
    # The file with NaN is played, for the channel deals with those; the torn FLAC counts though its start is played.
    assert source.rejected == len(BAD) - 2
    assert sum(block.break_before is Break.RECORDING for block in blocks) == 4
    assert source.problem is not None


def test_a_loop_over_bad_files_alone_ends(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    source = FileSource([tmp_path], realtime=False, loop=True)
    source.start(0.0)
    assert source.poll(0.0) == []
    assert source.state is SourceState.ENDED
    assert "is empty" in (source.problem or "")
    source.stop()
    source.stop()
