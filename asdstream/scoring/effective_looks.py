"""How many independent windows recordings of normal sound amount to."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asdstream.scoring.calibration import independent_looks

_UNRELATED = 0.05
"""Autocorrelation below which what remains is taken for chance, as is what lies within two standard errors of none."""


def effective_looks(runs: Sequence[NDArray[np.float64]], hop_s: float) -> float:
    """Independent windows behind the scores of recordings, each (m,) of windows `hop_s` apart.

    Never more than the windows without common sound. Fewer where a machine's state outlasts a window: N scores whose
    autocorrelation at lag j is r_j vary in their mean like N / (1 + 2 sum r_j) independent ones (Bartlett 1946), the
    sum ending where r_j falls below 0.05 or twice its standard error. All recordings share one mean, so a recording
    that stays apart from the others as a whole counts little more than once.
    """
    apart = sum(independent_looks(len(run), hop_s) for run in runs)
    count = sum(len(run) for run in runs)
    if not count:
        return 0.0
    whole = np.concatenate(list(runs))
    variance = float(whole.var())
    # Equal scores differ by rounding, and that by a pattern.
    if variance <= (1e-9 * float(np.abs(whole).max())) ** 2:
        return apart
    centred = [run - whole.mean() for run in runs]
    total = 0.0
    for lag in range(1, max(len(run) for run in runs)):
        long_enough = [run for run in centred if len(run) > lag]
        pairs = sum(len(run) - lag for run in long_enough)
        # A handful of pairs says nothing.
        if pairs < 10:
            break
        related = sum(float(run[:-lag] @ run[lag:]) for run in long_enough) / (pairs * variance)
        if related < max(_UNRELATED, 2 / math.sqrt(pairs)):
            break
        total += related
    return min(apart, max(1.0, count / (1 + 2 * total)))
