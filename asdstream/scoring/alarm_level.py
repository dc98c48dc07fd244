"""The score at which a k-of-n alarm would just stand: the one number that the rule makes of the latest windows."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def alarm_levels(scores: NDArray[np.float64], k: int, n: int) -> NDArray[np.float64]:
    """From the scores (m,) of consecutive windows, the k-th largest of each n in a row: (m - n + 1,), or none.

    `k` of the `n` windows lie over a threshold exactly where their level does, so the levels' tail is the alarm's.
    """
    if len(scores) < n:
        return np.zeros(0)
    return np.asarray(np.partition(sliding_window_view(scores, n), n - k, axis=1)[:, n - k], dtype=np.float64)
