"""What a channel sounded like when nothing was wrong, to compare with where no reference is enrolled."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asdstream.audio.window import Window
from asdstream.clips.roll import to_16_bit

CALM_LEVEL = 0.5
"""Halfway from the median of normal sound to the threshold; windows over it may already hold what raises the alarm."""
SPELL_S = 600.0
BOLDEST = 0.05
"""A window is taken for calmer only when it is so much calmer, so that few are copied."""


@dataclass(frozen=True, slots=True, eq=False)
class CalmWindow:
    """One window as 16-bit samples (160000,), when it began (UTC), and how calm it was."""

    samples: NDArray[np.int16]
    started_at: float
    calibrated: float


class CalmSound:
    """Keeps the calmest window of the present ten minutes and that of the ten before, 320 kB each.

    The earlier one is preferred: a fault that grows slowly is in the latest windows before they count as strange.
    """

    def __init__(self) -> None:
        self._present: CalmWindow | None = None
        self._before: CalmWindow | None = None
        self._spell_began: float | None = None

    @property
    def window(self) -> CalmWindow | None:
        """The one to compare with; None before there was any."""
        return self._before or self._present

    def hear(self, window: Window, calibrated: float) -> None:
        """A window was scored."""
        heard = window.captured
        if self._spell_began is None:
            self._spell_began = heard
        if heard - self._spell_began >= SPELL_S:
            self._spell_began = heard
            self._before, self._present = self._present or self._before, None
        least = CALM_LEVEL if self._present is None else self._present.calibrated - BOLDEST
        # Also false for what is no number.
        if calibrated <= least:
            self._present = CalmWindow(to_16_bit(window.samples), window.started_at, calibrated)
