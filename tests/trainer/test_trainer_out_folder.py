"""The folder that results go to is looked at before anything is computed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from trainer import cli
from trainer.errors import TrainerError
from trainer.out_folder import made_out_folder


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    made = made_out_folder(tmp_path / "runs" / "mine")
    assert list(made.iterdir()) == []
    assert made_out_folder(made) == made


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "--bundle", "builtin:demo", "--data"),
        ("baseline", "--data"),
        ("ablate", "--bundle", "builtin:demo", "--data"),
        ("separation", "--bundle", "builtin:demo", "--noise", "away", "--clean"),
    ],
    ids=lambda words: words[0],
)
def test_what_cannot_be_written_is_said_before_hours_are_spent_on_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    found = CliRunner().invoke(cli.app, [*words, str(tmp_path / "away"), "--out", str(out)]).exception
    assert isinstance(found, TrainerError)
    assert str(found) == f"--out {out} cannot be written to: not a directory; name a folder that can"
