"""What a threshold is expected to cost in false alarms, and how sure that is."""

from dataclasses import dataclass

import numpy as np

from asdstream.scoring.alarm_calibration import AlarmCalibration
from asdstream.scoring.gamma import GammaTail, upper_quantile
from asdstream.scoring.pareto import ParetoTail

_DRAWS = 200
_ONE_SIDED = 0.05


@dataclass(frozen=True, slots=True)
class ExpectedAlarms:
    """Alarms a day that normal sound raises at a threshold: by the fitted tail, with a 90 % interval.

    `heard` counts those that the sound heard would have raised; `proven` is the 95 % upper bound that this count gives
    without any tail.
    """

    per_day: float
    low: float
    high: float
    heard: int
    proven: float


def expected_alarms(calibration: AlarmCalibration, false_alarms_per_day: float, threshold: float) -> ExpectedAlarms:
    """For the tail that decides at `false_alarms_per_day`, at `threshold`.

    The interval is that of 200 samples of the bootstrap: the tail is fitted anew to as many levels as there are
    independent looks, or to a Poisson number of peaks, drawn with replacement. The draws are the same every time.
    `proven` is the exact Poisson bound (Garwood 1936).
    """
    rng = np.random.default_rng(0)
    expected = false_alarms_per_day * calibration.days
    rung = calibration.rung(expected)
    if calibration.rare is not None and calibration.tail(false_alarms_per_day) != "gamma":
        start, pareto = calibration.rare
        excess = threshold - start.level
        per_day = len(start.peaks) / calibration.days * pareto.exceeded(excess)
        samples = []
        for count in np.maximum(rng.poisson(len(start.peaks), _DRAWS), 2):
            drawn = ParetoTail.fit(rng.choice(start.peaks - start.level, count))
            samples.append(count / calibration.days * drawn.exceeded(excess))
    else:
        clusters = len(calibration.levels) * rung.index / calibration.days
        per_day = clusters * GammaTail.fit(calibration.levels).exceeded(threshold)
        looks = max(2, int(calibration.looks))
        samples = [
            clusters * GammaTail.fit(rng.choice(calibration.levels, looks)).exceeded(threshold) for _ in range(_DRAWS)
        ]
    low, high = np.quantile(samples, (_ONE_SIDED, 1 - _ONE_SIDED))
    heard = int(np.count_nonzero(rung.peaks > threshold))
    proven = upper_quantile(heard + 1, _ONE_SIDED) / (calibration.days * calibration.share)
    return ExpectedAlarms(per_day, float(min(low, per_day)), float(max(high, per_day)), heard, proven)
