"""A clip to look at: spectrograms with axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE
from asdstream.drawing.loudness import loudness_range
from asdstream.drawing.mel_spectrogram import FRAME_S, MelSpectrogram, mel_spectrogram
from asdstream.drawing.scale import Scale, time_ticks
from asdstream.drawing.sheet import MARK, Sheet

MEL_BANDS = 128
MOST_COLUMNS = 2_048
PIXELS_PER_S = 32
PIXELS_PER_TICK = 60
HEIGHT = 256
LEFT, RIGHT, ABOVE, BELOW = 64, 16, 30, 34


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One spectrogram: a title, 16-bit samples (n,) at 16 kHz, and the second to be marked, if any."""

    title: str
    samples: NDArray[np.int16]
    mark_s: float | None = None


def picture_of(panels: Sequence[Panel]) -> bytes:
    """The spectrograms below each other as PNG: seconds to the right, mel frequency upwards, one scale of colours."""
    spectrograms = [_spectrogram(panel.samples) for panel in panels]
    loudness = loudness_range([shown.mel for shown in spectrograms])
    widths = [max(PIXELS_PER_S, round(len(panel.samples) / SAMPLE_RATE * PIXELS_PER_S)) for panel in panels]
    row = ABOVE + HEIGHT + BELOW
    sheet = Sheet(LEFT + max(widths) + RIGHT, row * len(panels))
    for index, (panel, shown, width) in enumerate(zip(panels, spectrograms, widths, strict=True)):
        y = index * row + ABOVE
        sheet.words(LEFT, y - 20, panel.title, room=max(widths))
        sheet.spectrogram(LEFT, y, (width, HEIGHT), shown, loudness)
        seconds = width / PIXELS_PER_S
        time = Scale(0.0, seconds, LEFT, LEFT + width)
        sheet.bottom_axis(time, y + HEIGHT, time_ticks(seconds, max(1, width // PIXELS_PER_TICK)))
        if panel.mark_s is not None:
            x = min(time.at(panel.mark_s), LEFT + width - 1)
            sheet.line([(x, y), (x, y + HEIGHT - 1)], MARK, 2)
    return sheet.png()


def _spectrogram(samples: NDArray[np.int16]) -> MelSpectrogram:
    """Of a sound that is shorter than a frame, what it is with silence after it."""
    sound = samples.astype(np.float32) / 32_768.0
    sound = np.pad(sound, (0, max(0, round(FRAME_S * SAMPLE_RATE) - len(sound))))
    return mel_spectrogram(sound, SAMPLE_RATE, MEL_BANDS, MOST_COLUMNS)
