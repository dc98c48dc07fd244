"""`asdtrain checkpoint` tells what a file is, or in one sentence why it cannot be used."""

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asdstream.models.checkpoint import CheckpointError
from trainer.cli import app


def test_it_tells_kind_hash_and_licence(conformance_dir: Path) -> None:
    file = conformance_dir / "audiomae" / "audiomae_tiny.pth"
    result = CliRunner().invoke(app, ["checkpoint", str(file), "--heads", "4"])
    assert result.exit_code == 0
    assert "AudioMAE, pre-trained, with its decoder" in result.stdout
    assert "0.2 million numbers" in result.stdout
    assert hashlib.sha256(file.read_bytes()).hexdigest() in result.stdout
    assert "CC BY-NC 4.0" in result.stdout


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("not weights")
    with pytest.raises(CheckpointError, match=r"notes\.pt"):
        CliRunner().invoke(app, ["checkpoint", str(tmp_path / "notes.pt")], catch_exceptions=False)
