"""A clip to look at: spectrograms with axes."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from asdstream.audio.window import SAMPLE_RATE

FRAME = 512
STEP = 256
MEL_BANDS = 128
RANGE_DB = 70.0
PIXELS_PER_S = 32
HEIGHT = 256
LEFT, RIGHT, ABOVE, BELOW = 64, 16, 30, 34
TICKS_HZ = (125, 250, 500, 1_000, 2_000, 4_000, 8_000)
_STOPS = np.array(
    [
        [0, 0, 4],
        [40, 11, 84],
        [101, 21, 110],
        [159, 42, 99],
        [212, 72, 66],
        [245, 125, 21],
        [250, 193, 39],
        [252, 255, 164],
    ]
)
"""From dark to bright, in steps that the eye takes for equal, also without colour."""
INK, PAPER, MARK = (30, 30, 30), (255, 255, 255), (0, 200, 255)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One spectrogram: a title, 16-bit samples (n,) at 16 kHz, and the second to be marked, if any."""

    title: str
    samples: NDArray[np.int16]
    mark_s: float | None = None


def picture_of(panels: Sequence[Panel]) -> bytes:
    """The spectrograms below each other as PNG: seconds to the right, mel frequency upwards, one scale of colours."""
    spectrograms = [_mel_db(panel.samples) for panel in panels]
    top = max(float(levels.max()) for levels in spectrograms)
    widths = [max(PIXELS_PER_S, round(len(panel.samples) / SAMPLE_RATE * PIXELS_PER_S)) for panel in panels]
    row = ABOVE + HEIGHT + BELOW
    picture = Image.new("RGB", (LEFT + max(widths) + RIGHT, row * len(panels)), PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13)
    for index, (panel, levels, width) in enumerate(zip(panels, spectrograms, widths, strict=True)):
        y = index * row + ABOVE
        picture.paste(_colours(levels, top).resize((width, HEIGHT), Image.Resampling.BILINEAR), (LEFT, y))
        draw.text((LEFT, y - 20), panel.title, INK, font)
        _axes(draw, font, y, width)
        if panel.mark_s is not None:
            x = LEFT + min(width - 1, round(panel.mark_s * PIXELS_PER_S))
            draw.line((x, y, x, y + HEIGHT - 1), MARK, 2)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def _axes(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, y: int, width: int) -> None:
    low, high = _mel(0.0), _mel(SAMPLE_RATE / 2.0)
    for hertz in TICKS_HZ:
        tick = y + round((HEIGHT - 1) * float(1.0 - (_mel(hertz) - low) / (high - low)))
        draw.line((LEFT - 5, tick, LEFT - 1, tick), INK)
        name = f"{hertz} Hz" if hertz < 1_000 else f"{hertz // 1_000} kHz"
        draw.text((LEFT - 8, tick), name, INK, font, anchor="rm")
    for second in range(0, width // PIXELS_PER_S + 1, 5 if width > 8 * PIXELS_PER_S else 1):
        x = LEFT + second * PIXELS_PER_S
        draw.line((x, y + HEIGHT, x, y + HEIGHT + 4), INK)
        draw.text((x, y + HEIGHT + 6), f"{second} s", INK, font, anchor="ma")


def _colours(levels: NDArray[np.float32], top: float) -> Image.Image:
    """Levels (frames, bands) in dB as a picture of that many pixels, low frequencies at the bottom."""
    place = np.clip((levels.T[::-1] - (top - RANGE_DB)) / RANGE_DB, 0.0, 1.0) * (len(_STOPS) - 1)
    lower = np.minimum(place.astype(int), len(_STOPS) - 2)
    part = (place - lower)[..., None]
    colours = _STOPS[lower] * (1.0 - part) + _STOPS[lower + 1] * part
    return Image.fromarray(np.rint(colours).astype(np.uint8), "RGB")


def _mel_db(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """(frames, 128) levels in dB, one frame every 16 ms; a sound shorter than a frame is padded."""
    sound = samples.astype(np.float32) / 32_768.0
    sound = np.pad(sound, (0, max(0, FRAME - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::STEP]
    spectra = np.fft.rfft(frames * np.hanning(FRAME).astype(np.float32), axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    return np.asarray(10.0 * np.log10(power @ _filters().T + 1e-9), np.float32)


def _filters() -> NDArray[np.float32]:
    """Triangles on the mel scale, (128, 257); those narrower than a bin take what lies between its neighbours."""
    points = np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2.0), MEL_BANDS + 2)
    at = _mel(np.fft.rfftfreq(FRAME, 1.0 / SAMPLE_RATE))
    width = np.maximum(points[1] - points[0], np.abs(np.gradient(at)))
    return np.asarray(np.clip(1.0 - np.abs(points[1:-1, None] - at) / width, 0.0, None), np.float32)


def _mel(hertz: float | NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(1_127.0 * np.log1p(np.asarray(hertz) / 700.0))
