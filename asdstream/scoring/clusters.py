"""Exceedances that belong together, because they are the same event seen by several windows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def cluster_peaks(runs: Sequence[NDArray[np.float64]], level: float, gap: int) -> NDArray[np.float64]:
    """The largest value of each cluster of values over `level`, in order (C,).

    Values over it belong to one cluster unless `gap` or more values in a row between them are not; a new run starts a
    new cluster. This is runs declustering (Smith and Weissman 1994; Coles 2001, 5.3.2): C over the number of values
    over the level estimates the extremal index, the reciprocal of how many come together.
    """
    peaks: list[float] = []
    for values in runs:
        over = np.flatnonzero(values > level)
        if len(over):
            starts = np.concatenate(([0], np.flatnonzero(np.diff(over) > gap) + 1))
            peaks += np.maximum.reduceat(values[over], starts).tolist()
    return np.asarray(peaks, dtype=np.float64)
