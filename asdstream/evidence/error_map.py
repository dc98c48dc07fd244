"""Where a sound is louder than a network expects that was shown the rest of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_DB = 3.0
"""Twice the energy; less than that is no region to speak of."""
PART_OF_PEAK = 0.5
"""Patches beside the strongest one that reach this part of it belong to its region."""
SMOOTHED = 3
"""Patches along time that are averaged, because any one patch may be missed by chance."""


@dataclass(frozen=True, slots=True)
class ErrorRegion:
    """The strongest region of an error map: frequencies, seconds of the window, and its highest excess in dB."""

    low_hz: float
    high_hz: float
    from_s: float
    to_s: float
    excess_db: float


@dataclass(frozen=True, slots=True, eq=False)
class ErrorMap:
    """By how much each patch of a window is louder than the masked autoencoder draws it, beyond what is usual.

    `excess_db` (bands, times), low frequencies first, in dB; negative: quieter than drawn. A patch lasts `step_s`
    seconds, the first begins with the window; band i lies between `edges_hz[i]` and `edges_hz[i + 1]`. `region` is None
    where nothing is louder by 3 dB.
    """

    excess_db: NDArray[np.float32]
    step_s: float
    edges_hz: tuple[float, ...]
    region: ErrorRegion | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, rounded to a tenth of a decibel and to whole hertz."""
        region = self.region
        return {
            "step_s": self.step_s,
            "edges_hz": [round(edge) for edge in self.edges_hz],
            "excess_db": np.round(self.excess_db.astype(float), 1).tolist(),
            "region": None
            if region is None
            else {
                "low_hz": round(region.low_hz),
                "high_hz": round(region.high_hz),
                "from_s": round(region.from_s, 2),
                "to_s": round(region.to_s, 2),
                "excess_db": round(region.excess_db, 1),
            },
        }


def error_map(
    heard: NDArray[np.float32], normal: NDArray[np.float32], step_s: float, edges_hz: tuple[float, ...]
) -> ErrorMap:
    """Of the errors (times, bands) of a sound and of normal sound, in dB: what was there less what was drawn.

    What a network cannot draw of normal sound it cannot draw of this one either, so that is taken off, band by band:
    machines are not in step with their own recordings, so no moment of one belongs to a moment of the other.
    """
    excess = np.asarray((heard - normal.mean(axis=0)).T, np.float32)
    excess.setflags(write=False)
    return ErrorMap(excess, step_s, edges_hz, _strongest(excess, step_s, edges_hz))


def _strongest(excess: NDArray[np.float32], step_s: float, edges_hz: tuple[float, ...]) -> ErrorRegion | None:
    around = np.pad(excess, ((0, 0), (SMOOTHED // 2, SMOOTHED // 2)), mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(around, SMOOTHED, axis=1).mean(axis=-1)
    band, time = (int(place) for place in np.unravel_index(np.argmax(smooth), smooth.shape))
    peak = float(smooth[band, time])
    if peak < LEAST_DB:
        return None
    low, high = _stretch(smooth[:, time] >= PART_OF_PEAK * peak, band)
    begin, end = _stretch(smooth[band] >= PART_OF_PEAK * peak, time)
    return ErrorRegion(edges_hz[low], edges_hz[high], begin * step_s, end * step_s, peak)


def _stretch(belongs: NDArray[np.bool_], at: int) -> tuple[int, int]:
    """Where the stretch of true values around `at` begins, and the place after its end."""
    others = np.flatnonzero(~belongs)
    before, after = others[others < at], others[others > at]
    return int(before[-1]) + 1 if len(before) else 0, int(after[0]) if len(after) else len(belongs)
