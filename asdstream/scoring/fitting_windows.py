"""Which windows of a long listening are the machine as it mostly is, and which do not fit."""

import math

import numpy as np
from numpy.typing import NDArray

from asdstream.scoring.heard_windows import HeardWindows

NEIGHBOURS = 0.02
"""A sound that lasts for less than this share of the listening has too few of its like to be usual."""
LEAST_NEIGHBOURS = 3
FAR = 2.0
"""Times the usual distance that a window may always lie from its neighbours."""
DEVIATIONS = 5.0
"""Robust standard deviations of the distances' logarithms that it may lie off, where they spread more than that."""
MAX_ANCHORS = 1024
"""Of the windows that all are compared with; 3 h without common sound."""
_ROWS = 2048


def fitting_windows(heard: HeardWindows) -> NDArray[np.bool_]:
    """Whether each of the windows (N,) fits.

    A window's distance is that to its k-th nearest among windows that share no sound with each other or with it, in
    every branch a cosine distance over the median of all, and the mean of that over the branches. So a machine with
    several usual states is as well served as one with a single one: k is 2 % of the windows compared with. What lies
    beyond the median times the larger one of 2 and exp(5 s) does not fit, s being 1.4826 times the median absolute
    deviation of the logarithms. With fewer than k + 2 windows to compare with nothing can be said, and all fit.
    """
    anchors = heard.apart(np.arange(len(heard)))
    if len(anchors) > MAX_ANCHORS:
        anchors = anchors[np.linspace(0, len(anchors) - 1, MAX_ANCHORS).round().astype(int)]
    k = max(LEAST_NEIGHBOURS, math.ceil(NEIGHBOURS * len(anchors)))
    # Of windows that share no sound with each other two at most share some with another window.
    if len(anchors) < k + 2:
        return np.ones(len(heard), dtype=bool)
    relative = np.zeros(len(heard))
    for rows in heard.vectors.values():
        distances = np.empty(len(heard))
        for first in range(0, len(heard), _ROWS):
            part = np.arange(first, min(first + _ROWS, len(heard)))
            found = np.clip(1.0 - rows[part] @ rows[anchors].T, 0.0, 2.0)
            found[heard.share_sound(part, anchors)] = np.inf
            distances[part] = np.partition(found, k - 1, axis=1)[:, k - 1]
        distances = np.maximum(distances, np.finfo(np.float32).eps)
        relative += distances / np.median(distances)
    logarithms = np.log(relative)
    centre = float(np.median(logarithms))
    spread = 1.4826 * float(np.median(np.abs(logarithms - centre)))
    return np.asarray(logarithms <= centre + max(math.log(FAR), DEVIATIONS * spread))
