"""A sheet to draw on: words, lines, axes and spectrograms, as PNG."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from asdstream.drawing.loudness import painted
from asdstream.drawing.mel_spectrogram import HIGHEST_HZ, LOWEST_HZ, MelSpectrogram
from asdstream.drawing.scale import Scale, Tick, frequency_ticks, mel_shape

Colour = tuple[int, int, int]
INK, FAINT, PAPER = (30, 30, 30), (215, 215, 215), (255, 255, 255)
CALM, ALARMING, MARK = (31, 78, 121), (192, 40, 40), (0, 200, 255)
"""What is as it should be, what is not, and a moment in a spectrogram."""
LETTERS = 13
TICK = 5
_MORE = "..."


class Sheet:
    """White paper, `width` by `height` pixels; places are counted from the upper left corner.

    Example:
        sheet = Sheet(200, 100)
        sheet.words(10, 10, "hello")
        sheet.png()
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self._image = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(LETTERS)

    def words(
        self, x: int, y: int, text: str, *, anchor: str = "la", ink: Colour = INK, room: int | None = None
    ) -> None:
        """`text` at its `anchor` (as pillow names it); what would be longer than `room` pixels is cut short."""
        if room is not None and self._font.getlength(text) > room:
            while text and self._font.getlength(text + _MORE) > room:
                text = text[:-1]
            text += _MORE
        self._draw.text((x, y), text, ink, self._font, anchor=anchor)

    def line(self, places: Sequence[tuple[int, int]], ink: Colour = INK, width: int = 1) -> None:
        """A line through the places."""
        self._draw.line(places, ink, width)

    def dashes(self, left: int, right: int, y: int, ink: Colour = INK) -> None:
        """A dashed line from left to right."""
        for x in range(left, right, 10):
            self._draw.line((x, y, min(x + 5, right), y), ink)

    def block(self, left: int, top: int, right: int, bottom: int, ink: Colour) -> None:
        """A filled rectangle, its edges included."""
        self._draw.rectangle((left, top, right, bottom), ink)

    def dot(self, x: int, y: int, ink: Colour, *, radius: int = 4, hollow: bool = False) -> None:
        """A round dot."""
        box = (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, PAPER if hollow else ink, ink, 2)

    def bottom_axis(self, scale: Scale, y: int, ticks: Sequence[Tick]) -> None:
        """Marks with words below the pixel row `y`."""
        for value, name in ticks:
            x = scale.at(value)
            self._draw.line((x, y, x, y + TICK - 1), INK)
            self._draw.text((x, y + TICK + 2), name, INK, self._font, anchor="ma")

    def left_axis(self, scale: Scale, x: int, ticks: Sequence[Tick]) -> None:
        """Marks with words to the left of the pixel column `x`."""
        for value, name in ticks:
            y = scale.at(value)
            self._draw.line((x - TICK, y, x - 1, y), INK)
            self._draw.text((x - TICK - 3, y), name, INK, self._font, anchor="rm")

    def spectrogram(
        self, left: int, top: int, size: tuple[int, int], shown: MelSpectrogram, loudness: tuple[float, float]
    ) -> None:
        """A spectrogram `size` (width, height) large, with its frequencies to the left."""
        self._image.paste(painted(shown.mel, loudness).resize(size, Image.Resampling.BILINEAR), (left, top))
        scale = Scale(LOWEST_HZ, HIGHEST_HZ, top + size[1] - 1, top, mel_shape)
        self.left_axis(scale, left, frequency_ticks())

    def png(self) -> bytes:
        """The sheet as a PNG file."""
        buffer = io.BytesIO()
        self._image.save(buffer, "PNG", optimize=False, compress_level=6)
        return buffer.getvalue()
