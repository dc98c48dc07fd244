"""What someone who waits for a run sees."""

import io

import pytest
from rich.console import Console

from trainer.progress import StageProgress


@pytest.mark.parametrize("terminal", [False, True])
def test_folders_whose_names_hold_brackets_are_shown_as_they_are(terminal: bool) -> None:
    shown = io.StringIO()
    progress = StageProgress(Console(file=shown, width=200, force_terminal=terminal, no_color=True))
    with progress.counting("fan [/old]: sound", 2) as counter:
        counter.advance(1, "loss [b]1[/b]")
        counter.advance(1, "loss [b]1[/b]")
        progress.note("runs/[/old] is full")
    assert "fan [/old]: sound" in shown.getvalue()
    assert "loss [b]1[/b]" in shown.getvalue()
    assert "runs/[/old] is full" in shown.getvalue()


def test_a_file_gets_a_few_lines_however_many_steps_there_are() -> None:
    shown = io.StringIO()
    with StageProgress(Console(file=shown, width=200)).counting("phase1", 1000) as counter:
        for _ in range(1000):
            counter.advance()
    lines = shown.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("phase1: 1000 of 1000, ")
