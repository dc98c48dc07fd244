"""From two sounds to what sets them apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import SAMPLE_RATE
from asdstream.evidence.band_changes import band_changes, gain_between
from asdstream.evidence.evidence import BandChange, Evidence, NearestNormal
from asdstream.evidence.profile import Profile
from asdstream.evidence.repetition import repetition_hz
from asdstream.evidence.sentence import sentence

LATEST_S = 6.0
"""When some windows over the threshold have raised the alarm, the latest often begins with normal sound."""


@dataclass(frozen=True, slots=True, eq=False)
class NormalSound:
    """Normal sound to compare with: 16 kHz mono `samples` (n,) of at least a second, and its `label`.

    `reference/<ulid>` was enrolled on site; `heard/<time>` is what the channel itself heard at that time, when it was
    scored normal.
    """

    label: str
    samples: NDArray[np.float32]


def explain(heard: NDArray[np.float32], normal: NormalSound | None, nearest: NearestNormal) -> Evidence:
    """What sets `heard`, 16 kHz mono of shape (n,), apart from `normal`; `nearest` is what the score says."""
    if normal is None:
        return Evidence(nearest, None, (), None, "there is no normal sound of this machine at hand to compare with")
    latest = heard[-round(LATEST_S * SAMPLE_RATE) :]
    before, now = Profile.of(normal.samples), Profile.of(latest)
    changes = band_changes(before, now)
    beats = None if not changes else _beats(changes[0], latest, normal.samples)
    told = sentence(changes, beats, gain_between(before, now))
    return Evidence(nearest, normal.label, tuple(changes), beats, told)


def _beats(change: BandChange, heard: NDArray[np.float32], normal: NDArray[np.float32]) -> float | None:
    """The rhythm of what is new, or of what is missing."""
    return repetition_hz(heard if change.change_db > 0.0 else normal, change.low_hz, change.high_hz)
