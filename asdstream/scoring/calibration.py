"""From scores of normal sound to a threshold that keeps a stated rate of false alarms."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.scoring.errors import CalibrationError
from asdstream.scoring.false_alarms import FalseAlarmRate
from asdstream.scoring.gamma import GammaTail

MIN_LOOKS = 10
"""Independent windows of normal sound (100 s) below which no tail is fitted: the method's number of references."""
MAX_EXTRAPOLATION = 100.0
"""A tail fitted to n independent windows is trusted to a probability of 1 / (100 n); beyond that we say so."""


def independent_looks(windows: int, hop_s: float) -> float:
    """How many windows without common sound fit into one recording that gave `windows` of them, `hop_s` apart."""
    return 0.0 if windows <= 0 else 1.0 + (windows - 1) * min(1.0, hop_s / WINDOW_SECONDS)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The tail of normal sound's anomaly scores: `location` + gamma(`shape`, `scale`).

    `median` and `largest` are those of the scores fitted, `scores` their number, `looks` the number of independent
    windows behind them. There is no unfitted calibration: `fit` makes one or raises CalibrationError.
    """

    shape: float
    scale: float
    location: float
    median: float
    largest: float
    looks: float
    scores: int

    @classmethod
    def fit(cls, scores: ArrayLike, looks: float | None = None) -> Self:
        """Fit to `scores` (n,) of normal sound that no prototype was made from.

        `looks` is how many independent windows they come from: fewer than n where windows overlap (sum
        `independent_looks` over the recordings); n where it is None.

        A gamma distribution with free origin by the method of moments, as `GammaTail.fit`.
        """
        values = checked_scores(scores)
        looks = float(values.size) if looks is None else min(float(looks), float(values.size))
        refuse_too_little(looks)
        tail = GammaTail.fit(values, looks)
        return cls(
            shape=tail.shape,
            scale=tail.scale,
            location=tail.location,
            median=float(np.median(values)),
            largest=float(values.max()),
            looks=looks,
            scores=int(values.size),
        )

    def threshold(self, false_alarms_per_day: float, hop_s: float, k: int, n: int) -> float:
        """The score that normal sound exceeds rarely enough.

        With q = `FalseAlarmRate.window_probability`, that is per_day k hop / 86400:

            threshold = max(location + scale Q(shape, q), largest),

        Q(shape, q) being the upper q quantile of the gamma distribution. Never below the largest score that normal
        sound was seen to reach, and always over the median.
        """
        probability = FalseAlarmRate(false_alarms_per_day, hop_s, k, n).window_probability()
        tail = GammaTail(self.shape, self.scale, self.location).quantile(probability)
        return max(tail, self.largest, self.median * (1 + 1e-6) + 1e-9)

    def calibrated(self, score: float, threshold: float) -> float:
        """Place `score` between the median of normal sound (0) and `threshold` (1): (score - median) / (t - median)."""
        return (score - self.median) / (threshold - self.median)

    def shortage(self, false_alarms_per_day: float, hop_s: float, k: int, n: int) -> str | None:
        """One sentence where the asked rate lies further out than this much normal sound can tell, else None."""
        probability = FalseAlarmRate(false_alarms_per_day, hop_s, k, n).window_probability()
        return shortage(false_alarms_per_day, self.looks, 1 / (probability * MAX_EXTRAPOLATION))

    def to_dict(self) -> dict[str, float | int]:
        """Plain numbers, for a bundle's manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave; raises CalibrationError where a number is missing, unknown or impossible."""
        names = [field.name for field in fields(cls)]
        for name in sorted(set(names) ^ set(values)):
            state = "missing" if name in names else "unknown"
            raise CalibrationError(f"calibration: {name!r} is {state}; it has {', '.join(names)}")
        for name in names:
            value = values[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise CalibrationError(f"calibration: {name} is {value!r}; a finite number is expected")
        made = cls(**{name: float(values[name]) for name in names if name != "scores"}, scores=int(values["scores"]))
        if not (made.shape > 0 and made.scale > 0 and 0 <= made.median <= made.largest and made.looks >= MIN_LOOKS):
            raise CalibrationError(
                "calibration: shape and scale must be positive, 0 <= median <= largest, "
                f"and looks at least {MIN_LOOKS}: fit it again"
            )
        return made


def checked_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """`scores` (n,) as float64; raises CalibrationError for another shape, NaN, infinity and scores below 0."""
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.all(np.isfinite(values)) or (values.size and float(values.min()) < 0):
        raise CalibrationError("calibration takes a list of finite anomaly scores, none below 0")
    return values


def refuse_too_little(looks: float) -> None:
    """Raises CalibrationError where `looks` independent windows are too few for any tail."""
    if not looks >= MIN_LOOKS:
        raise CalibrationError(
            f"there is too little normal sound to calibrate: {looks * WINDOW_SECONDS:.0f} s, "
            f"at least {MIN_LOOKS * WINDOW_SECONDS:.0f} s are needed"
        )


def shortage(false_alarms_per_day: float, looks: float, needed: float) -> str | None:
    """One sentence where `looks` independent windows were heard and more are `needed` for the asked rate, else None."""
    if looks >= needed:
        return None
    return (
        f"{false_alarms_per_day:g} false alarms a day ask for at least {duration(needed)} of normal sound and "
        f"{duration(looks)} were heard, so the threshold is a guess beyond the data"
    )


def duration(looks: float) -> str:
    """As long as `looks` windows that share no sound, in words."""
    seconds = looks * WINDOW_SECONDS
    for unit, size in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
