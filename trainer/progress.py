"""What someone who waits for a run sees."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINES = 10
"""Where the output is a file, a stage leaves this many lines there."""


class StageProgress:
    """A bar with rate and time left for each stage; a few lines where the output is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, sentence: str) -> None:
        """Say something between the bars."""
        self._console.print(sentence, highlight=False, markup=False)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator["StageCounter"]:
        """Show `what` going from 0 to `total`."""
        progress = Progress(
            # Names and folders may hold brackets.
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        with progress:
            yield StageCounter(progress, self._console, what, total)


class StageCounter:
    """How far one stage has come."""

    def __init__(self, progress: Progress, console: Console, what: str, total: int) -> None:
        self._progress = progress
        self._console = console
        self._what = what
        self._total = total
        self._done = 0
        self._clips = 0
        self._task = progress.add_task(what, total=total, note="")
        self._began = time.monotonic()

    def start_at(self, done: int) -> None:
        """What an earlier run did already; it does not count towards the rate."""
        self._done = done
        self._progress.reset(self._task, completed=done)

    def advance(self, count: int = 1, note: str = "", clips: int | None = None) -> None:
        """`count` more of the total are done, with `clips` clips in them (as many as `count` where None)."""
        part = LINES * self._done // self._total
        self._done += count
        self._clips += count if clips is None else clips
        seconds = time.monotonic() - self._began
        note = f"{note}  {self._clips / max(seconds, 1e-3):.1f} clips/s".strip()
        self._progress.update(self._task, completed=self._done, note=note)
        if not self._console.is_terminal and LINES * self._done // self._total > part:
            self._console.print(
                f"{self._what}: {self._done} of {self._total}, {note}, {seconds:.0f} s",
                highlight=False,
                markup=False,
            )
