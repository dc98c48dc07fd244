"""Evidence as people say it."""

from collections.abc import Sequence

from asdstream.evidence.bands import EDGES_HZ
from asdstream.evidence.evidence import BandChange

GAIN_DB = 6.0
"""A change of the gain that is worth a word."""


def sentence(changes: Sequence[BandChange], beats_hz: float | None, gain_db: float) -> str:
    """What `changes`, the most telling first, the rhythm of the first, and the gain of all bands amount to.

    Example:
        >>> sentence([BandChange(2818.4, 3548.1, 9.0)], 14.2, 0.0)
        'new energy around 2.8-3.5 kHz (+9 dB), 14 times a second'
    """
    parts = [_change(change) for change in changes]
    if parts:
        parts[0] += f", {_rhythm(beats_hz)}"
    if abs(gain_db) >= GAIN_DB:
        parts.append(f"{abs(gain_db):.0f} dB {'louder' if gain_db > 0.0 else 'quieter'} as a whole")
    return "; ".join(parts) or "no range of frequencies stands out against normal sound"


def _change(change: BandChange) -> str:
    what = "new energy" if change.change_db > 0.0 else "less energy"
    return f"{what} {_where(change.low_hz, change.high_hz)} ({change.change_db:+.0f} dB)"


def _where(low_hz: float, high_hz: float) -> str:
    if low_hz <= EDGES_HZ[0] and high_hz >= EDGES_HZ[-1]:
        return "at all frequencies"
    if low_hz <= EDGES_HZ[0]:
        return f"below {_hertz(high_hz)}"
    if high_hz >= EDGES_HZ[-1]:
        return f"above {_hertz(low_hz)}"
    if low_hz >= 1_000.0:
        return f"around {low_hz / 1_000.0:.1f}-{high_hz / 1_000.0:.1f} kHz"
    if high_hz < 1_000.0:
        return f"around {low_hz:.0f}-{high_hz:.0f} Hz"
    return f"around {_hertz(low_hz)} to {_hertz(high_hz)}"


def _hertz(value: float) -> str:
    return f"{value:.0f} Hz" if value < 1_000.0 else f"{value / 1_000.0:.1f} kHz"


def _rhythm(beats_hz: float | None) -> str:
    if beats_hz is None:
        return "without a rhythm"
    if beats_hz < 10.0:
        return f"{beats_hz:.1f} times a second"
    return f"{beats_hz:.0f} times a second"
