"""A recording and what its windows scored: what there is to draw of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from asdstream.drawing.mel_spectrogram import FRAME_S, MelSpectrogram, mel_spectrogram

CEILING = 4.0
"""Times the threshold: what lies far over it would make all else look like nothing."""
HEADROOM = 1.08
LEAST = 1e-9
MEL_BANDS = 128
COLUMNS = 1_200
"""Of a spectrogram, from the beginning of a recording to its end, whatever its length."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRecording:
    """Scores of windows of `window_s`, the first at the recording's beginning, one every `hop_s`.

    `score` stands for the whole recording. `threshold` is None where nobody knows one.
    """

    name: str
    seconds: float
    spectrogram: MelSpectrogram
    scores: tuple[float, ...]
    window_s: float
    hop_s: float
    score: float
    threshold: float | None

    @classmethod
    def of(
        cls,
        name: str,
        samples: NDArray[np.float32],
        sample_rate: int,
        scores: Sequence[float],
        window_s: float,
        hop_s: float,
        score: float,
        threshold: float | None,
    ) -> Self:
        """Of a recording's samples (n,); what is kept of them is small, however long it is."""
        # Silence after what is shorter than a frame.
        heard = np.pad(samples, (0, max(0, round(FRAME_S * sample_rate) - len(samples))))
        spectrogram = mel_spectrogram(heard, sample_rate, MEL_BANDS, COLUMNS)
        seconds = len(samples) / sample_rate
        return cls(name, seconds, spectrogram, tuple(map(float, scores)), window_s, hop_s, score, threshold)

    @property
    def anomalous(self) -> bool:
        """Whether its score is over the threshold."""
        return self.threshold is not None and self.score > self.threshold

    @property
    def verdict(self) -> str:
        """In one line."""
        figures = f"score {self.score:.4f}, highest {max(self.scores):.4f}"
        if self.threshold is None:
            return f"{figures}, no threshold"
        return f"{'ANOMALOUS' if self.anomalous else 'normal'}: {figures}, threshold {self.threshold:.4f}"

    @property
    def score_range(self) -> tuple[float, float]:
        """From which score to which is drawn: up to the highest, but no further than four times the threshold."""
        highest = max(*self.scores, self.threshold or 0.0, LEAST)
        if self.threshold is not None and self.threshold > 0.0:
            highest = min(highest, CEILING * self.threshold)
        return min(0.0, *self.scores), HEADROOM * highest

    @property
    def cut_off(self) -> bool:
        """Whether there are scores beyond that range."""
        return max(self.scores) > self.score_range[1]

    def steps(self, most: int) -> tuple[Numbers, Numbers]:
        """The scores (n,) as steps, and where each begins, in seconds, with the end of the last, (n + 1,).

        Every moment has the score of the window whose middle is nearest. Of more than `most`, neighbours are put
        together, and the highest of them stays.
        """
        per_step = -(-len(self.scores) // most)
        starts = np.arange(0, len(self.scores), per_step)
        highest = np.maximum.reduceat(np.array(self.scores, dtype=np.float64), starts)
        between = (starts[1:] - 0.5) * self.hop_s + self.window_s / 2.0
        return np.concatenate([[0.0], between, [self.seconds]]), highest
