"""Where a number lies along an axis, and which numbers are marked there. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asdstream.drawing.mel_spectrogram import mel_of

Tick = tuple[float, str]
"""A number and the words beside it."""
FREQUENCIES_HZ = (125, 250, 500, 1_000, 2_000, 4_000, 8_000)
_TIME_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600)
_MINUTE_S, _HOUR_S = 60, 3_600


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers from `low` to `high` on the pixels from `first` to `last`, as `shape` spaces them.

    Example:
        >>> Scale(0.0, 10.0, 100, 200).at(5.0)
        150
    """

    low: float
    high: float
    first: int
    last: int
    shape: Callable[[float], float] = float

    def at(self, value: float) -> int:
        """The pixel of `value`; what lies outside is at the nearer end."""
        low, high = self.shape(self.low), self.shape(self.high)
        part = (self.shape(min(max(value, self.low), self.high)) - low) / (high - low)
        return self.first + round(part * (self.last - self.first))


def mel_shape(hertz: float) -> float:
    """Spaces frequencies as a mel spectrogram does."""
    return float(mel_of(hertz))


def frequency_ticks() -> Sequence[Tick]:
    """Octaves, such as "500 Hz" and "4 kHz"."""
    return [(hertz, f"{hertz} Hz" if hertz < 1_000 else f"{hertz // 1_000} kHz") for hertz in FREQUENCIES_HZ]


def time_ticks(seconds: float, most: int) -> Sequence[Tick]:
    """From 0 to `seconds`, at most `most` and the 0: "5 s", or "2:30" and "1:00:00" where it is longer than minutes."""
    step = next(
        (step for step in _TIME_STEPS_S if seconds / step <= most), math.ceil(seconds / most / _HOUR_S) * _HOUR_S
    )
    return [(second, clock_text(second, seconds)) for second in range(0, math.floor(seconds) + 1, step)]


def clock_text(second: float, longest: float) -> str:
    """`second` in the form that the longest of several needs."""
    whole = round(second)
    if longest < 2 * _MINUTE_S:
        return f"{whole} s"
    minutes = f"{whole // _MINUTE_S}:{whole % _MINUTE_S:02d}"
    return minutes if longest < _HOUR_S else f"{whole // _HOUR_S}:{whole // _MINUTE_S % 60:02d}:{whole % _MINUTE_S:02d}"


def round_ticks(low: float, high: float, most: int) -> Sequence[Tick]:
    """Round numbers between the two, at most `most`, or one more."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * (1.0 - 1e-9))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:.{digits}f}") for number in range(first, last + 1)]


def decade_ticks(low: float, high: float) -> Sequence[Tick]:
    """1, 2 and 5 times the powers of ten from `low` to `high`, both over 0, for a logarithmic scale."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [(number, f"{number:.12g}") for number in found if low * (1 - 1e-9) <= number <= high * (1 + 1e-9)]
