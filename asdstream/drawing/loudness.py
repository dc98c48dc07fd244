"""Loudness as colour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from asdstream.drawing.mel_spectrogram import FLOOR_DB, Floats

RANGE_DB = 70.0
LEAST_RANGE_DB = 20.0
STOPS = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)
"""From dark to bright, evenly apart, in steps that the eye takes for equal, also without colour."""


def loudness_range(levels: Sequence[Floats]) -> tuple[float, float]:
    """The levels in dB that are darkest and brightest, so that pictures of `levels` can be compared.

    What lies 70 dB under the loudest is dark, and so is digital silence.
    """
    loudest = max(float(one.max()) for one in levels)
    darkest = max(loudest - RANGE_DB, FLOOR_DB)
    return darkest, max(loudest, darkest + LEAST_RANGE_DB)


def painted(levels: Floats, loudness: tuple[float, float]) -> Image.Image:
    """Levels (bands, columns) in dB as a picture of that many pixels, the first band at the bottom."""
    darkest, brightest = loudness
    stops: NDArray[np.float64] = np.array(STOPS, dtype=np.float64)
    place = np.clip((levels[::-1] - darkest) / (brightest - darkest), 0.0, 1.0) * (len(stops) - 1)
    lower = np.minimum(place.astype(int), len(stops) - 2)
    part = (place - lower)[..., None]
    colours = stops[lower] * (1.0 - part) + stops[lower + 1] * part
    return Image.fromarray(np.rint(colours).astype(np.uint8), "RGB")
