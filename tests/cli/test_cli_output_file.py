"""Files that an option names: refused before the work, or written whole."""

from pathlib import Path

import pytest
from processes import asdstream_here

from asdstream.cli.output_file import OutputFile, OutputFileError
from asdstream.config import ConfigError


def full(path: Path, data: bytes, mode: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("figures.txt", "the name should end with .json"),
        ("none/figures.json", "none does not exist"),
        ("folder.json", "it is there already and no file; name another"),
        (f"{'long' * 100}/figures.json", "it cannot be written: File name too long"),
    ],
)
def test_a_file_that_cannot_be_is_refused_at_once(name: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ConfigError, match=r"^--json") as refused:
        OutputFile("--json", tmp_path / name, (".json",))
    assert complaint in str(refused.value)


def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(ConfigError, match="--json /dev/null: it is there already and no file"):
        OutputFile("--json", Path("/dev/null"))


def test_a_folder_that_this_user_may_not_write_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ConfigError, match=f"this user may not write to the folder {tmp_path}"):
        OutputFile("--json", tmp_path / "figures.json")


def test_what_is_written_replaces_what_was_there_and_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    OutputFile("--json", path).write(b"{}", 0o600)
    assert path.read_bytes() == b"{}"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_costs_the_file_and_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asdstream.atomic.write_bytes", full)
    with pytest.raises(OutputFileError, match="it cannot be written: No space left on device"):
        OutputFile("--json", tmp_path / "figures.json").write(b"{}")


def test_the_doctor_says_in_one_sentence_that_its_archive_does_not_fit_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asdstream.atomic.write_bytes", full)
    monkeypatch.setattr("asdstream.doctor.examination.examine", lambda *_, **__: iter(()))
    archive = tmp_path / "support.zip"
    done = asdstream_here("doctor", "-c", tmp_path / "none.toml", "--bundle", archive)
    assert done.returncode == 1
    assert done.stderr == f"asdstream: --bundle {archive}: it cannot be written: No space left on device\n"
