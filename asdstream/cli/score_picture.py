"""The picture that `asdstream score` draws."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE, WINDOW_SECONDS
from asdstream.cli.output_file import OutputFile
from asdstream.config import ConfigError
from asdstream.drawing.recordings_page import plotly_problem, recordings_page
from asdstream.drawing.recordings_picture import draw_recordings
from asdstream.drawing.scored_recording import ScoredRecording

MOST_RECORDINGS = 50
PAGE, SHEET = ".html", ".png"


class ScorePicture:
    """Draws recordings below each other into the file `path`; what it holds of each is small, however long it is.

    Raises ConfigError where the file cannot be one.
    """

    def __init__(self, path: Path) -> None:
        self._file = OutputFile("--picture", path, (SHEET, PAGE))
        self._path = path
        self._recordings: list[ScoredRecording] = []
        problem = plotly_problem() if self._is_page else None
        if problem is not None:
            raise ConfigError(f"--picture {path}: {problem}")

    @property
    def _is_page(self) -> bool:
        return self._path.suffix.lower() == PAGE

    def takes(self, recordings: int) -> None:
        """Raise ConfigError where one picture cannot show so many."""
        if recordings > MOST_RECORDINGS:
            raise ConfigError(
                f"--picture {self._path}: a picture shows at most {MOST_RECORDINGS} recordings, not {recordings}; "
                "name fewer"
            )

    def add(
        self,
        name: str,
        samples: NDArray[np.float32],
        scores: Sequence[float],
        hop_s: float,
        score: float,
        threshold: float | None,
    ) -> None:
        """A recording (n,) at 16 kHz, what its windows scored, and what it scored as a whole."""
        self._recordings.append(
            ScoredRecording.of(name, samples, SAMPLE_RATE, scores, WINDOW_SECONDS, hop_s, score, threshold)
        )

    def write(self) -> None:
        """Draw what was added. Raises OutputFileError."""
        content = recordings_page(self._recordings).encode() if self._is_page else draw_recordings(self._recordings)
        self._file.write(content)
