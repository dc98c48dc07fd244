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
from asdstream.evidence.error_map import ErrorMap

MEL_BANDS = 128
MOST_COLUMNS = 2_048
PIXELS_PER_S = 32
PIXELS_PER_TICK = 60
HEIGHT = 256
LEAST_TOP_DB = 10.0
"""Brightest in an error map, so that one of normal sound is dark."""
LEFT, RIGHT, ABOVE, BELOW = 64, 16, 30, 34


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One spectrogram: a title, 16-bit samples (n,) at 16 kHz, and the second to be marked, if any."""

    title: str
    samples: NDArray[np.int16]
    mark_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MapPanel:
    """An error map with its title: bright where the sound is louder than expected."""

    title: str
    error_map: ErrorMap


def picture_of(panels: Sequence[Panel | MapPanel]) -> bytes:
    """The panels below each other as PNG: seconds to the right, mel frequency upwards.

    Spectrograms have one scale of colours, error maps another. At least one panel is a spectrogram.
    """
    spectrograms = [_shown(panel) for panel in panels]
    loudness = loudness_range(
        [shown.mel for panel, shown in zip(panels, spectrograms, strict=True) if isinstance(panel, Panel)]
    )
    widths = [max(PIXELS_PER_S, round(_seconds(panel) * PIXELS_PER_S)) for panel in panels]
    row = ABOVE + HEIGHT + BELOW
    sheet = Sheet(LEFT + max(widths) + RIGHT, row * len(panels))
    for index, (panel, shown, width) in enumerate(zip(panels, spectrograms, widths, strict=True)):
        y = index * row + ABOVE
        sheet.words(LEFT, y - 20, panel.title, room=max(widths))
        surprise = (0.0, max(float(shown.mel.max()), LEAST_TOP_DB))
        sheet.spectrogram(LEFT, y, (width, HEIGHT), shown, loudness if isinstance(panel, Panel) else surprise)
        seconds = width / PIXELS_PER_S
        time = Scale(0.0, seconds, LEFT, LEFT + width)
        sheet.bottom_axis(time, y + HEIGHT, time_ticks(seconds, max(1, width // PIXELS_PER_TICK)))
        if isinstance(panel, Panel) and panel.mark_s is not None:
            x = min(time.at(panel.mark_s), LEFT + width - 1)
            sheet.line([(x, y), (x, y + HEIGHT - 1)], MARK, 2)
    return sheet.png()


def _seconds(panel: Panel | MapPanel) -> float:
    if isinstance(panel, Panel):
        return len(panel.samples) / SAMPLE_RATE
    return len(panel.error_map.excess_db[0]) * panel.error_map.step_s


def _shown(panel: Panel | MapPanel) -> MelSpectrogram:
    if isinstance(panel, Panel):
        return _spectrogram(panel.samples)
    found = panel.error_map
    times = (np.arange(found.excess_db.shape[1]) + 0.5) * found.step_s
    edges = np.array(found.edges_hz)
    middles = (edges[:-1] + edges[1:]) / 2.0
    return MelSpectrogram(found.excess_db, times.astype(np.float32), middles.astype(np.float32))


def _spectrogram(samples: NDArray[np.int16]) -> MelSpectrogram:
    """Of a sound that is shorter than a frame, what it is with silence after it."""
    sound = samples.astype(np.float32) / 32_768.0
    sound = np.pad(sound, (0, max(0, round(FRAME_S * SAMPLE_RATE) - len(sound))))
    return mel_spectrogram(sound, SAMPLE_RATE, MEL_BANDS, MOST_COLUMNS)
