"""Which bands are louder or quieter than they normally are."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from asdstream.evidence.bands import EDGES_HZ
from asdstream.evidence.evidence import BandChange
from asdstream.evidence.profile import Profile

LEAST_DB = 3.0
"""Twice the energy; less than that is heard by nobody and happens by itself."""
SPREADS = 3.0
"""So many standard errors of a difference of two sounds that vary alike must lie between them."""
ALIKE_DB = 1.5
HOME = 4
"""So many bands more must agree on another gain before the gain is taken to have changed."""
PART_OF_PEAK = 0.5
"""Bands beside the most changed one that changed less than this part of it are not named with it."""
MOST = 3
"""More ranges than this say only that everything is different."""


def gain_between(normal: Profile, heard: Profile) -> float:
    """By how many dB all of `heard` is louder: the gain under which most bands are as they were.

    Neither the mean nor the median would do: a fault that is heard in most bands would make the others seem quieter.
    The same microphone in the same place has a gain of 0, so another one needs more bands that agree on it.
    """
    changes = heard.level - normal.level
    agree = (np.abs(changes[:, None] - np.append(changes, 0.0)) <= ALIKE_DB).sum(axis=0)
    agree[-1] += HOME
    most = int(np.argmax(agree[::-1]))
    return float(np.append(changes, 0.0)[::-1][most])


def band_changes(normal: Profile, heard: Profile) -> list[BandChange]:
    """Ranges of bands in which `heard` differs from `normal` at equal gain, the most changed first, at most three."""
    change = heard.level - normal.level - np.float32(gain_between(normal, heard))
    # A fault that has just begun would hide itself, if how much it makes the sound vary counted against it.
    limit = np.maximum(LEAST_DB, SPREADS * np.sqrt(2.0) * normal.spread)
    found = [*_ranges(change, limit, 1.0), *_ranges(change, limit, -1.0)]
    return sorted(found, key=lambda one: -abs(one.change_db))[:MOST]


def _ranges(change: NDArray[np.float32], limit: NDArray[np.float32], sign: float) -> Iterator[BandChange]:
    """Neighbouring bands that changed by more than the limit, in the direction of `sign`."""
    left = np.where(sign * change >= limit, sign * change, 0.0)
    while left.any():
        peak = int(np.argmax(left))
        least = PART_OF_PEAK * left[peak]
        first = last = peak
        while first > 0 and left[first - 1] >= least:
            first -= 1
        while last + 1 < len(left) and left[last + 1] >= least:
            last += 1
        yield BandChange(float(EDGES_HZ[first]), float(EDGES_HZ[last + 1]), round(float(sign * left[peak]), 1))
        # Its slopes belong to it.
        while first > 0 and left[first - 1] > 0.0:
            first -= 1
        while last + 1 < len(left) and left[last + 1] > 0.0:
            last += 1
        left[first : last + 1] = 0.0
