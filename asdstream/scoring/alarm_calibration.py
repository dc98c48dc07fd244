"""From scores of normal sound to the threshold of a k-of-n alarm, whatever the tail and however windows overlap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdstream.audio.window import WINDOW_SECONDS
from asdstream.scoring.alarm_level import alarm_levels
from asdstream.scoring.calibration import (
    MAX_EXTRAPOLATION,
    checked_scores,
    independent_looks,
    refuse_too_little,
    shortage,
)
from asdstream.scoring.clusters import cluster_peaks
from asdstream.scoring.effective_looks import effective_looks
from asdstream.scoring.false_alarms import DAY_SECONDS
from asdstream.scoring.gamma import GammaTail
from asdstream.scoring.pareto import ParetoTail

MIN_PEAKS = 30
"""Clusters over a level below which no generalised Pareto tail is fitted."""
_MIN_CLUSTERS = 10
"""Below which how many exceedances come together is not estimated."""
_RUNGS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
"""The shares of normal sound under which clusters are looked for."""
_TAIL_FROM = 0.9
"""The share of normal sound under any level that a generalised Pareto tail starts at."""

Tail = Literal["gamma", "generalised Pareto"]


@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """A level, the peaks of the clusters over it (C,), and the extremal index: clusters over exceedances."""

    level: float
    peaks: NDArray[np.float64]
    index: float


@dataclass(frozen=True, slots=True, eq=False)
class AlarmCalibration:
    """How often normal sound, as it was heard, comes to which alarm level (`alarm_levels`), and what lies beyond.

    `levels` are what was fitted, `days` the time they stand for, `looks` the number of independent windows behind
    them, `share` that number over the one of windows without common sound; `median` is that of the scores. There is
    no unfitted calibration: `of_recordings` and `of_windows` make one or raise CalibrationError.

    With R alarms a day asked for and T days heard, of which R T `share` = E alarms are expected in it:

    - moderate rates, E >= 1, and all rates where there are fewer than 30 clusters over the 90 % quantile: the gamma
      tail of all levels, at the probability q = R T / (N theta), N the number of levels and theta the extremal index
      (Leadbetter 1983; Coles 2001, eq. 5.5 and 5.3.3), taken as high up as there are at least 10 clusters and R T;
    - rare rates: the generalised Pareto tail of the C clusters' peaks over a level u, peaks over threshold with
      declustering (Davison and Smith 1990; Coles 2001, 5.3.3), at the probability R T / C, and never less than the
      gamma tail at E = 1. u is the highest of the 90, 95 and 98 % quantiles with 30 clusters over it.

    The data speak of E down to 1 / 100. Beyond that the Pareto tail goes on as an exponential one, and `shortage` says
    so. The threshold is never below the largest usual level: the one that the sound heard exceeds R T times at most.
    """

    levels: NDArray[np.float64]
    rungs: tuple[Rung, ...]
    gamma: GammaTail
    rare: tuple[Rung, ParetoTail] | None
    days: float
    looks: float
    share: float
    median: float

    @classmethod
    def of_recordings(cls, recordings: Sequence[ArrayLike], hop_s: float, k: int, n: int) -> Self:
        """Fit to the scores of recordings, each (m,) of consecutive windows `hop_s` apart, for a `k`-of-`n` alarm.

        Those with fewer than n windows say nothing. An alarm is a cluster of levels over the threshold; two are apart
        where windows of a whole window's length are not over it, as two alarms are.
        """
        scores = [checked_scores(one) for one in recordings]
        heard = [one for one in scores if len(one) >= n]
        runs = [alarm_levels(one, k, n) for one in heard]
        count = sum(len(run) for run in runs)
        looks = effective_looks(runs, hop_s)
        refuse_too_little(looks)
        apart = sum(independent_looks(len(run), hop_s) for run in runs)
        gap = max(1, math.ceil(WINDOW_SECONDS / hop_s))
        return cls._fit(runs, gap, count * hop_s / DAY_SECONDS, looks, looks / apart, np.concatenate(heard))

    @classmethod
    def of_windows(cls, scores: ArrayLike, hop_s: float, k: int) -> Self:
        """Fit to scores (m,) of windows without common sound, of which none is known to follow another.

        How many come together is unknown then, so each stands for k windows of one alarm, as
        `FalseAlarmRate.window_probability` says: a bound, met where every alarm takes no more windows than it must.
        """
        values = checked_scores(scores)
        refuse_too_little(len(values))
        return cls._fit([values], 0, len(values) * k * hop_s / DAY_SECONDS, float(len(values)), 1.0, values)

    @classmethod
    def _fit(
        cls,
        runs: Sequence[NDArray[np.float64]],
        gap: int,
        days: float,
        looks: float,
        share: float,
        scores: NDArray[np.float64],
    ) -> Self:
        levels = np.concatenate(list(runs))
        rungs: list[Rung] = []
        for part in _RUNGS:
            level = float(np.quantile(levels, part))
            peaks = cluster_peaks(runs, level, gap)
            if len(peaks) < _MIN_CLUSTERS and rungs:
                break
            over = int(np.count_nonzero(levels > level))
            index = len(peaks) / over if over else 1.0
            # Clusters shorten with height; where they seem to grow it is chance, and would turn the rates' order round.
            rungs.append(Rung(level, peaks, max(index, rungs[-1].index if rungs else 0.0)))
        high = [rung for part, rung in zip(_RUNGS, rungs, strict=False) if _TAIL_FROM <= part <= 0.98]
        start = next((rung for rung in reversed(high) if len(rung.peaks) >= MIN_PEAKS), None)
        return cls(
            levels=levels,
            rungs=tuple(rungs),
            gamma=GammaTail.fit(levels, looks),
            rare=None if start is None else (start, ParetoTail.fit(start.peaks - start.level)),
            days=days,
            looks=looks,
            share=share,
            median=float(np.median(scores)),
        )

    def tail(self, false_alarms_per_day: float) -> Tail:
        """Which tail decides at this rate."""
        return "gamma" if self._peaks_over(false_alarms_per_day) is None else "generalised Pareto"

    def threshold(self, false_alarms_per_day: float) -> float:
        """The score that k of n windows of normal sound exceed rarely enough; always over the median."""
        expected = false_alarms_per_day * self.days
        rare = self._peaks_over(false_alarms_per_day)
        if rare is None:
            tail = self._by_gamma(expected)
        else:
            rung, pareto = rare
            reach = 1 / (MAX_EXTRAPOLATION * self.share * len(rung.peaks))
            excess = pareto.quantile(min(1.0, expected / len(rung.peaks)), reach)
            tail = max(rung.level + excess, self._by_gamma(1 / self.share))
        return max(tail, self._largest_usual(expected), self.median * (1 + 1e-6) + 1e-9)

    def calibrated(self, score: float, threshold: float) -> float:
        """As `Calibration.calibrated`."""
        return (score - self.median) / (threshold - self.median)

    def shortage(self, false_alarms_per_day: float) -> str | None:
        """One sentence where the asked rate lies further out than this much normal sound can tell, else None."""
        reached = false_alarms_per_day * self.days * self.share * MAX_EXTRAPOLATION
        return shortage(false_alarms_per_day, self.looks, self.looks / reached)

    def rung(self, expected: float) -> Rung:
        """The highest level with at least 10 clusters, and at least `expected`, over it; else the lowest."""
        wanted = max(_MIN_CLUSTERS, expected)
        return next((rung for rung in reversed(self.rungs) if len(rung.peaks) >= wanted), self.rungs[0])

    def _peaks_over(self, false_alarms_per_day: float) -> tuple[Rung, ParetoTail] | None:
        """What decides where the rate is rare, None where the gamma tail does."""
        return self.rare if false_alarms_per_day * self.days * self.share < 1 else None

    def _by_gamma(self, expected: float) -> float:
        probability = expected / (len(self.levels) * self.rung(expected).index)
        return self.gamma.quantile(min(probability, 0.5))

    def _largest_usual(self, expected: float) -> float:
        allowed = int(expected)
        if not allowed:
            return float(self.levels.max())
        peaks = np.sort(self.rung(expected).peaks)[::-1]
        return float(peaks[allowed]) if allowed < len(peaks) else 0.0
